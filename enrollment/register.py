"""The enrollment register: who may enroll where, with which keys, and what was issued (protocol.md rules 11, 16, 19).

A *label* belongs to one provider and one epoch of its devices. A device is in it by its factory certificate; it may
enroll while its entry is open. Every key is remembered with the certificate it got, so that a repeated request is
answered with the same bytes; a *released* key is refused for ever. Every method that changes something is one atomic,
durable write, finished before it returns.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from cryptography import x509

from device_pki.ocsp.responder import SerialStatus

MAX_KEYS: Final = 16
"""Keys with an unexpired certificate, per device and label (security rule 23)."""


@dataclass(frozen=True, slots=True)
class LabelPolicy:
    """What a label allows; the defaults are those of a label nobody said anything about."""

    max_devices: int | None = None
    """Entries, open or closed; None: any number."""
    max_keys: int = MAX_KEYS
    """Keys of one device with an unexpired certificate, 1 to `MAX_KEYS`."""
    not_after: datetime | None = None
    """From then on nothing is issued under the label; None: no end."""
    server_keys: bool = False
    """May devices have their keys made by the CA?"""
    device_rate: int = 60
    """Requests for certificates of one device in a minute; 0: any number."""
    label_rate: int = 0
    """Requests for certificates under the label in a minute; 0: any number."""

    def __post_init__(self) -> None:
        bounded = 1 <= self.max_keys <= MAX_KEYS and min(self.device_rate, self.label_rate, self.max_devices or 0) >= 0
        if not bounded:
            raise ValueError(f"a label has 1 to {MAX_KEYS} keys per device, and no negative numbers")


class RefusalReason(enum.Enum):
    """Why the register lets a request not pass. A device is never told which."""

    UNKNOWN = "unknown label or certificate"
    CLOSED = "entry closed"
    EXPIRED = "label expired"
    NO_LABEL = "no label named, and not exactly one open"
    SERVER_KEYS = "label without server-made keys"
    RELEASED = "key released"
    TOO_MANY_KEYS = "too many keys"
    REVOKED = "certificate revoked"


class EnrollmentRefused(Exception):
    """The register does not let this device enroll with this key under this label."""

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class LabelFull(Exception):
    """The label holds no more devices; nothing was registered."""

    def __init__(self, policy: LabelPolicy) -> None:
        super().__init__(f"the label holds at most {policy.max_devices} devices")


class UnknownEntry(LookupError):
    """The provider has no such label, or no such device in it."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label as its provider knows it."""

    text: str
    """The 22 characters of the CA-URI; a secret, logged as its first six."""
    provider: str
    uuid: UUID

    @property
    def log_name(self) -> str:
        """What may be logged."""
        return self.text[:6]


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """A device in a label."""

    label: str
    fingerprint: bytes
    """Of the factory certificate."""
    endpoint: str
    certificate: bytes
    """The factory certificate, DER."""
    open: bool
    policy: LabelPolicy = LabelPolicy()
    """The label's."""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """An operational certificate this CA issued."""

    fingerprint: bytes
    serial_number: int
    label: str
    device: bytes
    """Fingerprint of the device's factory certificate."""
    key_thumbprint: bytes
    certificate: bytes
    not_after: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Revocations:
    """All revocations that must stand in a list, and the mark that says which they are."""

    mark: int
    """Grows with every revocation."""
    entries: Mapping[int, datetime]
    """Serial number to time of revocation."""


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A revocation list as it was signed."""

    number: int
    mark: int
    """The `Revocations.mark` it covers."""
    der: bytes
    this_update: datetime
    next_update: datetime


class RevokeAll(enum.Enum):
    """The choice of every certificate issued to the device under the label."""

    ALL = "all"


ALL: Final = RevokeAll.ALL


class EnrollmentRegister(Protocol):
    """Where a CA keeps its register. Implementations pass `tests/enrollment/register_contract.py`."""

    async def add_devices(
        self, provider: str, uuid: UUID, certificates: Sequence[x509.Certificate], now: datetime
    ) -> Label:
        """Create the provider's label if it is new and add devices with open entries; known ones stay as they are.

        Raises `LabelFull` when they would be more than the label's policy allows.
        """

    async def label(self, provider: str, uuid: UUID) -> Label:
        """Return the provider's label; raise `UnknownEntry`."""

    async def set_policy(self, provider: str, uuid: UUID, policy: LabelPolicy, now: datetime) -> Label:
        """Set what the provider's label allows from now on, and create it if it is new. What was issued stays."""

    async def policy(self, label: str) -> LabelPolicy:
        """Return what a label allows; raise `UnknownEntry`."""

    async def open_labels(self, fingerprint: bytes) -> list[str]:
        """Return the labels in which the device with this factory certificate has an open entry, the newest first."""

    async def entry(self, label: str, fingerprint: bytes) -> DeviceEntry:
        """Return a device's entry; raise `EnrollmentRefused(UNKNOWN)`."""

    async def set_entry(
        self, label: str, fingerprint: bytes, *, open_: bool, revoke: bytes | RevokeAll | None, now: datetime
    ) -> None:
        """Open or close an entry, and revoke: nothing, all certificates of the device under this label, or one key's.

        A key (thumbprint) that is revoked is released, whether or not it was ever seen. Raises `UnknownEntry`.
        """

    async def certificate_for(self, entry: DeviceEntry, key_thumbprint: bytes, now: datetime) -> bytes | None:
        """Return the certificate (DER) a repeated request for this key gets, None when one is to be issued.

        Raises `EnrollmentRefused` when none may be.
        """

    async def record(
        self, entry: DeviceEntry, key_thumbprint: bytes, certificate: x509.Certificate, now: datetime
    ) -> bytes:
        """Store an issued certificate and return the one that counts for its key: an earlier one wins.

        Raises `EnrollmentRefused` when the entry was closed or the key released meanwhile.
        """

    async def issued(self, fingerprint: bytes) -> IssuedCertificate:
        """Return an operational certificate of this CA; raise `EnrollmentRefused(UNKNOWN)`."""

    async def revoke_serial(self, serial_number: int, not_after: datetime, now: datetime) -> None:
        """Revoke any certificate of this CA by its serial number; a repetition changes nothing."""

    async def serial_status(self, serial_number: int) -> SerialStatus:
        """Return whether a device's certificate with this serial number was issued, and whether it is revoked."""

    async def mark(self) -> int:
        """Return the mark of the newest revocation, 0 before the first."""

    async def revocations(self, now: datetime) -> Revocations:
        """Return the revocations of certificates that have not expired."""

    async def published_list(self) -> PublishedList | None:
        """Return the newest revocation list."""

    async def publish(self, published: PublishedList) -> bool:
        """Store a new list. False, and nothing stored, when a list of that number or a higher one is there already."""

    async def factory_certificates(self, key_thumbprints: Collection[bytes]) -> Mapping[bytes, bytes]:
        """Return the factory certificates (DER) issued for these keys, by key."""

    async def record_factory_batch(self, certificates: Sequence[x509.Certificate], now: datetime) -> None:
        """Store factory certificates, all or none; a key that has one keeps it. Raises `EndpointTaken`."""

    async def endpoint_keys(self, endpoints: Collection[str]) -> Mapping[str, bytes]:
        """Return the thumbprints of the factory keys certified for these endpoint names, by name."""


class EndpointTaken(Exception):
    """Another key has the endpoint name already."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"the endpoint name {endpoint} is certified for another key")
        self.endpoint = endpoint
