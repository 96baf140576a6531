"""TransferTemplate: SP2 tells SP1 where the devices go (docs/reference/messages.md)."""

from __future__ import annotations

from dataclasses import dataclass

from cose.keys import PrivateKey, PublicKey
from cose.numbers import Claim
from trust_transfer.messages.numbers import PRIVATE_TRANSFER, Typ
from trust_transfer.messages.signed import (
    MAX_SERVER_MESSAGE,
    check_window,
    open_envelope,
    read_claims,
    seal,
    verified_payload,
)
from trust_transfer.messages.values import TRANSFER_ID_SIZE, Destination


@dataclass(frozen=True, slots=True)
class TransferTemplate:
    """SP2's terms for one transfer. Times are seconds since 1970; the window is at most 90 days."""

    issuer: str
    audience: str
    not_before: int
    not_after: int
    issued_at: int
    transfer_id: bytes
    destination: Destination

    def sign(self, key: PrivateKey) -> bytes:
        """Sign as SP2. Raises `MessageError` for values nobody would accept."""
        claims = {
            Claim.ISS: self.issuer,
            Claim.AUD: self.audience,
            Claim.EXP: self.not_after,
            Claim.NBF: self.not_before,
            Claim.IAT: self.issued_at,
            Claim.CTI: self.transfer_id,
            PRIVATE_TRANSFER: self.destination.to_cbor(),
        }
        raw = seal(claims, key, Typ.TEMPLATE)
        self.parse(raw, key.public_key())
        return raw

    @classmethod
    def parse(cls, raw: bytes, key: PublicKey | None) -> TransferTemplate:
        """Read a template signed by the pinned `key`.

        `key` None skips the signature: only for bytes that were verified when they were stored. Raises `MessageError`:
        too large, malformed, unknown typ or claim, wrong signer, bad signature, window.
        """
        envelope = open_envelope(raw, Typ.TEMPLATE, max_size=MAX_SERVER_MESSAGE)
        payload = envelope.payload if key is None else verified_payload(envelope, key)
        assert payload is not None
        return cls.from_payload(payload)

    @classmethod
    def from_payload(cls, payload: bytes) -> TransferTemplate:
        """Read the claims of an envelope that was opened and verified already."""
        claims = read_claims(payload, "TransferTemplate")
        private = claims.nested(PRIVATE_TRANSFER)
        template = cls(
            issuer=claims.text(Claim.ISS),
            audience=claims.text(Claim.AUD),
            not_before=claims.uint(Claim.NBF),
            not_after=claims.uint(Claim.EXP),
            issued_at=claims.uint(Claim.IAT),
            transfer_id=claims.bytes_(Claim.CTI, TRANSFER_ID_SIZE),
            destination=Destination.take_from(private),
        )
        private.done()
        claims.done()
        check_window(template.not_before, template.not_after)
        return template
