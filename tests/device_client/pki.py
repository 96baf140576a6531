"""A permanent CA, two operational CAs and two providers, with the keys and certificates of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import authority_key
from device_pki import issue
from device_pki.fingerprints import fingerprint
from device_pki.issue import Issuer, Validity
from device_pki.roles import Role
from trust_transfer.messages.values import Authorities

HOST = "127.0.0.1"
YEAR = timedelta(days=365)


def validity() -> Validity:
    return Validity.lasting(datetime.now(UTC), YEAR)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def root(name: str) -> Issuer:
    key = new_key()
    return Issuer(issue.root_ca(key, name, validity()), key)


@dataclass(frozen=True)
class Identified:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Provider:
    """One organisation: its operational CA, its EST and LwM2M servers, its signing keys."""

    name: str
    ca: Issuer
    est: Identified
    server: Identified
    transfer_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    firmware_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    edhoc_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    """The EST server's for static Diffie-Hellman, which messages may pin."""

    @classmethod
    def make(cls, name: str) -> Provider:
        ca = root(f"{name} CA")
        est_key, server_key = new_key(), new_key()
        est = issue.est_server(ca, est_key.public_key(), f"{name} EST", [HOST], validity())
        server = issue.server(ca, server_key.public_key(), f"{name} server", [HOST], validity())
        return cls(name, ca, Identified(est, est_key), Identified(server, server_key))

    @property
    def anchor(self) -> bytes:
        return fingerprint(self.ca.certificate)

    @property
    def authorities(self) -> Authorities:
        return Authorities(authority_key(self.transfer_key.public_key()), authority_key(self.firmware_key.public_key()))


@dataclass(frozen=True)
class Pki:
    """Everything around the devices."""

    permanent: Issuer
    sp1: Provider
    sp2: Provider

    @classmethod
    def make(cls) -> Pki:
        return cls(root("Permanent CA"), Provider.make("SP1"), Provider.make("SP2"))

    def endorser(self, provider: Provider) -> x509.Certificate:
        """The certificate that lets this provider's transfer key endorse messages."""
        key = provider.transfer_key.public_key()
        return issue.signer(self.permanent, key, f"{provider.name} transfer", Role.TRANSFER_SIGNER, validity())


def device_of(pki: Pki, endpoint: str = "device-1") -> Identified:
    """A device's factory key and certificate, without the rest of a device."""
    key = new_key()
    return Identified(issue.factory_device(pki.permanent, key.public_key(), endpoint, validity()), key)
