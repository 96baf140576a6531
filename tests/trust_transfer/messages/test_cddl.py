"""The wire contract, docs/reference/transfer.cddl: what we make fits it, what does not fit it is refused.

The validator reads the claims apart from their envelope, as the contract describes payloads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from pycddl import Schema, ValidationError

from cose.cbor import Tagged, decode, encode
from cose.keys import PrivateKey
from cose.sign1 import parse_profile
from tests.trust_transfer.messages import strategies
from tests.trust_transfer.messages.samples import (
    COMMITTED,
    DEVICES,
    FACTORY,
    FELL_BACK,
    PROGRESS,
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
from trust_transfer.messages.numbers import Form, Typ
from trust_transfer.messages.receipts import decode_receipts, decode_releases, encode_receipts, encode_releases
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import Terms, parse_transfer_message, plain_message
from trust_transfer.messages.values import Limits

CDDL = (Path(__file__).parents[3] / "docs" / "reference" / "transfer.cddl").read_text()


@cache
def _schema(rule: str) -> Schema:
    """The contract with `rule` as its root: a validator begins at the first rule."""
    return Schema(f"root = {rule}\n{CDDL}")


def _fits(rule: str, data: bytes) -> bool:
    try:
        _schema(rule).validate_cbor(data)
    except ValidationError:
        return False
    return True


def _claims(raw: bytes) -> bytes:
    payload = parse_profile(raw, max_size=4096).payload
    assert payload is not None
    return payload


def _signed(key: PrivateKey, typ: Typ, read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """A reader of claims: signs them as the right party would, then reads the message."""
    return lambda payload: read(signed_claims(payload, key, typ))


def _read_message(raw: bytes) -> Any:
    return parse_transfer_message(raw).verify(SP1_TRANSFER.public_key(), [SP2_TRANSFER.public_key()])


_template = _signed(SP2_TRANSFER, Typ.TEMPLATE, lambda raw: TransferTemplate.parse(raw, SP2_TRANSFER.public_key()))
_message = _signed(SP1_TRANSFER, Typ.MESSAGE, _read_message)
_report = _signed(FACTORY, Typ.REPORT, lambda raw: TransferReport.parse(raw, FACTORY.public_key()))

SAMPLES: list[tuple[str, bytes, Callable[[bytes], Any]]] = [
    ("TransferTemplate", _claims(signed_template()), _template),
    ("plain-claims", _claims(message(Form.PLAIN, issued_at=7, nonce=bytes(16), limits=Limits(3, 600))), _message),
    ("endorsed-claims", _claims(message(Form.ENDORSED, issuer="sp1.example", issued_at=7)), _message),
    ("TransferReport", _claims(COMMITTED.sign(FACTORY)), _report),
    ("TransferReport", _claims(FELL_BACK.sign(FACTORY)), _report),
    ("TransferReport", _claims(PROGRESS.sign(FACTORY)), _report),
    ("TransferReceipts", encode_receipts(TRANSFER_ID, receipts()), decode_receipts),
    ("TransferReleases", encode_releases(TRANSFER_ID, receipts()), decode_releases),
    ("DeviceUpdateInfo", DEVICES.encode(), DeviceUpdateInfo.decode),
]
EACH = pytest.mark.parametrize(("rule", "data", "read"), SAMPLES, ids=[f"{n}-{s[0]}" for n, s in enumerate(SAMPLES)])


@EACH
def test_samples_fit(rule: str, data: bytes, read: Callable[[bytes], Any]) -> None:
    assert _fits(rule, data)
    assert _fits("start", data)
    read(data)


@EACH
def test_what_is_read_fits(rule: str, data: bytes, read: Callable[[bytes], Any]) -> None:
    """Each member, at any depth, replaced by values of other kinds, removed, or joined by a stranger."""
    refused = 0
    for damaged in damage(decode(data)):
        changed = encode(damaged)
        try:
            read(changed)
        except MessageError:
            refused += 1
        else:
            assert _fits(rule, changed), damaged
    assert refused > 100


@given(strategies.templates)
@settings(deadline=None, max_examples=50)
def test_templates_fit(template: TransferTemplate) -> None:
    assert _fits("TransferTemplate", _claims(template.sign(SP2_TRANSFER)))


@given(strategies.small_templates, strategies.terms)
@settings(deadline=None, max_examples=50)
def test_messages_fit(template: TransferTemplate, terms: Terms) -> None:
    assert _fits("TransferMessage", _claims(plain_message(template, terms, SP1_TRANSFER)))


@given(strategies.reports)
@settings(deadline=None, max_examples=50)
def test_reports_fit(report: TransferReport) -> None:
    assert _fits("TransferReport", _claims(report.sign(FACTORY)))


@given(strategies.device_lists)
@settings(deadline=None, max_examples=50)
def test_device_lists_fit(info: DeviceUpdateInfo) -> None:
    assert _fits("DeviceUpdateInfo", info.encode())


def damage(value: Any) -> list[Any]:
    """`value` with each member in turn replaced, removed or joined by a stranger."""
    others: list[Any] = [None, True, 0, -1, 1 << 63, 1.5, "", "x", b"", bytes(32), [], [[]], {}, {99: 0}]
    damaged = [*others, Tagged(2, b"")]
    if isinstance(value, dict):
        damaged += [{**value, 99: 0}, {**value, "": 0}]
        for key, member in value.items():
            damaged.append({other: kept for other, kept in value.items() if other != key})
            damaged.extend({**value, key: changed} for changed in damage(member))
    if isinstance(value, list):
        damaged.append([*value, 0])
        for index, member in enumerate(value):
            damaged.append([*value[:index], *value[index + 1 :]])
            damaged.extend([*value[:index], changed, *value[index + 1 :]] for changed in damage(member))
    return damaged
