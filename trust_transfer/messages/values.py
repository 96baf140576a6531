"""Values the messages share: seq, digests, anchors, profiles, limits, authorities, and where a device is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cose.keys import ED25519_SIZE, P256_COMPRESSED_SIZE, UnusableKey, public_key_of
from cose.numbers import Algorithm
from trust_transfer.messages.fields import Fields, array, byte_string, malformed, uint
from trust_transfer.messages.numbers import AnchorRole, AuthorityRole, TransferKey

SHA256_SIZE: Final = 32
TRANSFER_ID_SIZE: Final = 16
NONCE_SIZES: Final = (16, 32)
MAX_ENDPOINT: Final = 64
MAX_URI: Final = 255
MAX_WINDOW: Final = 90 * 86400
"""Longest window of a transfer, in seconds."""

_SEQ_PER_EPOCH: Final = 1 << 16
_MAX_EPOCH: Final = (1 << 48) - 1
_MAX_DIGEST: Final = 64
_DIGEST_SIZES: Final[Mapping[int, int]] = {Algorithm.SHA_256: SHA256_SIZE}
_ALL_ROLES: Final = 15


# ---- seq (protocol.md rule 2) -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Seq:
    """A seq as its two parts; a device accepts only its own epoch and n above what it has burned."""

    epoch: int
    n: int


def seq_value(epoch: int, n: int) -> int:
    """epoch * 65536 + n. Raises ValueError outside 48 and 16 bits."""
    if not 0 <= epoch <= _MAX_EPOCH or not 0 <= n < _SEQ_PER_EPOCH:
        raise ValueError(f"no seq has epoch {epoch} and count {n}: 48 and 16 bits")
    return epoch * _SEQ_PER_EPOCH + n


def seq_parts(seq: int) -> Seq:
    """Epoch and count of a seq."""
    return Seq(*divmod(seq, _SEQ_PER_EPOCH))


# ---- small values -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SuitDigest:
    """SUIT_Digest: COSE algorithm number and digest bytes."""

    alg: int
    digest: bytes

    def to_cbor(self) -> list[Any]:
        return [self.alg, self.digest]

    @classmethod
    def from_cbor(cls, value: Any) -> SuitDigest:
        """Raises `MessageError` (malformed); a known algorithm's digest must have its length."""
        alg, digest = array(value, "SUIT digest", minimum=2, maximum=2)
        if not isinstance(alg, int) or isinstance(alg, bool):
            raise malformed("the SUIT digest's algorithm is not a number")
        known = _DIGEST_SIZES.get(alg)
        return cls(alg, byte_string(digest, "SUIT digest", known or 1, known or _MAX_DIGEST))


@dataclass(frozen=True, slots=True)
class Anchor:
    """A certificate by its SHA-256 fingerprint, and what it may authenticate."""

    roles: AnchorRole
    fingerprint: bytes

    def to_cbor(self) -> list[Any]:
        return [int(self.roles), self.fingerprint]

    @classmethod
    def from_cbor(cls, value: Any) -> Anchor:
        roles, fingerprint = array(value, "anchor", minimum=2, maximum=2)
        return cls(
            AnchorRole(uint(roles, "anchor roles", 1, _ALL_ROLES)),
            byte_string(fingerprint, "anchor fingerprint", SHA256_SIZE),
        )


SCHEMES: Final = ("coaps", "coap")
"""By enrollment protocol."""


