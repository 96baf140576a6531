"""The registration interface as values: what a request asks for, and every bound on it."""

from __future__ import annotations

from typing import Any

import pytest

from lwm2m_server.protocol.registration import (
    DEFAULT_LIFETIME,
    MAX_BODY,
    MAX_LIFETIME,
    MAX_LINKS,
    Deregister,
    Register,
    RegistrationRate,
    Update,
    has_object,
    instances_of,
    parse,
)
from secure_coap.errors import CoapError
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

HANDLE = bytes(range(16))
LINKS = b'</>;rt="oma.lwm2m",</1/0>,</33002/3>,</33002/1>,</33001>'


def register(*query: str, **changes: Any) -> Request:
    values: dict[str, Any] = {"payload": LINKS, "content_format": ContentFormat.LINK_FORMAT} | changes
    return Request(Code.POST, ("rd",), query, **values)


def test_register() -> None:
    asked = parse(register("ep=dev-1", "lt=60", "lwm2m=1.1", "b=U", "sms=1"))
    assert asked == Register("dev-1", 60, "1.1", "U", LINKS.decode())
    assert parse(register()) == Register(None, DEFAULT_LIFETIME, "1.0", "U", LINKS.decode())


def test_update_and_deregister() -> None:
    path = ("rd", HANDLE.hex())
    assert parse(Request(Code.POST, path)) == Update(HANDLE, None, None, None)
    changed = Request(Code.POST, path, ("lt=90", "b=UQ"), payload=b"</3/0>", content_format=40)
    assert parse(changed) == Update(HANDLE, 90, "UQ", "</3/0>")
    assert parse(Request(Code.DELETE, path)) == Deregister(HANDLE)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Request(Code.GET, ("rd",)), Code.METHOD_NOT_ALLOWED),
        (Request(Code.PUT, ("rd", HANDLE.hex())), Code.METHOD_NOT_ALLOWED),
        (Request(Code.POST, ()), Code.NOT_FOUND),
        (Request(Code.POST, ("bs",)), Code.NOT_FOUND),
        (Request(Code.POST, ("rd", "x", "y")), Code.NOT_FOUND),
        (Request(Code.POST, ("rd", HANDLE.hex().upper().replace("0", "O"))), Code.NOT_FOUND),
        (Request(Code.POST, ("rd", "00")), Code.NOT_FOUND),
        (register(payload=b""), Code.BAD_REQUEST),
        (register("lt=0"), Code.BAD_REQUEST),
        (register(f"lt={MAX_LIFETIME + 1}"), Code.BAD_REQUEST),
        (register("lt=-1"), Code.BAD_REQUEST),
        (register("lt=١"), Code.BAD_REQUEST),
        (register("lt=1", "lt=2"), Code.BAD_REQUEST),
        (register("lwm2m=2.0"), Code.BAD_REQUEST),
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
    assert instances_of(LINKS.decode(), 33002) == (1, 3)
    assert instances_of(LINKS.decode(), 33001) == ()
    assert has_object(LINKS.decode(), 33001)
    assert not has_object(LINKS.decode(), 3300)


def test_ten_registrations_a_minute() -> None:
    rate = RegistrationRate()
    assert all(rate.admit("dev-1", float(second)) for second in range(10))
    assert not rate.admit("dev-1", 10.0)
    assert rate.admit("dev-2", 10.0)
    assert rate.admit("dev-1", 60.0)
    rate.forget(200.0)
    assert rate._times == {}
