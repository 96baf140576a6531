"""Bytes that are no message: every truncation and every kind of damage ends in `MessageError`, whatever is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cose.cbor import decode
from tests.trust_transfer.messages.samples import (
    DEVICES,
    FACTORY,
    REPORTS,
    SP1_TRANSFER,
    SP2_TRANSFER,
    TRANSFER_ID,
    message,
    receipts,
    signed_template,
)
from tests.trust_transfer.messages.signing import signed_claims
from trust_transfer.messages.device_update_info import DeviceUpdateInfo
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Form, Result, Typ
from trust_transfer.messages.receipts import decode_receipts, decode_releases, encode_receipts, encode_releases
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import parse_transfer_message

Reader = Callable[[bytes], Any]


def _read_template(raw: bytes) -> Any:
    return TransferTemplate.parse(raw, SP2_TRANSFER.public_key())


def _read_message(raw: bytes) -> Any:
    return parse_transfer_message(raw).verify(SP1_TRANSFER.public_key(), [SP2_TRANSFER.public_key()])


def _read_report(raw: bytes) -> Any:
    return TransferReport.parse(raw, FACTORY.public_key())


SIGNED: list[tuple[str, bytes, Reader]] = [
    ("template", signed_template(), _read_template),
    ("plain", message(Form.PLAIN), _read_message),
    ("endorsed", message(Form.ENDORSED), _read_message),
    *((report.state.name.lower(), report.sign(FACTORY), _read_report) for report in REPORTS),
]
DOCUMENTS: list[tuple[str, bytes, Reader]] = [
    ("receipts", encode_receipts(TRANSFER_ID, receipts()), decode_receipts),
    ("releases", encode_releases(TRANSFER_ID, receipts()), decode_releases),
    ("devices", DEVICES.encode(), DeviceUpdateInfo.decode),
]
ALL = [*SIGNED, *DOCUMENTS]
SIGNERS = {Typ.TEMPLATE: SP2_TRANSFER, Typ.MESSAGE: SP1_TRANSFER, Typ.REPORT: FACTORY}
EACH = pytest.mark.parametrize(("name", "raw", "read"), ALL, ids=[name for name, _, _ in ALL])
EACH_SIGNED = pytest.mark.parametrize(("name", "raw", "read"), SIGNED, ids=[name for name, _, _ in SIGNED])


def _result(read: Reader, raw: bytes) -> Result:
    with pytest.raises(MessageError) as caught:
        read(raw)
    return caught.value.result


@EACH
def test_every_truncation_is_malformed(name: str, raw: bytes, read: Reader) -> None:
    for length in range(len(raw)):
        assert _result(read, raw[:length]) is Result.MALFORMED, length


@EACH
def test_trailing_bytes_are_malformed(name: str, raw: bytes, read: Reader) -> None:
    assert _result(read, raw + b"\x00") is Result.MALFORMED


@EACH_SIGNED
def test_every_truncation_of_the_claims_is_malformed(name: str, raw: bytes, read: Reader) -> None:
    """Signed by the right key, and still only `MessageError`."""
    protected, _, payload, _ = decode(raw).value
    typ = Typ(decode(protected)[16])
    for length in range(len(payload)):
        assert _result(read, signed_claims(payload[:length], SIGNERS[typ], typ)) is Result.MALFORMED, length


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for _, _, read in ALL:
        _result(read, data)


def test_a_document_is_not_another_document() -> None:
    for name, raw, _ in ALL:
        for other, _, read in ALL:
            if {name, other} in ({"receipts", "releases"}, {"plain", "endorsed"}) or _same_reader(name, other):
                continue
            assert _result(read, raw) in {Result.MALFORMED, Result.UNKNOWN_TYP_OR_CLAIM}


def _same_reader(name: str, other: str) -> bool:
    readers = {label: read for label, _, read in ALL}
    return readers[name] is readers[other]
