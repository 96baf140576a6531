"""TransferMessage: SP1 orders one device to move (docs/reference/messages.md).

Two forms with one meaning. *Plain*: SP1 copies SP2's fields. *Endorsed*: SP2's signed template is embedded, everything
SP2 decides is read from it, and the device verifies both signatures.

`parse_transfer_message` checks what needs no key; `UnverifiedMessage.verify` turns it into the `TransferOrder` the
device's policy judges (audience, seq, time, nonce, minimum, URIs, anchors: those need the device's record).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cose.errors import CoseError
from cose.keys import PrivateKey, PublicKey
from cose.numbers import Claim
from cose.sign1 import Sign1
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.fields import Fields
from trust_transfer.messages.numbers import PRIVATE_TRANSFER, Form, Result, TransferKey, Typ
from trust_transfer.messages.signed import (
    MAX_DEVICE_MESSAGE,
    check_window,
    if_given,
    names_key,
    open_envelope,
    read_claims,
    seal,
    verified_payload,
)
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.values import (
    DEFAULT_LIMITS,
    MAX_ENDPOINT,
    MAX_URI,
    NONCE_SIZES,
    TRANSFER_ID_SIZE,
    Destination,
    Limits,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What SP1 adds to SP2's template to make it one device's message. Times are seconds since 1970.

    `not_before` and `not_after` may only narrow the template's window. `seq` must never have been used for other bytes
    (protocol.md rule 6). `limits` None means `DEFAULT_LIMITS`.
    """

    audience: str
    seq: int
    fallback_uri: str
    issuer: str | None = None
    not_before: int | None = None
    not_after: int | None = None
    issued_at: int | None = None
    nonce: bytes | None = None
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """What a verified message orders, the same for both forms. Times are seconds since 1970.

    `issued_at` is the message's, or in the endorsed form the template's where the message has none. `raw` is the whole
    message, byte for byte: a repeat is recognised by it.
    """

    form: Form
    issuer: str | None
    audience: str
    not_before: int
    not_after: int
    issued_at: int | None
    transfer_id: bytes
    nonce: bytes | None
    seq: int
    destination: Destination
    fallback_uri: str
    limits: Limits
    signer_kid: bytes
    template: bytes | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class UnverifiedMessage:
    """A message whose size, envelope and typ are right; nothing in it may be believed yet."""

    envelope: Sign1

    @property
    def raw(self) -> bytes:
        """The whole message."""
        return self.envelope.raw

    @property
    def kid(self) -> bytes:
        """The hint which key has signed."""
        assert self.envelope.kid is not None
        return self.envelope.kid

    def verify(self, authority: PublicKey, endorsers: Iterable[PublicKey] = ()) -> TransferOrder:
        """Check that `authority` signed, and in the endorsed form that one of `endorsers` signed the template.

        Raises `MessageError`: wrong signer, bad signature, malformed, unknown typ or claim, window; endorser unknown
        (no endorser has the template's kid) and endorsement invalid (everything else about the template).
        """
        claimed, private, embedded = _read(verified_payload(self.envelope, authority))
        if embedded is None:
            destination = Destination.take_from(private)
            private.done()
            return self._plain(claimed, destination)
        private.done()
        return self._endorsed(claimed, embedded, _endorsing_template(embedded, tuple(endorsers)))

    def _plain(self, claimed: _Claimed, destination: Destination) -> TransferOrder:
        if claimed.not_before is None or claimed.not_after is None or claimed.transfer_id is None:
            raise MessageError(Result.MALFORMED, "a plain message needs exp, nbf and cti")
        check_window(claimed.not_before, claimed.not_after)
        return TransferOrder(
            form=Form.PLAIN,
            issuer=claimed.issuer,
            audience=claimed.audience,
            not_before=claimed.not_before,
            not_after=claimed.not_after,
            issued_at=claimed.issued_at,
            transfer_id=claimed.transfer_id,
            nonce=claimed.nonce,
            seq=claimed.seq,
            destination=destination,
            fallback_uri=claimed.fallback_uri,
            limits=claimed.limits,
            signer_kid=self.kid,
            template=None,
            raw=self.raw,
        )

    def _endorsed(self, claimed: _Claimed, embedded: bytes, template: TransferTemplate) -> TransferOrder:
        _check_agreement(claimed, template)
        not_before, not_after = narrowed_window(template, claimed.not_before, claimed.not_after)
        return TransferOrder(
            form=Form.ENDORSED,
            issuer=claimed.issuer,
            audience=claimed.audience,
            not_before=not_before,
            not_after=not_after,
            issued_at=template.issued_at if claimed.issued_at is None else claimed.issued_at,
            transfer_id=template.transfer_id,
            nonce=claimed.nonce,
            seq=claimed.seq,
            destination=template.destination,
            fallback_uri=claimed.fallback_uri,
            limits=claimed.limits,
            signer_kid=self.kid,
            template=embedded,
            raw=self.raw,
        )


