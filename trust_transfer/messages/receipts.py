"""TransferReceipts and TransferReleases: how two providers settle a transfer (docs/reference/messages.md).

A receipt carries a device's committed report from SP2 to SP1, a release its fell-back report from SP1 to SP2. Both are
payloads of a detached JWS, have the same form and are told apart by the JWS `typ`; what they prove is proven by the
report inside, which the reader verifies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from cose.cbor import encode
from trust_transfer.messages.fields import Fields, array, byte_string, decode, uint
from trust_transfer.messages.signed import MAX_SERVER_MESSAGE
from trust_transfer.messages.values import SHA256_SIZE, TRANSFER_ID_SIZE

MAX_RECEIPTS: Final = 1 << 20
"""Largest document of receipts or releases anybody reads, in bytes: the HTTP body limit."""

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """One device's proof: factory certificate's fingerprint, when it was stored (seconds since 1970), signed report."""

    fingerprint: bytes
    at: int
    report: bytes

    def to_cbor(self) -> list[Any]:
        return [self.fingerprint, self.at, self.report]

    @classmethod
    def from_cbor(cls, value: Any) -> Receipt:
        fingerprint, at, report = array(value, "receipt", minimum=3, maximum=3)
        return cls(
            byte_string(fingerprint, "fingerprint", SHA256_SIZE),
            uint(at, "receipt time"),
            byte_string(report, "report", 1, MAX_SERVER_MESSAGE),
        )


def encode_receipts(transfer_id: bytes, receipts: Iterable[Receipt]) -> bytes:
    """TransferReceipts of one transfer. Raises `MessageError` for values nobody would accept, such as none at all."""
    return _encode(transfer_id, receipts)


def decode_receipts(raw: bytes, *, max_size: int = MAX_RECEIPTS) -> tuple[bytes, tuple[Receipt, ...]]:
    """Transfer id and receipts. Raises `MessageError`: too large, malformed, unknown typ or claim."""
    return _decode(raw, "TransferReceipts", max_size)


def encode_releases(transfer_id: bytes, releases: Iterable[Receipt]) -> bytes:
    """TransferReleases of one transfer. Raises `MessageError` for values nobody would accept, such as none at all."""
    return _encode(transfer_id, releases)


def decode_releases(raw: bytes, *, max_size: int = MAX_RECEIPTS) -> tuple[bytes, tuple[Receipt, ...]]:
    """Transfer id and releases. Raises `MessageError`: too large, malformed, unknown typ or claim."""
    return _decode(raw, "TransferReleases", max_size)


def _encode(transfer_id: bytes, receipts: Iterable[Receipt]) -> bytes:
    raw = encode({0: _VERSION, 1: transfer_id, 2: [receipt.to_cbor() for receipt in receipts]})
    _decode(raw, "document", MAX_RECEIPTS)
    return raw


def _decode(raw: bytes, name: str, max_size: int) -> tuple[bytes, tuple[Receipt, ...]]:
    fields = Fields(decode(raw, max_size=max_size), name)
    fields.uint(0, _VERSION, _VERSION)
    transfer_id = fields.bytes_(1, TRANSFER_ID_SIZE)
    members = fields.take(2, lambda value: array(value, name, minimum=1))
    fields.done()
    return transfer_id, tuple(Receipt.from_cbor(member) for member in members)
