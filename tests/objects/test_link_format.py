import pytest
from hypothesis import given
from hypothesis import strategies as st

from objects import FormatError, FormatReason
from objects.formats.link_format import MAX_LINKS, MAX_TEXT, Link, parse, parse_links, render

NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
VALUES = st.none() | st.text(max_size=20).filter(lambda s: "\n" not in s)
LINKS = st.builds(Link, st.from_regex(r"/[0-9/]{0,12}", fullmatch=True), st.dictionaries(NAMES, VALUES, max_size=4))


@given(st.lists(LINKS, max_size=5))
def test_text_and_back(links: list[Link]) -> None:
    assert list(parse_links(render(links))) == links


@pytest.mark.parametrize(
    "text",
    [
        '</>;rt="oma.lwm2m";ct="60 112",</1/0>,</3/0>,</33001/0>,</33002>;ver=1.0',
        '</lwm2m>;rt="oma.lwm2m",</lwm2m/5/0>',
        "",
    ],
)
def test_what_devices_register_is_kept_as_it_is(text: str) -> None:
    assert render(parse_links(text)) == text


def test_blanks_and_escapes_of_others() -> None:
    assert parse(b' </3/0> ; a = "x\\"y,<z>" ;b , </1>') == (Link("/3/0", {"a": 'x"y,<z>', "b": None}), Link("/1"))


@pytest.mark.parametrize(
    "text", ["/3/0", "</3", "</3>x", "</3>,", ",</3>", "</3>;", '</3>;a="x', "</3>;a=", "</3 0>", "</3> </4>"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_links(text)
    assert caught.value.reason is FormatReason.MALFORMED


def test_bounds() -> None:
    for text, reason in (
        ("</1>," * (MAX_TEXT // 5 + 1), FormatReason.TOO_LARGE),
        ("</1>" + ",</1>" * MAX_LINKS, FormatReason.TOO_MANY),
        ("</1>" + "".join(f";a{i}" for i in range(33)), FormatReason.TOO_MANY),
        ("</1>;a;a", FormatReason.DUPLICATE),
    ):
        with pytest.raises(FormatError) as caught:
            parse_links(text)
        assert caught.value.reason is reason
    with pytest.raises(FormatError):
        parse(b"</\xff>")
    with pytest.raises(FormatError):
        render([Link("/a>b")])
