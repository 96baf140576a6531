"""Who takes part in a measured transfer: the permanent CA, both providers' CAs, SP1, SP2 and one device.

Their certificates are minimal, issued as the products issue them, one level deep, and of their most common size.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import PrivateKey, authority_key, generate_private_key
from device_pki.issue import Profile, Validity, server, signer
from device_pki.names import device_subject
from device_pki.roles import Role
from enrollment.csr import CheckedCsr, build_csr, check_factory_csr
from lwm2m_server.ca.directory import CaDirectory, read_certificates
from lwm2m_server.ca.setup import CaKind, Setup, set_up
from lwm2m_server.sizes.conditions import CA_HOST, ENDPOINT, SP1, SP1_HOST, SP2
from lwm2m_server.sizes.nominal import is_nominal, until_nominal

_LIFETIME: Final = timedelta(days=365)

Issue = Callable[[PrivateKey], Awaitable[x509.Certificate]]


@dataclass(frozen=True, slots=True)
class Holder:
    """A key and the certificate that names it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate as X.509."""
        return self.certificate.public_bytes(Encoding.DER)

    @classmethod
    async def make(cls, issue: Issue) -> Holder:
        """A fresh key, and what `issue` makes of it."""
        key = new_key()
        return cls(key, await until_nominal(lambda: issue(key), is_nominal))


@dataclass(frozen=True, slots=True)
class Parties:
    """Everybody's keys and certificates; those of the CAs are in folders, as a running CA needs them."""

    permanent: CaDirectory
    ca1: CaDirectory
    ca2: CaDirectory
    device: Holder
    """The device with its factory certificate."""
    operational: Holder
    """The device as SP1 knows it, with CA1's certificate."""
    sp1_server: Holder
    """SP1's LwM2M server, certified by CA1."""
    endorser: Holder
    """SP2's key that signs templates, certified by the permanent CA."""
    sp1_transfer: PrivateKey
    """The key that signs the device's message."""
    sp2_firmware: PrivateKey

    @property
    def pinned_key(self) -> bytes:
        """CA2's key for static Diffie-Hellman, as a message pins it."""
        key = self.ca2.static_key()
        assert key is not None, "every new CA has one"
        return authority_key(key.public_key())

    @classmethod
    async def make(cls, folder: Path) -> Parties:
        """Make all of them in an empty folder."""
        now = datetime.now(UTC)
        permanent, ca1, ca2 = [await _ca(folder / name, name, now) for name in ("factory", "ca1", "ca2")]
        return cls(
            permanent=permanent,
            ca1=ca1,
            ca2=ca2,
            device=await Holder.make(_factory(permanent, now)),
            operational=await Holder.make(_operational(ca1, now)),
            sp1_server=await Holder.make(_server(ca1, now)),
            endorser=await Holder.make(_endorser(permanent, now)),
            sp1_transfer=new_key(),
            sp2_firmware=new_key(),
        )


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    key = generate_private_key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


async def _ca(folder: Path, name: str, now: datetime) -> CaDirectory:
    """A root with its EST server's certificate, both of their most common size."""
    directory = CaDirectory(folder)
    setup = Setup(directory, name, CaKind.ROOT, [CA_HOST], profile=Profile.MINIMAL)

    async def renew() -> x509.Certificate:
        directory.est.certificate.unlink(missing_ok=True)
        set_up(setup, now)
        return read_certificates(directory.est.certificate)[0]

    await until_nominal(renew, is_nominal)
    return directory


def _factory(ca: CaDirectory, now: datetime) -> Issue:
    backend = ca.backend(_LIFETIME, _LIFETIME)
    return lambda key: backend.issue_factory(_request(key), now)


def _operational(ca: CaDirectory, now: datetime) -> Issue:
    backend = ca.backend(_LIFETIME, _LIFETIME)
    return lambda key: backend.issue_operational(_request(key), device_subject(ENDPOINT), now)


def _request(key: PrivateKey) -> CheckedCsr:
    return check_factory_csr(build_csr(key, ENDPOINT))


def _server(ca: CaDirectory, now: datetime) -> Issue:
    async def issue(key: PrivateKey) -> x509.Certificate:
        return server(ca.issuer(), key.public_key(), SP1, [SP1_HOST], Validity.lasting(now, _LIFETIME))

    return issue


def _endorser(ca: CaDirectory, now: datetime) -> Issue:
    async def issue(key: PrivateKey) -> x509.Certificate:
        validity = Validity.lasting(now, _LIFETIME)
        return signer(ca.issuer(), key.public_key(), SP2, Role.TRANSFER_SIGNER, validity)

    return issue
