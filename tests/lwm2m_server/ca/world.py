"""A permanent CA, an operational CA served over real sockets, a service provider, and devices that enroll."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import PrivateKey, generate_private_key, save_private_key
from device_pki.identity import PeerIdentity
from device_pki.issue import Validity, self_signed_tls
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.ca_client import CaClient
from enrollment.csr import build_csr
from enrollment.est.paths import CaUri
from lwm2m_server.api.mutual_tls import pinned_client_context
from lwm2m_server.ca.directory import CaDirectory, read_certificates
from lwm2m_server.ca.providers import add_provider
from lwm2m_server.ca.setup import CaKind, Setup, set_up
from lwm2m_server.roles.ca import RunningCa, running_ca
from lwm2m_server.settings import CaSettings
from secure_coap.channels.dtls import DtlsClientConfig
from secure_coap.endpoint import CoapClient

HOSTS = ("127.0.0.1",)


def make_ca(folder: Path, name: str, parent: CaDirectory | None = None, key_uri: str | None = None) -> CaDirectory:
    directory = CaDirectory(folder)
    kind = CaKind.ROOT if parent is None else CaKind.INTERMEDIATE
    assert set_up(Setup(directory, name, kind, HOSTS, parent=parent, key_uri=key_uri), datetime.now(UTC))
    return directory


@dataclass(frozen=True, slots=True)
class Provider:
    """A service provider's TLS identity."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, name: str) -> Provider:
        folder.mkdir(parents=True, exist_ok=True)
        provider = cls(folder / f"{name}.pem", folder / f"{name}.key")
        key = generate_private_key()
        save_private_key(provider.key, key)
        validity = Validity.lasting(datetime.now(UTC), timedelta(days=1))
        provider.certificate.write_bytes(self_signed_tls(key, name, HOSTS, validity).public_bytes(Encoding.PEM))
        return provider

    def client(self, directory: CaDirectory, running: RunningCa) -> CaClient:
        peer = read_certificates(directory.https.certificate)[0]
        context = pinned_client_context(self.certificate, self.key, peer)
        return CaClient(f"https://{running.api[0]}:{running.api[1]}", context)


@asynccontextmanager
async def serving_ca(
    directory: CaDirectory, permanent: CaDirectory, *providers: Provider, **more: Any
) -> AsyncIterator[RunningCa]:
    for number, provider in enumerate(providers, 1):
        add_provider(directory, f"sp{number}", provider.certificate)
    values = {
        "name": directory.root.name,
        "data": directory.root,
        "bind": "127.0.0.1:0",
        "public_uri": "coaps://127.0.0.1:5685",
        "api_bind": "127.0.0.1:0",
        "permanent_anchors": (permanent.certificate,),
    }
    settings = CaSettings.model_validate(values | more)
    async with running_ca(settings) as running:
        yield running


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """What a device authenticates with."""

    key: PrivateKey
    certificate: x509.Certificate

    @asynccontextmanager
    async def session(
        self, running: RunningCa, anchors: Sequence[x509.Certificate], role: Role = Role.EST_SERVER
    ) -> AsyncIterator[CoapClient]:
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)

        def verify(chain: Sequence[x509.Certificate]) -> PeerIdentity:
            now = datetime.now(UTC)
            return PeerIdentity.of(
                verify_path(chain[0], chain[1:], anchors=anchors, role=role, now=now, host="127.0.0.1")
            )

        client = await CoapClient.connect(*running.est, dtls=DtlsClientConfig([self.certificate], self.key, verify))
        try:
            yield client
        finally:
            await client.close()


def csr_for(client: CoapClient, key: PrivateKey, endpoint: str) -> bytes:
    return build_csr(key, endpoint, client.association.channel_binding)


def ca_uri(text: str) -> CaUri:
    return CaUri.parse(text)
