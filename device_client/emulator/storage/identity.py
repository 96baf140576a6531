"""What the factory put into the device: written once, never changed afterwards, survives every reset."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose import cbor
from device_client.emulator.storage.files import DeviceFiles, StorageError
from device_pki.names import check_endpoint_name

FILE = "factory.cbor"
MAX_SIZE = 64 * 1024
_CERTIFICATES = ("certificate", "permanent_anchor", "ca_anchor", "server_anchor")


@dataclass(frozen=True, slots=True)
class Installed:
    """What `factory install` adds to a device that has made its key."""

    certificate: x509.Certificate
    permanent_anchor: x509.Certificate
    ca_uri: str
    ca_anchor: x509.Certificate
    server_uri: str
    server_anchor: x509.Certificate
    transfer_authority: bytes
    """Authority key (33 B compressed P-256 or 32 B Ed25519) whose TransferMessages the device accepts."""
    firmware_authority: bytes
    minimum_form: int
    """The weakest form of TransferMessage accepted: 0 plain, 1 endorsed (`Form`)."""
    lab: bool
    """Whether loopback and link-local URIs are allowed."""
    vendor_id: bytes
    class_id: bytes
    lifetime: int
    """LwM2M lifetime, seconds."""
    installed_at: int
    """Seconds since 1970; the first time floor."""
    endorsers: tuple[x509.Certificate, ...] = ()
    """Endorser certificates that count without a path to the permanent anchor."""
    profile: tuple[int, int, int] = (0, 0, 0)
    """How it enrolls at first: protocol, request format and key generation of object 33002."""
    protocols: int = 0b01
    """What enrollment may ever be: the bitmap of `trust_transfer.device.minimum.Minimum`."""


@dataclass(frozen=True, slots=True)
class FactoryRecord:
    """The device's birth certificate: its name and key, and what was installed."""

    endpoint: str
    key_thumbprint: bytes
    installed: Installed | None = None

    def require(self) -> Installed:
        """What was installed. Raises StorageError when the device has not been."""
        if self.installed is None:
            raise StorageError(f"{self.endpoint} has no factory certificate yet: run `lwm2m-device factory install`")
        return self.installed

    def to_cbor(self) -> bytes:
        installed = None if self.installed is None else _installed_to_map(self.installed)
        return cbor.encode([self.endpoint, self.key_thumbprint, installed])

    @classmethod
    def from_cbor(cls, data: bytes) -> FactoryRecord:
        """Raises StorageError for a file this program did not write."""
        try:
            endpoint, key, members = cbor.decode(data, max_size=MAX_SIZE)
            installed = None if members is None else _installed_from_map(members)
            return cls(check_endpoint_name(endpoint), bytes(key), installed)
        except (ValueError, TypeError, KeyError) as error:
            raise StorageError(f"{FILE} is damaged: install the device again") from error


def load(files: DeviceFiles) -> FactoryRecord:
    return FactoryRecord.from_cbor(files.read(FILE))


def save(files: DeviceFiles, record: FactoryRecord) -> None:
    files.write(FILE, record.to_cbor())


def _installed_to_map(installed: Installed) -> dict[str, Any]:
    plain = {one.name: getattr(installed, one.name) for one in fields(Installed)}
    plain["profile"] = [*plain["profile"]]
    return plain | {name: _der(plain[name]) for name in _CERTIFICATES} | {"endorsers": [*map(_der, plain["endorsers"])]}


def _installed_from_map(members: dict[str, Any]) -> Installed:
    certificates: dict[str, Any] = {n: x509.load_der_x509_certificate(members.pop(n)) for n in _CERTIFICATES}
    endorsers = tuple(x509.load_der_x509_certificate(der) for der in members.pop("endorsers"))
    profile = tuple(members.pop("profile", (0, 0, 0)))
    return Installed(**certificates, **members, endorsers=endorsers, profile=profile)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
