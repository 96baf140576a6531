"""The Send operation, sans-IO (LwM2M Core 1.2, 6.4.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_server.protocol.samples import Sample
from lwm2m_server.protocol.send import parse
from objects.formats import records
from objects.formats.records import Record
from objects.model import MODEL
from objects.path import Path
from secure_coap.errors import CoapError
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from tests.lwm2m_server.protocol.driving import target

CBOR, JSON = ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON
NOW = 1_800_000_000.0
BATTERY, UNKNOWN = Path(3, 0, 9), Path(40000, 0, 1)
OBJECTS = {3, 40000}


def sent(
    payload: bytes, content_format: int | None = CBOR, method: Code = Code.POST, path: tuple[str, ...] = ("dp",)
) -> Request:
    return Request(method, path, payload=payload, content_format=content_format)


@pytest.mark.parametrize("used", [CBOR, JSON, ContentFormat.LWM2M_CBOR])
def test_values_of_several_objects(used: int) -> None:
    payload = records.encode(used, [Record(BATTERY, 95), Record(UNKNOWN, "x")], MODEL)
    found = parse(sent(payload, used), OBJECTS, target(), NOW)
    assert set(found) == {Sample(BATTERY, 95, NOW), Sample(UNKNOWN, "x", NOW)}


def test_a_history() -> None:
    payload = records.encode(JSON, [Record(BATTERY, 95, NOW - 60), Record(BATTERY, 94, NOW)], MODEL)
    found = parse(sent(payload, JSON), OBJECTS, target(), NOW)
    assert [(one.value, one.at) for one in found] == [(95, NOW - 60), (94, NOW)]


GOOD = records.encode(CBOR, [Record(BATTERY, 95)], MODEL)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (sent(GOOD, method=Code.GET), Code.METHOD_NOT_ALLOWED),
        (sent(GOOD, path=("dp", "x")), Code.NOT_FOUND),
        (sent(GOOD, None), Code.UNSUPPORTED_CONTENT_FORMAT),
        (sent(GOOD, ContentFormat.LWM2M_TLV), Code.UNSUPPORTED_CONTENT_FORMAT),
        (sent(b""), Code.BAD_REQUEST),
        (sent(b"\x80"), Code.BAD_REQUEST),
        (sent(GOOD[:-1]), Code.BAD_REQUEST),
        (sent(records.encode(CBOR, [Record(BATTERY, 95), Record(Path(5, 0, 3), 1)], MODEL)), Code.NOT_FOUND),
    ],
)
def test_refusals(request_: Request, code: Code) -> None:
    with pytest.raises(CoapError) as refused:
        parse(request_, OBJECTS, target(), NOW)
    assert refused.value.code is code


@given(st.binary(max_size=64), st.sampled_from([CBOR, JSON, ContentFormat.LWM2M_CBOR]))
def test_nothing_a_device_sends_raises_anything_else(payload: bytes, used: int) -> None:
    try:
        assert parse(sent(payload, used), OBJECTS, target(), NOW)
    except CoapError as error:
        assert error.code in {Code.BAD_REQUEST, Code.NOT_FOUND}
