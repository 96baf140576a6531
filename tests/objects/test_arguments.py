import pytest

from objects import FormatError
from objects.arguments import MAX_SIZE, integer, parse, render


def test_both_ways() -> None:
    assert render({0: 65537}) == b"0='65537'"
    assert render({1: None, 0: "a,b=c"}) == b"0='a,b=c',1"
    assert parse(b"0='a,b=c',1") == {0: "a,b=c", 1: None}
    assert parse(b"") == {}
    assert integer(parse(render({0: 65537})), 0) == 65537


@pytest.mark.parametrize(
    "data", [b"x", b"10", b"0=", b"0='", b"0='a'b", b"0,", b",0", b"0,0", b"0='\n'", b"\xff", b"0" * (MAX_SIZE + 1)]
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse(data)


def test_what_cannot_be_an_argument_is_not_written() -> None:
    with pytest.raises(FormatError):
        render({0: "it's"})


@pytest.mark.parametrize("value", [None, "", "-1", "01", "1.0", "18446744073709551616", "٣"])
def test_numbers_are_unsigned(value: str | None) -> None:
    with pytest.raises(FormatError):
        integer({0: value}, 0)
