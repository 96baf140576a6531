"""The registration interface as values: what a request asks for, and every bound on it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_server.protocol.object_links import MAX_BODY, MAX_LINKS, links_of
from lwm2m_server.protocol.registration import (
    DEFAULT_LIFETIME,
    MAX_LIFETIME,
    Deregister,
    Register,
    Update,
    parse,
)
from objects.errors import FormatError
from objects.path import MAX_ID
from secure_coap.errors import CoapError
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

HANDLE = "AAECAwQFBgcICQoLDA0ODw"
LINKS = b'</>;rt="oma.lwm2m",</1/0>,</33002/3>,</33002/1>,</33001>'


def register(*query: str, **changes: Any) -> Request:
    values: dict[str, Any] = {"payload": LINKS, "content_format": ContentFormat.LINK_FORMAT} | changes
    return Request(Code.POST, ("rd",), query, **values)


def test_register() -> None:
    asked = parse(register("ep=dev-1", "lt=60", "lwm2m=1.1", "b=U", "sms=1"))
    assert asked == Register("dev-1", 60, "1.1", "U", False, LINKS.decode())
    assert parse(register()) == Register(None, DEFAULT_LIFETIME, "1.0", "U", False, LINKS.decode())


def test_update_and_deregister() -> None:
    path = ("rd", HANDLE)
    assert parse(Request(Code.POST, path)) == Update(HANDLE)
    changed = Request(Code.POST, path, ("lt=90", "b=UQ"), payload=b"</3/0>", content_format=40)
    assert parse(changed) == Update(HANDLE, 90, "U", True, "</3/0>")
    assert parse(Request(Code.DELETE, path)) == Deregister(HANDLE)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Request(Code.GET, ("rd",)), Code.METHOD_NOT_ALLOWED),
        (Request(Code.PUT, ("rd", HANDLE)), Code.METHOD_NOT_ALLOWED),
        (Request(Code.POST, ()), Code.NOT_FOUND),
        (Request(Code.POST, ("bs",)), Code.NOT_FOUND),
        (Request(Code.POST, ("rd", "x", "y")), Code.NOT_FOUND),
        (register(payload=b""), Code.BAD_REQUEST),
        (register("lt=0"), Code.BAD_REQUEST),
        (register(f"lt={MAX_LIFETIME + 1}"), Code.BAD_REQUEST),
        (register("lt=-1"), Code.BAD_REQUEST),
        (register("lt=١"), Code.BAD_REQUEST),
        (register("lt=1", "lt=2"), Code.BAD_REQUEST),
        (register("lwm2m=2.0"), Code.PRECONDITION_FAILED),
        (register("b=X"), Code.BAD_REQUEST),
        (register(*(f"x{i}=1" for i in range(17))), Code.BAD_REQUEST),
        (register(payload=b"</1/0"), Code.BAD_REQUEST),
        (register(payload=b"\xff"), Code.BAD_REQUEST),
        (register(content_format=ContentFormat.CBOR), Code.UNSUPPORTED_CONTENT_FORMAT),
        (register(payload=b"</1/0>," * (MAX_BODY // 7 + 1)), Code.REQUEST_ENTITY_TOO_LARGE),
        (register(payload=b",".join(b"</1/0>" for _ in range(MAX_LINKS + 1))), Code.REQUEST_ENTITY_TOO_LARGE),
    ],
)
def test_refusals(request_: Request, code: Code) -> None:
    with pytest.raises(CoapError) as refused:
        parse(request_)
    assert refused.value.code is code


def test_objects_in_the_list() -> None:
    links = links_of(LINKS.decode())
    assert (links.root, links.content_formats) == ((), ())
    assert links.instances_of(33002) == (1, 3)
    assert links.instances_of(33001) == ()
    assert 33001 in links
    assert 3300 not in links


def test_an_alternate_path_formats_and_versions() -> None:
    links = links_of(
        '</lwm2m>;rt="oma.lwm2m";ct="60 112",</lwm2m/3>;ver=1.1,</lwm2m/3/0>,</1/0>,</lwm2m/5/0>;ver="1.2"'
    )
    assert (links.root, links.content_formats) == (("lwm2m",), (60, 112))
    assert dict(links.versions) == {3: "1.1", 5: "1.2"}
    assert dict(links.instances) == {3: (0,), 5: (0,)}


@pytest.mark.parametrize(
    ("query", "binding", "queue_mode"),
    [
        ((), "U", False),
        (("b=UQ",), "U", True),
        (("b=UQS",), "US", True),
        (("b=SQ",), "S", True),
        (("lwm2m=1.1", "b=UT", "Q"), "UT", True),
        (("lwm2m=1.1", "b=U", "Q="), "U", True),
        (("lwm2m=1.2", "b=UHMN", "pid=2"), "UHMN", False),
        (("Q",), "U", True),
    ],
)
def test_bindings_of_every_version(query: tuple[str, ...], binding: str, queue_mode: bool) -> None:
    asked = parse(register("ep=dev-1", *query))
    assert isinstance(asked, Register)
    assert (asked.binding, asked.queue_mode) == (binding, queue_mode)


@given(
    method=st.sampled_from([Code.GET, Code.POST, Code.PUT, Code.DELETE, Code.FETCH]),
    path=st.lists(st.sampled_from(["rd", "", "x"]) | st.text(max_size=4), max_size=3),
    query=st.lists(st.sampled_from(["ep=a", "lt=1", "b=U", "Q", "lwm2m=1.1"]) | st.text(max_size=8), max_size=5),
    payload=st.sampled_from([b"", LINKS, b"</1/0>", b"</1/0>;ver"]) | st.binary(max_size=24),
    content_format=st.none() | st.sampled_from([0, 40, 60]),
)
def test_whatever_comes_is_understood_or_refused(
    method: Code, path: list[str], query: list[str], payload: bytes, content_format: int | None
) -> None:
    request = Request(method, tuple(path), tuple(query), payload=payload, content_format=content_format)
    try:
        asked = parse(request)
    except CoapError:
        return
    assert method in {Code.POST, Code.DELETE}
    if isinstance(asked, Register):
        assert 1 <= asked.lifetime <= MAX_LIFETIME
        assert asked.endpoint is None or asked.endpoint.isprintable()


@given(links=st.text(alphabet='</0123456789>;=,"verct ab', max_size=60))
def test_whatever_a_list_says_is_read_or_refused(links: str) -> None:
    try:
        found = links_of(links)
    except (CoapError, FormatError):
        return
    assert set(found.instances) <= set(found.versions)
    assert all(0 <= number <= MAX_ID for number in found.versions)


@pytest.mark.parametrize("name", ["", "x" * 256, "a\x1b[31m", "two\nlines", "\x00"])
def test_names_that_nobody_can_read(name: str) -> None:
    with pytest.raises(CoapError) as refused:
        parse(register(f"ep={name}"))
    assert refused.value.code is Code.BAD_REQUEST


def test_equal_lists_share_one_string() -> None:
    first, second = parse(register("ep=a")), parse(register("ep=b", payload=bytes(bytearray(LINKS))))
    assert isinstance(first, Register) and isinstance(second, Register)
    assert first.links is second.links
