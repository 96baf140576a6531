"""URIs in the narrow form (security rule 12, security test 14)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Result
from trust_transfer.messages.uri import Origin, check_uri, within

SCHEMES = {"coaps", "https"}


def _refused(uri: str, *, lab: bool = True) -> None:
    with pytest.raises(MessageError) as caught:
        check_uri(uri, schemes=SCHEMES, lab=lab)
    assert caught.value.result is Result.URI


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("coaps://sp2.example", Origin("coaps", "sp2.example", 5684)),
        ("coaps://SP2.Example:5684/", Origin("coaps", "sp2.example", 5684)),
        ("https://sp2.example/a/b.c~d/", Origin("https", "sp2.example", 443)),
        ("coaps://sp2.example:1/est/AZaz09-_", Origin("coaps", "sp2.example", 1)),
        ("coaps://192.0.2.1:65535", Origin("coaps", "192.0.2.1", 65535)),
        ("coaps://[2001:DB8:0::1]", Origin("coaps", "2001:db8::1", 5684)),
        ("coaps://x1", Origin("coaps", "x1", 5684)),
    ],
)
def test_accepted(uri: str, origin: Origin) -> None:
    assert check_uri(uri, schemes=SCHEMES, lab=False) == origin


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "coaps:",
        "coaps://",
        "coaps:///path",
        "sp2.example",
        "//sp2.example",
        "coap://sp2.example",
        "coaps+tcp://sp2.example",
        "COAPS://sp2.example",
        "javascript://sp2.example",
        "coaps://good@evil",
        "coaps://good:pass@evil",
        "coaps://sp2.example?x",
        "coaps://sp2.example/?x=1",
        "coaps://sp2.example#x",
        "coaps://sp2.example/.",
        "coaps://sp2.example/./a",
        "coaps://sp2.example/a/..",
        "coaps://sp2.example/a/../b",
        "coaps://sp2.example/%2e%2e/b",
        "coaps://sp2.example/a%2fb",
        "coaps://sp2.example//a",
        "coaps://sp2.example/a//b",
        "coaps://sp2.example\\@evil",
        "coaps://sp2.example/a b",
        "coaps://sp2.example/a\n",
        "coaps://sp2.example\x00",
        "coaps://sp2.example/\u200b",
        "coaps://spé.example",
        "coaps://sp2.example:",
        "coaps://sp2.example:0",
        "coaps://sp2.example:05684",
        "coaps://sp2.example:65536",
        "coaps://sp2.example:٥",
        "coaps://sp2..example",
        "coaps://.example",
        "coaps://sp2.example.",
        "coaps://-sp2.example",
        "coaps://sp2-.example",
        f"coaps://{'a' * 64}.example",
        "coaps://256.1.1.1",
        "coaps://127.1",
        "coaps://2130706433",
        "coaps://0x7f000001",
        "coaps://0x7f.0.0.1",
        "coaps://0177.0.0.1",
        "coaps://1.2.3.4.5",
        "coaps://[::1",
        "coaps://[::1%25eth0]",
        "coaps://[fe80::1%eth0]",
        "coaps://::1",
        "coaps://[1.2.3.4]",
        "coaps://224.0.1.187",
        "coaps://[ff02::fd]",
        "coaps://0.0.0.0",
        "coaps://[::]",
        "coaps://[::ffff:224.0.0.1]",
        "coaps://sp2.example/" + "a" * 240,
    ],
)
def test_refused(uri: str) -> None:
    """Refused even with the lab flag."""
    _refused(uri)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.255.255.254",
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "[::1]",
        "169.254.1.1",
        "[fe80::1]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7f00:1]",
        "[::ffff:169.254.1.1]",
    ],
)
def test_loopback_and_link_local_need_the_lab_flag(host: str) -> None:
    uri = f"coaps://{host}:5684/a"
    assert check_uri(uri, schemes=SCHEMES, lab=True).port == 5684
    _refused(uri, lab=False)


def test_a_scheme_without_a_known_port_needs_one() -> None:
    assert check_uri("coaps+ws://sp2.example:1", schemes={"coaps+ws"}, lab=False).port == 1
    with pytest.raises(MessageError):
        check_uri("coaps+ws://sp2.example", schemes={"coaps+ws"}, lab=False)


@pytest.mark.parametrize(
    ("uri", "prefix", "inside"),
    [
        ("coaps://ca2.example/est/label", "coaps://ca2.example/est", True),
        ("coaps://ca2.example/est/label", "coaps://ca2.example/est/", True),
        ("coaps://ca2.example/est", "coaps://ca2.example/est", True),
        ("coaps://CA2.example:5684/est", "coaps://ca2.example", True),
        ("coaps://ca2.example/established", "coaps://ca2.example/est", False),
        ("coaps://ca2.example/", "coaps://ca2.example/est", False),
        ("coaps://ca2.example.evil/est", "coaps://ca2.example/est", False),
        ("coaps://ca2.example:5685/est", "coaps://ca2.example/est", False),
        ("https://ca2.example/est", "coaps://ca2.example/est", False),
        ("coaps://ca2.example/EST/label", "coaps://ca2.example/est", False),
    ],
)
def test_within_a_pinned_prefix(uri: str, prefix: str, inside: bool) -> None:
    assert within(uri, prefix) is inside


def test_within_judges_only_the_narrow_form() -> None:
    for uri, prefix in (("coaps://a/../b", "coaps://a"), ("coaps://a/b", "coaps://a?x")):
        with pytest.raises(MessageError):
            within(uri, prefix)


@given(st.text(max_size=80))
def test_any_text_is_refused_or_understood(text: str) -> None:
    try:
        origin = check_uri("coaps://" + text, schemes=SCHEMES, lab=False)
    except MessageError as error:
        assert error.result is Result.URI
    else:
        assert "@" not in text
        assert text.lower().startswith((origin.host, f"[{origin.host}]", "["))
