"""Certificates for tests: authorities, the four hierarchies, and devices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509

from cose.keys import KeyKind, PrivateKey, generate_private_key
from device_pki.issue import Issuer, Validity, factory_device, intermediate_ca, operational_device, root_ca

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
YEAR = Validity.lasting(NOW, timedelta(days=365))
HARDWARE = x509.ObjectIdentifier("1.3.6.1.4.1.5555.1")


@dataclass(frozen=True, slots=True)
class Device:
    """A device's factory key and certificate."""

    key: PrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA and those above it."""

    issuer: Issuer
    above: tuple[x509.Certificate, ...] = ()

    @property
    def certificate(self) -> x509.Certificate:
        return self.issuer.certificate

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        return (self.certificate, *self.above)

    def sub(self, name: str, path_length: int | None = None, kind: KeyKind = KeyKind.P256) -> Authority:
        key = generate_private_key(kind)
        certificate = intermediate_ca(self.issuer, key.public_key(), name, YEAR, path_length)
        return Authority(Issuer(certificate, key), self.chain)

    def device(self, endpoint: str) -> Device:
        key = generate_private_key()
        validity = Validity.unlimited(NOW)
        return Device(key, factory_device(self.issuer, key.public_key(), endpoint, validity, hardware_type=HARDWARE))

    def operational(self, device: Device, validity: Validity = YEAR) -> Device:
        key = generate_private_key()
        subject = device.certificate.subject
        return Device(key, operational_device(self.issuer, key.public_key(), subject, validity))


def root(name: str = "Permanent CA", path_length: int | None = None, kind: KeyKind = KeyKind.P256) -> Authority:
    key = generate_private_key(kind)
    return Authority(Issuer(root_ca(key, name, YEAR, path_length), key))


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One of the shapes of the paper's Fig. 1."""

    permanent: Authority
    ca1: Authority
    ca2: Authority


def hierarchy(letter: str) -> Hierarchy:
    permanent = root()
    match letter:
        case "a":
            return Hierarchy(permanent, root("CA1"), root("CA2"))
        case "b":
            return Hierarchy(permanent, permanent.sub("CA1"), root("CA2"))
        case "c":
            return Hierarchy(permanent, permanent.sub("CA1"), permanent.sub("CA2"))
        case "d":
            first, second = permanent.sub("Intermediate 1"), permanent.sub("Intermediate 2")
            return Hierarchy(permanent, first.sub("CA1"), second.sub("CA2"))
    raise ValueError(letter)