def parse_transfer_message(raw: bytes, *, max_size: int = MAX_DEVICE_MESSAGE) -> UnverifiedMessage:
    """Check size (bytes), envelope and typ. Raises `MessageError`: too large, malformed, unknown typ or claim."""
    return UnverifiedMessage(open_envelope(raw, Typ.MESSAGE, max_size=max_size))


# ---- building ----------------------------------------------------------------------------------------


def plain_message(template: TransferTemplate, terms: Terms, key: PrivateKey) -> bytes:
    """SP1's message in plain form: the template's fields copied.

    Raises `MessageError` when the terms contradict the template or a device would find the message malformed or too
    large.
    """
    not_before, not_after = narrowed_window(template, terms.not_before, terms.not_after)
    claims = _common_claims(terms) | {
        Claim.EXP: not_after,
        Claim.NBF: not_before,
        Claim.CTI: template.transfer_id,
        PRIVATE_TRANSFER: template.destination.to_cbor() | _common_members(terms),
    }
    return _sealed(claims, key)


def endorsed_message(template: bytes, terms: Terms, key: PrivateKey) -> bytes:
    """SP1's message in endorsed form, around SP2's signed `template` as it was received (and verified).

    Errors as `plain_message`.
    """
    parsed = TransferTemplate.parse(template, None)
    narrowed_window(parsed, terms.not_before, terms.not_after)
    if terms.issuer is not None and terms.issuer != parsed.audience:
        raise MessageError(Result.ENDORSEMENT_INVALID, "the template is addressed to another provider")
    claims = _common_claims(terms) | {
        Claim.EXP: if_given(terms.not_after),
        Claim.NBF: if_given(terms.not_before),
        PRIVATE_TRANSFER: _common_members(terms) | {TransferKey.ENDORSEMENT: template},
    }
    return _sealed(claims, key)


def narrowed_window(template: TransferTemplate, not_before: int | None, not_after: int | None) -> tuple[int, int]:
    """The template's window with what is given narrowing it.

    Raises `MessageError`: endorsement invalid when it would widen, window when nothing is left.
    """
    start = template.not_before if not_before is None else not_before
    end = template.not_after if not_after is None else not_after
    if start < template.not_before or end > template.not_after:
        raise MessageError(Result.ENDORSEMENT_INVALID, "the window reaches beyond the template's")
    check_window(start, end)
    return start, end


def _common_claims(terms: Terms) -> dict[int, Any]:
    return {
        Claim.ISS: if_given(terms.issuer),
        Claim.AUD: terms.audience,
        Claim.IAT: if_given(terms.issued_at),
        Claim.EAT_NONCE: if_given(terms.nonce),
    }


