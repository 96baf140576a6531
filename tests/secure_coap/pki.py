"""A small certificate hierarchy for channel tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from device_pki import issue
from device_pki.identity import PeerIdentity
from device_pki.path import verify_path
from device_pki.roles import Role
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig, Verify

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Identity:
    """A certificate chain, leaf first, and its key."""

    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Hierarchy:
    """One root; devices come from an intermediate CA, which they present."""

    root: x509.Certificate
    server: Identity
    device: Identity
    other_device: Identity

    def verify_device(self, chain: Sequence[x509.Certificate]) -> PeerIdentity:
        """What a server asks of a device."""
        return self._verify(chain, Role.OPERATIONAL_DEVICE, None)

    def verify_server(self, chain: Sequence[x509.Certificate]) -> PeerIdentity:
        """What a device asks of a server."""
        return self._verify(chain, Role.SERVER, HOST)

    def _verify(self, chain: Sequence[x509.Certificate], role: Role, host: str | None) -> PeerIdentity:
        leaf, *others = chain
        path = verify_path(leaf, others, anchors=[self.root], role=role, now=datetime.now(UTC), host=host)
        return PeerIdentity.of(path)

    def server_config(self, verify: Verify | None = None) -> DtlsServerConfig:
        return DtlsServerConfig(self.server.chain, self.server.key, verify or self.verify_device)

    def client_config(self, verify: Verify | None = None, device: Identity | None = None) -> DtlsClientConfig:
        device = device or self.device
        return DtlsClientConfig(device.chain, device.key, verify or self.verify_server)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def hierarchy(name: str = "test", curve: type[ec.EllipticCurve] = ec.SECP256R1) -> Hierarchy:
    """The same one whenever it is asked for."""
    validity = issue.Validity.lasting(datetime.now(UTC), timedelta(days=1))
    root_key, ca_key, server_key = ec.generate_private_key(curve()), new_key(), new_key()
    root = issue.root_ca(root_key, f"{name} root", validity)
    ca = issue.intermediate_ca(issue.Issuer(root, root_key), ca_key.public_key(), f"{name} CA", validity)
    server = issue.server(issue.Issuer(root, root_key), server_key.public_key(), "server", [HOST], validity)

    def device(endpoint: str) -> Identity:
        key = new_key()
        leaf = issue.factory_device(issue.Issuer(ca, ca_key), key.public_key(), endpoint, validity)
        return Identity((leaf, ca), key)

    return Hierarchy(root, Identity((server,), server_key), device("device-1"), device("device-2"))