@dataclass(frozen=True, slots=True)
class EnrollmentProfile:
    """How to enroll, each 0 or 1, with the numbers of object 33002.

    `protocol`: EST-coaps, or EST over OSCORE. `request`: PKCS#10, or C509. `keygen`: the device makes the key, or the
    server.
    """

    protocol: int
    request: int
    keygen: int

    @property
    def scheme(self) -> str:
        """The scheme of every URI of this profile (security rule 12): a `coap` one is protected by OSCORE."""
        return SCHEMES[self.protocol]

    def to_cbor(self) -> list[Any]:
        return [self.protocol, self.request, self.keygen]

    @classmethod
    def from_cbor(cls, value: Any) -> EnrollmentProfile:
        members = array(value, "enrollment profile", minimum=3, maximum=3)
        return cls(*(uint(member, "enrollment profile", 0, 1) for member in members))


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a device tries, and for how many seconds in all, before it falls back."""

    attempts: int
    deadline: int

    def to_cbor(self) -> list[Any]:
        return [self.attempts, self.deadline]

    @classmethod
    def from_cbor(cls, value: Any) -> Limits:
        attempts, deadline = array(value, "limits", minimum=2, maximum=2)
        return cls(uint(attempts, "attempts", 1, 255), uint(deadline, "deadline", 300, 2592000))


DEFAULT_LIMITS: Final = Limits(attempts=8, deadline=86400)
"""What a message without limits means: eight attempts within a day."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """Authority keys: who may sign TransferMessages and who SUIT manifests after the commit."""

    transfer: bytes
    firmware: bytes

    def to_cbor(self) -> dict[int, Any]:
        return {AuthorityRole.TRANSFER: self.transfer, AuthorityRole.FIRMWARE: self.firmware}

    @classmethod
    def from_cbor(cls, value: Any) -> Authorities:
        """Raises `MessageError` (malformed) unless both are keys that can be used."""
        fields = Fields(value, "authorities")
        authorities = cls(
            fields.take(AuthorityRole.TRANSFER, _authority_key), fields.take(AuthorityRole.FIRMWARE, _authority_key)
        )
        fields.done()
        return authorities


def _authority_key(value: Any) -> bytes:
    data = byte_string(value, "authority key", ED25519_SIZE, P256_COMPRESSED_SIZE)
    try:
        public_key_of(data)
    except UnusableKey as error:
        raise malformed(f"authority key: {error}") from error
    return data


def _pinned_key(value: Any) -> bytes:
    return _authority_key(byte_string(value, "pinned key", P256_COMPRESSED_SIZE))


# ---- where to ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Destination:
    """What SP2 decides: where the device goes, whom it trusts there, and in which state it sets off."""

    enroll_uri: str
    update_uri: str
    update_first: bool
    ra_uri: str | None
    agreed_state: SuitDigest
    anchors: tuple[Anchor, ...]
    profile: EnrollmentProfile
    authorities: Authorities
    pinned_key: bytes | None = None

    def to_cbor(self) -> dict[int, Any]:
        """The members of the private claim; absent ones left out."""
        members = {
            TransferKey.ENROLL_URI: self.enroll_uri,
            TransferKey.UPDATE_URI: self.update_uri,
            TransferKey.UPDATE_FIRST: self.update_first,
            TransferKey.RA_URI: self.ra_uri,
            TransferKey.AGREED_STATE: self.agreed_state.to_cbor(),
            TransferKey.ANCHORS: [anchor.to_cbor() for anchor in self.anchors],
            TransferKey.PROFILE: self.profile.to_cbor(),
            TransferKey.AUTHORITIES: self.authorities.to_cbor(),
            TransferKey.PINNED_KEY: self.pinned_key,
        }
        return {key: value for key, value in members.items() if value is not None}

    @classmethod
    def take_from(cls, fields: Fields) -> Destination:
        """Take the destination's members out of a private claim. Raises `MessageError` (malformed)."""
        return cls(
            enroll_uri=fields.text(TransferKey.ENROLL_URI, 1, MAX_URI),
            update_uri=fields.text(TransferKey.UPDATE_URI, 1, MAX_URI),
            update_first=fields.boolean(TransferKey.UPDATE_FIRST),
            ra_uri=fields.optional_text(TransferKey.RA_URI, 1, MAX_URI),
            agreed_state=fields.take(TransferKey.AGREED_STATE, SuitDigest.from_cbor),
            anchors=fields.take(TransferKey.ANCHORS, _anchors),
            profile=fields.take(TransferKey.PROFILE, EnrollmentProfile.from_cbor),
            authorities=fields.take(TransferKey.AUTHORITIES, Authorities.from_cbor),
            pinned_key=fields.optional(TransferKey.PINNED_KEY, _pinned_key),
        )


def _anchors(value: Any) -> tuple[Anchor, ...]:
    return tuple(Anchor.from_cbor(member) for member in array(value, "anchors", minimum=1))
