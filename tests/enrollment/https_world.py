"""An EST server over HTTPS on loopback, and what its clients hold in files."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cose.keys import PrivateKey, generate_private_key
from device_pki.identity import PeerIdentity
from device_pki.issue import est_server
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from enrollment.est.https_client import EstHttpsClient
from lwm2m_server.api.est import create_app
from lwm2m_server.api.mutual_tls import verifying_server_context
from lwm2m_server.api.serving import serving
from tests.device_pki.builders import NOW, YEAR
from tests.enrollment.world import EstWorld

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """PEM files of a client's key and certificate, and of the anchor it believes."""

    key: Path
    certificate: Path
    anchor: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.anchor))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_cert_chain(self.certificate, self.key)
        return context


def write_key(path: Path, key: PrivateKey) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    return path


def write_pem(path: Path, *certificates: x509.Certificate) -> Path:
    path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
    return path


@dataclass(frozen=True, slots=True)
class HttpsWorld:
    """A running server of a world."""

    world: EstWorld
    url: str
    folder: Path

    def files(self, name: str, key: PrivateKey, certificate: x509.Certificate) -> ClientFiles:
        return ClientFiles(
            write_key(self.folder / f"{name}.key", key),
            write_pem(self.folder / f"{name}.pem", certificate),
            write_pem(self.folder / "anchor.pem", self.world.ca1.certificate),
        )

    def device(self) -> ClientFiles:
        return self.files("factory", self.world.device.key, self.world.device.certificate)

    def client(self, files: ClientFiles, label: str | None) -> EstHttpsClient:
        return EstHttpsClient(self.url, files.context(), label)


@asynccontextmanager
async def serving_https(world: EstWorld, folder: Path) -> AsyncIterator[HttpsWorld]:
    """Serve inside the block; who may come is decided as a CA decides it."""
    key = generate_private_key()
    certificate = est_server(world.ca1.issuer, key.public_key(), "CA1 EST", [HOST], YEAR)
    files = write_pem(folder / "est.pem", certificate), write_key(folder / "est.key", key)
    context = verifying_server_context(*files, [world.permanent.certificate, world.ca1.certificate])

    async def identify(leaf: x509.Certificate) -> PeerIdentity:
        for anchor, role in (
            (world.permanent.certificate, Role.FACTORY_DEVICE),
            (world.ca1.certificate, Role.OPERATIONAL_DEVICE),
        ):
            try:
                return PeerIdentity.of(verify_path(leaf, [], anchors=[anchor], role=role, now=NOW))
            except PathError as error:
                refused = error
        raise refused

    app = create_app(world.server.service, identify)
    async with serving(app, HOST, 0, tls=context) as (host, port):
        yield HttpsWorld(world, f"https://{host}:{port}", folder)
