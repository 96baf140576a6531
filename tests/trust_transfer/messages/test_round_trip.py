"""Every message comes back as it was made, and has one byte form."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cose.cbor import decode, encode
from cose.keys import KeyKind, generate_private_key
from cose.sign1 import parse_profile
from tests.trust_transfer.messages import strategies
from tests.trust_transfer.messages.samples import (
    FACTORY,
    REPORTS,
    SP1_TRANSFER,
    SP2_TRANSFER,
    TEMPLATE,
    TERMS,
    message,
    signed_template,
)
from trust_transfer.messages.device_update_info import DeviceUpdateInfo
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Form, Result
from trust_transfer.messages.receipts import decode_receipts, decode_releases, encode_receipts, encode_releases
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import (
    Terms,
    TransferOrder,
    endorsed_message,
    parse_transfer_message,
    plain_message,
)
from trust_transfer.messages.values import DEFAULT_LIMITS

SP1, SP2, DEVICE = SP1_TRANSFER.public_key(), SP2_TRANSFER.public_key(), FACTORY.public_key()


def _order(raw: bytes) -> TransferOrder:
    return parse_transfer_message(raw).verify(SP1, [SP2])


def _assert_orders(order: TransferOrder, template: TransferTemplate, terms: Terms) -> None:
    assert order.destination == template.destination
    assert order.transfer_id == template.transfer_id
    assert (order.not_before, order.not_after) == (template.not_before, template.not_after)
    assert (order.audience, order.seq, order.fallback_uri) == (terms.audience, terms.seq, terms.fallback_uri)
    assert order.nonce == terms.nonce
    assert order.limits == (terms.limits or DEFAULT_LIMITS)


@given(strategies.templates)
@settings(deadline=None)
def test_template(template: TransferTemplate) -> None:
    raw = template.sign(SP2_TRANSFER)
    assert TransferTemplate.parse(raw, SP2) == template
    assert TransferTemplate.parse(raw, None) == template


@given(strategies.small_templates, strategies.terms)
@settings(deadline=None)
def test_plain_message(template: TransferTemplate, terms: Terms) -> None:
    order = _order(plain_message(template, terms, SP1_TRANSFER))
    _assert_orders(order, template, terms)
    assert (order.form, order.template, order.issued_at) == (Form.PLAIN, None, terms.issued_at)


@given(strategies.small_templates, strategies.terms)
@settings(deadline=None)
def test_endorsed_message(template: TransferTemplate, terms: Terms) -> None:
    raw_template = template.sign(SP2_TRANSFER)
    try:
        raw = endorsed_message(raw_template, terms, SP1_TRANSFER)
    except MessageError as error:
        assert error.result is Result.TOO_LARGE
        return
    order = _order(raw)
    _assert_orders(order, template, terms)
    assert (order.form, order.template) == (Form.ENDORSED, raw_template)
    assert order.issued_at == (template.issued_at if terms.issued_at is None else terms.issued_at)


def test_both_forms_order_the_same() -> None:
    plain, endorsed = (_order(message(form)) for form in Form)
    differing = {"form", "issued_at", "template", "raw"}
    for field in dataclasses.fields(TransferOrder):
        assert field.name in differing or getattr(plain, field.name) == getattr(endorsed, field.name)


def test_either_form_narrows_the_window() -> None:
    start, end = TEMPLATE.not_before + 10, TEMPLATE.not_after - 10
    for form in Form:
        order = _order(message(form, not_before=start, not_after=end, issuer=TEMPLATE.audience))
        assert (order.not_before, order.not_after, order.issuer) == (start, end, TEMPLATE.audience)


@pytest.mark.parametrize("kind", KeyKind, ids=lambda kind: kind.value)
@pytest.mark.parametrize("form", Form, ids=lambda form: form.name)
def test_either_kind_of_key_signs(kind: KeyKind, form: Form) -> None:
    key = generate_private_key(kind)
    order = parse_transfer_message(message(form, key)).verify(key.public_key(), [SP2])
    assert order.audience == TERMS.audience


@given(strategies.reports)
@settings(deadline=None)
def test_report(report: TransferReport) -> None:
    assert TransferReport.parse(report.sign(FACTORY), DEVICE) == report


@given(strategies.transfer_ids, strategies.receipts)
def test_receipts_and_releases(transfer_id: bytes, receipts: list[Any]) -> None:
    assert decode_receipts(encode_receipts(transfer_id, receipts)) == (transfer_id, tuple(receipts))
    assert decode_releases(encode_releases(transfer_id, receipts)) == (transfer_id, tuple(receipts))


@given(strategies.device_lists)
def test_device_list(info: DeviceUpdateInfo) -> None:
    assert DeviceUpdateInfo.decode(info.encode()) == info


SIGNED = [signed_template(), *(message(form) for form in Form), *(report.sign(FACTORY) for report in REPORTS)]


@pytest.mark.parametrize("raw", SIGNED, ids=["template", "plain", "endorsed", "committed", "fell back", "progress"])
def test_signed_messages_reencode_to_the_same_bytes(raw: bytes) -> None:
    payload = parse_profile(raw, max_size=len(raw)).payload
    assert encode(decode(raw)) == raw
    assert payload is not None
    assert encode(decode(payload)) == payload


@given(st.sampled_from(SIGNED), st.data())
@settings(max_examples=300, deadline=None)
def test_no_changed_message_is_believed(raw: bytes, data: st.DataObject) -> None:
    """Any edit ends in `MessageError`: the signature covers every byte that a reader looks at."""
    position = data.draw(st.integers(0, len(raw) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != raw[position]))
    changed = raw[:position] + bytes([value]) + raw[position + 1 :]
    with pytest.raises(MessageError):
        TransferTemplate.parse(changed, SP2)
    with pytest.raises(MessageError):
        _order(changed)
    with pytest.raises(MessageError):
        TransferReport.parse(changed, DEVICE)
