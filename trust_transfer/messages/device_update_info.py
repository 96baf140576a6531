"""DeviceUpdateInfo: SP1 tells SP2 which devices move (docs/reference/messages.md).

Large fleets are sent in chunks. The transfer id is derived from the bytes of all chunks, so whoever signs it has signed
the list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

from cose.cbor import encode
from device_pki.c509 import C509Error, decode_certificate
from device_pki.fingerprints import fingerprint
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.fields import Fields, array, byte_string, decode, malformed, uint
from trust_transfer.messages.numbers import CertificateKind, KeyOrigin, Result
from trust_transfer.messages.values import MAX_ENDPOINT, MAX_URI, SHA256_SIZE, TRANSFER_ID_SIZE, SuitDigest

MAX_CHUNK: Final = 8 << 20
"""Largest chunk anybody reads, in bytes."""

_VERSION: Final = 1
_MAX_DEPTH: Final = 6
_MAX_CERTIFICATE: Final = 8192
_MAX_GROUP: Final = 255
_UEID_SIZES: Final = (7, 33)
_CHUNK_OVERHEAD: Final = 64
"""Room for what surrounds the device list: version, times, chunk numbers, and the heads of map and array."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SoftwareState:
    """Software a device may run: its manifest's digest, where to get it, its SUIT sequence number."""

    digest: SuitDigest
    uri: str | None = None
    sequence_number: int | None = None

    def to_cbor(self) -> dict[int, Any]:
        return _present({0: self.digest.to_cbor(), 1: self.uri, 2: self.sequence_number})

    @classmethod
    def from_cbor(cls, value: Any) -> SoftwareState:
        fields = Fields(value, "software state")
        state = cls(fields.take(0, SuitDigest.from_cbor), fields.optional_text(1, 1, MAX_URI), fields.optional_uint(2))
        fields.done()
        return state


@dataclass(frozen=True, slots=True)
class AttestationInfo:
    """What a verifier needs: its URI, reference values (CoRIM), trust anchors."""

    verifier_uri: str
    reference_values: bytes | None = None
    trust_anchors: tuple[bytes, ...] | None = None

    def to_cbor(self) -> dict[int, Any]:
        return _present({0: self.verifier_uri, 1: self.reference_values, 2: self.trust_anchors})

    @classmethod
    def from_cbor(cls, value: Any) -> AttestationInfo:
        fields = Fields(value, "attestation info")
        info = cls(
            fields.text(0, 1, MAX_URI),
            fields.optional_bytes(1, 0, MAX_CHUNK),
            fields.optional(2, _many(lambda member: byte_string(member, "trust anchor", 1, _MAX_CERTIFICATE))),
        )
        fields.done()
        return info


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What SP2 must know of one device. Times are seconds since 1970.

    `software` are indices into the list's software states, absent: all of them; `endpoint` is absent where the
    certificate alone names the device; `sequence_number` is the highest SUIT sequence number on the device; `seq` its
    epoch and burned count. Raises `MessageError` (window) when the switch-over ends before it begins.
    """

    earliest: int
    latest: int
    software: tuple[int, ...] | None = None
    endpoint: str | None = None
    ueid: bytes | None = None
    sequence_number: int | None = None
    seq: int | None = None
    key_origin: KeyOrigin | None = None

    def __post_init__(self) -> None:
        if self.latest < self.earliest:
            raise MessageError(Result.WINDOW, "the latest switch-over is before the earliest")

    def to_cbor(self) -> dict[int, Any]:
        return _present(
            {
                0: self.earliest,
                1: self.latest,
                2: self.software,
                3: self.endpoint,
                4: self.ueid,
                5: self.sequence_number,
                6: self.seq,
                7: self.key_origin,
            }
        )

    @classmethod
    def from_cbor(cls, value: Any) -> DeviceInfo:
        fields = Fields(value, "device info")
        info = cls(
            earliest=fields.uint(0),
            latest=fields.uint(1),
            software=fields.optional(2, _many(lambda member: uint(member, "software index"))),
            endpoint=fields.optional_text(3, 1, MAX_ENDPOINT),
            ueid=fields.optional_bytes(4, *_UEID_SIZES),
            sequence_number=fields.optional_uint(5),
            seq=fields.optional_uint(6),
            key_origin=fields.optional(7, lambda member: KeyOrigin(uint(member, "key origin", 0, 1))),
        )
        fields.done()
        return info


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """One device of the list: its factory certificate, whole or by fingerprint, and what SP2 must know of it."""

    kind: CertificateKind
    certificate: bytes
    info: DeviceInfo

    @property
    def fingerprint(self) -> bytes | None:
        """SHA-256 of the certificate as registry.md defines it; None for bytes that are no C509 certificate."""
        if self.kind is CertificateKind.FINGERPRINT:
            return self.certificate
        return (
            hashlib.sha256(self.certificate).digest()
            if self.kind is CertificateKind.X509
            else _of_c509(self.certificate)
        )

    @property
    def name(self) -> str:
        """For people: the endpoint name where the list says it, else the beginning of the certificate's fingerprint."""
        known = self.fingerprint or hashlib.sha256(self.certificate).digest()
        return self.info.endpoint or f"the device with certificate {known.hex()[:16]}…"

    def to_cbor(self) -> list[Any]:
        return [[int(self.kind), self.certificate], self.info.to_cbor()]

    @classmethod
    def from_cbor(cls, value: Any) -> DeviceEntry:
        certificate, info = array(value, "device entry", minimum=2, maximum=2)
        kind_number, data = array(certificate, "factory certificate", minimum=2, maximum=2)
        kind = CertificateKind(uint(kind_number, "certificate kind", 0, max(CertificateKind)))
        sizes = (SHA256_SIZE, SHA256_SIZE) if kind is CertificateKind.FINGERPRINT else (1, _MAX_CERTIFICATE)
        return cls(kind, byte_string(data, "factory certificate", *sizes), DeviceInfo.from_cbor(info))


