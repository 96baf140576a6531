import pytest
from hypothesis import given
from hypothesis import strategies as st

from objects import MAX_ID, InvalidPath, Path

IDS = st.integers(0, MAX_ID)


@given(st.lists(IDS, min_size=1, max_size=4))
def test_text_and_back(ids: list[int]) -> None:
    path = Path.of(ids)
    assert Path.parse(str(path)) == path
    assert Path.from_segments(path.segments) == path
    assert path.ids == tuple(ids)
    assert path.level == len(ids)


@pytest.mark.parametrize(
    "text", ["", "/", "3/0", "/3/", "//0", "/-1", "/03", "/65535", "/3/0/1/2/3", "/3/x", "/٣", "/3 ", "/999999999"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidPath):
        Path.parse(text)


def test_a_level_cannot_be_left_out() -> None:
    with pytest.raises(InvalidPath):
        Path(3, None, 1)


def test_ids_have_a_range() -> None:
    with pytest.raises(InvalidPath):
        Path(70000)


def test_containing() -> None:
    instance = Path(3, 0)
    assert instance.contains(instance)
    assert instance.contains(Path(3, 0, 1, 2))
    assert not instance.contains(Path(3, 1))
    assert not instance.contains(Path(3))
    assert instance.child(9) == Path(3, 0, 9)


def test_there_is_nothing_below_a_resource_instance() -> None:
    with pytest.raises(InvalidPath):
        Path(3, 0, 6, 0).child(1)