def _common_members(terms: Terms) -> dict[int, Any]:
    members: dict[int, Any] = {TransferKey.SEQ: terms.seq, TransferKey.FALLBACK_URI: terms.fallback_uri}
    if terms.limits is not None:
        members[TransferKey.LIMITS] = terms.limits.to_cbor()
    return members


def _sealed(claims: dict[int, Any], key: PrivateKey) -> bytes:
    raw = seal(claims, key, Typ.MESSAGE)
    payload = parse_transfer_message(raw).envelope.payload
    assert payload is not None
    _read(payload)
    return raw


# ---- reading ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Claimed:
    """The members both forms have."""

    issuer: str | None
    audience: str
    not_before: int | None
    not_after: int | None
    issued_at: int | None
    transfer_id: bytes | None
    nonce: bytes | None
    seq: int
    fallback_uri: str
    limits: Limits

    @classmethod
    def take(cls, claims: Fields, private: Fields) -> _Claimed:
        claimed = cls(
            issuer=claims.optional_text(Claim.ISS),
            audience=claims.text(Claim.AUD, 1, MAX_ENDPOINT),
            not_before=claims.optional_uint(Claim.NBF),
            not_after=claims.optional_uint(Claim.EXP),
            issued_at=claims.optional_uint(Claim.IAT),
            transfer_id=claims.optional_bytes(Claim.CTI, TRANSFER_ID_SIZE),
            nonce=claims.optional_bytes(Claim.EAT_NONCE, *NONCE_SIZES),
            seq=private.uint(TransferKey.SEQ),
            fallback_uri=private.text(TransferKey.FALLBACK_URI, 1, MAX_URI),
            limits=private.optional(TransferKey.LIMITS, Limits.from_cbor) or DEFAULT_LIMITS,
        )
        claims.done()
        return claimed


def _read(payload: bytes) -> tuple[_Claimed, Fields, bytes | None]:
    """What both forms have, what is left of the private claim, and the embedded template if there is one."""
    claims = read_claims(payload, "TransferMessage")
    private = claims.nested(PRIVATE_TRANSFER)
    embedded = private.optional_bytes(TransferKey.ENDORSEMENT, 0, MAX_DEVICE_MESSAGE)
    return _Claimed.take(claims, private), private, embedded


def _endorsing_template(embedded: bytes, endorsers: tuple[PublicKey, ...]) -> TransferTemplate:
    try:
        envelope = open_envelope(embedded, Typ.TEMPLATE, max_size=MAX_DEVICE_MESSAGE)
    except MessageError as error:
        raise _invalid(error) from error
    candidates = [endorser for endorser in endorsers if names_key(envelope, endorser)]
    if not candidates:
        raise MessageError(Result.ENDORSER_UNKNOWN, "no endorser has the kid of the embedded template")
    try:
        return TransferTemplate.from_payload(_payload_signed_by_any(envelope, candidates))
    except MessageError as error:
        raise _invalid(error) from error


def _payload_signed_by_any(envelope: Sign1, candidates: list[PublicKey]) -> bytes:
    """kid is 8 bytes and may be shared: each key that has it is tried."""
    for candidate in candidates:
        try:
            return envelope.verify(candidate)
        except CoseError:
            continue
    raise MessageError(Result.BAD_SIGNATURE, "the template's signature does not verify")


def _check_agreement(claimed: _Claimed, template: TransferTemplate) -> None:
    """The message must not contradict the template it carries."""
    if claimed.transfer_id is not None and claimed.transfer_id != template.transfer_id:
        raise MessageError(Result.ENDORSEMENT_INVALID, "cti is not the template's")
    if not template.audience:
        raise MessageError(Result.ENDORSEMENT_INVALID, "the template names no audience")
    if claimed.issuer is not None and claimed.issuer != template.audience:
        raise MessageError(Result.ENDORSEMENT_INVALID, "the template is addressed to another provider")


def _invalid(error: MessageError) -> MessageError:
    return MessageError(Result.ENDORSEMENT_INVALID, f"embedded template: {error.detail}")