@dataclass(frozen=True, slots=True)
class DeviceUpdateInfo:
    """One chunk of the device list. `issued_at` is in seconds since 1970; `chunk` is (number from 0, how many)."""

    entries: tuple[DeviceEntry, ...]
    issued_at: int
    software_states: tuple[SoftwareState, ...] | None = None
    attestation: AttestationInfo | None = None
    group: str | None = None
    chunk: tuple[int, int] | None = None

    def encode(self) -> bytes:
        """The chunk's bytes, the payload of a detached JWS. Raises `MessageError` for values nobody would accept."""
        raw = encode(
            _present(
                {
                    0: _VERSION,
                    1: [entry.to_cbor() for entry in self.entries],
                    2: None if self.software_states is None else [state.to_cbor() for state in self.software_states],
                    3: None if self.attestation is None else self.attestation.to_cbor(),
                    4: self.group,
                    5: self.issued_at,
                    6: self.chunk,
                }
            )
        )
        self.decode(raw)
        return raw

    @classmethod
    def decode(cls, raw: bytes, *, max_size: int = MAX_CHUNK) -> DeviceUpdateInfo:
        """Read a chunk whose signature was verified.

        Raises `MessageError`: too large, malformed, unknown typ or claim, window. An index that points beyond the
        software states is malformed.
        """
        fields = Fields(decode(raw, max_size=max_size, max_depth=_MAX_DEPTH), "DeviceUpdateInfo")
        fields.uint(0, _VERSION, _VERSION)
        info = cls(
            entries=fields.take(1, _many(DeviceEntry.from_cbor)),
            software_states=fields.optional(2, _many(SoftwareState.from_cbor)),
            attestation=fields.optional(3, AttestationInfo.from_cbor),
            group=fields.optional_text(4, 0, _MAX_GROUP),
            issued_at=fields.uint(5),
            chunk=fields.optional(6, _chunk),
        )
        fields.done()
        _check_indices(info)
        return info


@lru_cache(maxsize=1 << 14)
def _of_c509(encoded: bytes) -> bytes | None:
    """The fingerprint of a C509 certificate; remembered, because making the DER again takes half a millisecond."""
    try:
        certificate = decode_certificate(encoded)
    except C509Error:
        return None
    return hashlib.sha256(encoded).digest() if certificate.native else fingerprint(certificate.view)


def transfer_id(chunks: Sequence[bytes]) -> bytes:
    """The transfer's id: first 16 bytes of SHA-256 over the SHA-256 digests of all chunks, in their order."""
    whole = hashlib.sha256()
    for chunk in chunks:
        whole.update(hashlib.sha256(chunk).digest())
    return whole.digest()[:TRANSFER_ID_SIZE]


def split(entries: Sequence[DeviceEntry], max_bytes: int) -> tuple[tuple[DeviceEntry, ...], ...]:
    """Cut the device list so that no chunk's list is longer than `max_bytes`.

    What else a chunk holds (software states, attestation info, group) is the caller's to subtract before. Raises
    `MessageError` (too large) when one entry alone does not fit.
    """
    room = max_bytes - _CHUNK_OVERHEAD
    parts: list[list[DeviceEntry]] = []
    used = room
    for entry in entries:
        size = len(encode(entry.to_cbor()))
        if size > room:
            raise MessageError(Result.TOO_LARGE, f"a device entry of {size} bytes does not fit into {max_bytes}")
        if used + size > room:
            parts.append([])
            used = 0
        parts[-1].append(entry)
        used += size
    return tuple(tuple(part) for part in parts)


def _chunk(value: Any) -> tuple[int, int]:
    members = array(value, "chunk", minimum=2, maximum=2)
    number, count = (uint(member, "chunk") for member in members)
    if number >= count:
        raise malformed("chunks count from 0: the number must be below the count")
    return number, count


def _check_indices(info: DeviceUpdateInfo) -> None:
    known = len(info.software_states or ())
    if any(index >= known for entry in info.entries for index in entry.info.software or ()):
        raise malformed("a device points beyond the software states")


def _many(convert: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    """A converter for an array of at least one member."""
    return lambda value: tuple(convert(member) for member in array(value, "array", minimum=1))


def _present(members: dict[int, Any]) -> dict[int, Any]:
    return {key: value for key, value in members.items() if value is not None}
