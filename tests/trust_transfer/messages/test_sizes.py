"""Bytes on the wire: the figures docs/reference/messages.md states, as upper bounds."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.trust_transfer.messages.samples import COMMITTED, DESTINATION, FACTORY, FELL_BACK, TEMPLATE, message
from trust_transfer.messages.numbers import Form

ENROLL_URI = "coaps://ca2.example:5684/est/" + "a" * 21
UPDATE_URI = "coaps://sp2.example:5684/"
FALLBACK_URI = "coaps://sp1.example:5684/"
ENDPOINT = "sensor-000000001"
SMALL = dataclasses.replace(
    TEMPLATE, destination=dataclasses.replace(DESTINATION, enroll_uri=ENROLL_URI, update_uri=UPDATE_URI)
)


def test_the_uris_are_50_25_and_25_characters_long() -> None:
    assert [len(uri) for uri in (ENROLL_URI, UPDATE_URI, FALLBACK_URI)] == [50, 25, 25]


@pytest.mark.parametrize(("form", "limit"), [(Form.PLAIN, 411), (Form.ENDORSED, 544)], ids=["plain", "endorsed"])
def test_a_transfer_message_is_small(form: Form, limit: int) -> None:
    """Endpoint of 16 characters, one anchor, names of 11 characters, first transfer: seq 1."""
    assert len(message(form, template=SMALL, audience=ENDPOINT, seq=1, fallback_uri=FALLBACK_URI)) <= limit


def test_reports_are_small() -> None:
    small: dict[str, Any] = {"endpoint": ENDPOINT, "seq": 1}
    assert len(dataclasses.replace(COMMITTED, **small).sign(FACTORY)) <= 357
    assert len(dataclasses.replace(FELL_BACK, **small).sign(FACTORY)) <= 176


def test_a_template_is_small() -> None:
    assert len(SMALL.sign(FACTORY)) <= 395
