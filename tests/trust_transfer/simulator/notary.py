"""Who signed what: symbolic by default (fast), or with real keys, real COSE and real messages.

Both give the device its message reader and the providers their report verifier; nothing else of the product differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from cose.keys import PrivateKey, authority_key, generate_private_key
from trust_transfer.device.facts import read_message
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Form, Result
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import Terms, TransferOrder, endorsed_message
from trust_transfer.messages.values import Destination, Limits
from trust_transfer.provider.book import SignedReport, verify_report

DEVICE = "dev-1"
"""Endpoint name of the one device, and the owner of its factory key."""


@cache
def key_of(owner: str) -> PrivateKey:
    """The same real key for the same owner in every run: making keys is slow, and nothing depends on their bytes."""
    return generate_private_key()


@cache
def authority_of(owner: str) -> bytes:
    """The authority key of `owner`."""
    return authority_key(key_of(owner).public_key())


@dataclass(frozen=True)
class Wanted:
    """A message to be made for the device."""

    old: str
    new: str
    transfer_id: bytes
    not_before: int
    not_after: int
    destination: Destination
    seq: int
    fallback_uri: str
    limits: Limits
    endpoint: str


class Notary(Protocol):
    """Makes and reads signed things."""

    def message(self, wanted: Wanted) -> bytes: ...

    def read(self, raw: bytes, authority: bytes, endorsers: Sequence[bytes]) -> TransferOrder: ...

    def sign(self, report: TransferReport) -> bytes: ...

    def verify(self, raw: bytes) -> SignedReport: ...


class Symbolic:
    """Bytes are numbers of a ledger; a signature holds when the ledger says so."""

    def __init__(self) -> None:
        self._orders: dict[bytes, tuple[bytes, bytes, TransferOrder]] = {}
        self._reports: dict[bytes, TransferReport] = {}

    def message(self, wanted: Wanted) -> bytes:
        raw = b"message %d" % len(self._orders)
        order = TransferOrder(
            form=Form.ENDORSED,
            issuer=None,
            audience=wanted.endpoint,
            not_before=wanted.not_before,
            not_after=wanted.not_after,
            issued_at=None,
            transfer_id=wanted.transfer_id,
            nonce=None,
            seq=wanted.seq,
            destination=wanted.destination,
            fallback_uri=wanted.fallback_uri,
            limits=wanted.limits,
            signer_kid=b"",
            template=None,
            raw=raw,
        )
        self._orders[raw] = (authority_of(wanted.old), authority_of(wanted.new), order)
        return raw

    def read(self, raw: bytes, authority: bytes, endorsers: Sequence[bytes]) -> TransferOrder:
        signer, endorser, order = self._orders[raw]
        if signer != authority:
            raise MessageError(Result.WRONG_SIGNER, "symbolic")
        if endorser not in endorsers:
            raise MessageError(Result.ENDORSER_UNKNOWN, "symbolic")
        return order

    def sign(self, report: TransferReport) -> bytes:
        raw = b"report %d" % len(self._reports)
        self._reports[raw] = report
        return raw

    def verify(self, raw: bytes) -> SignedReport:
        return SignedReport(raw, self._reports[raw])


class Real:
    """P-256 signatures over deterministic CBOR, as on the wire."""

    def message(self, wanted: Wanted) -> bytes:
        template = TransferTemplate(
            issuer=wanted.new,
            audience=wanted.old,
            not_before=wanted.not_before,
            not_after=wanted.not_after,
            issued_at=wanted.not_before,
            transfer_id=wanted.transfer_id,
            destination=wanted.destination,
        ).sign(key_of(wanted.new))
        terms = Terms(audience=wanted.endpoint, seq=wanted.seq, fallback_uri=wanted.fallback_uri, limits=wanted.limits)
        return endorsed_message(template, terms, key_of(wanted.old))

    def read(self, raw: bytes, authority: bytes, endorsers: Sequence[bytes]) -> TransferOrder:
        return read_message(raw, authority, endorsers)

    def sign(self, report: TransferReport) -> bytes:
        return report.sign(key_of(report.endpoint))

    def verify(self, raw: bytes) -> SignedReport:
        return verify_report(raw, key_of(DEVICE).public_key())
