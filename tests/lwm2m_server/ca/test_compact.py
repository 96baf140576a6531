"""The CA role for the compact profile: EST over EDHOC and OSCORE, and what providers are told of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import generate_private_key
from device_pki.bag import encode_x5bag
from device_pki.directory import CertificateDirectory
from device_pki.encodings import Certificate
from device_pki.identity import PeerIdentity
from device_pki.issue import Validity, factory_device
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.c509_csr import Possession, build_c509_csr
from enrollment.ca_client import LabelResult
from enrollment.credentials import CertificateResolver, certificate_identity, resolve_pinned
from enrollment.est.client import c509_enroll_request, parse_certificate
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError, read_certificates
from lwm2m_server.roles.ca import RunningCa
from secure_coap.channels.oscore import EdhocClientConfig, OscoreClientConfig
from secure_coap.edhoc import CredentialResolver, IdCred, Method, ResolvedCredential
from secure_coap.endpoint import CoapClient
from secure_coap.errors import HandshakeFailed, TransportError
from tests.lwm2m_server.ca.world import DeviceKeys, Provider, ca_uri, make_ca, serving_ca

COMPACT = {"oscore_bind": "127.0.0.1:0", "oscore_uri": "coap://127.0.0.1:5695"}


class Scene:
    """A CA that serves both profiles, a device of the permanent CA, and a provider that registers it."""

    def __init__(self, folder: Path) -> None:
        self.permanent = make_ca(folder / "permanent", "permanent")
        self.ca = make_ca(folder / "ca1", "CA1")
        self.provider = Provider.make(folder, "sp1")
        self.label = uuid4()
        key = generate_private_key()
        validity = Validity.unlimited(datetime.now(UTC))
        certificate = factory_device(self.permanent.issuer(), key.public_key(), "dev-1", validity)
        self.device = DeviceKeys(key, certificate)

    async def register(self, running: RunningCa) -> LabelResult:
        async with self.provider.client(self.ca, running) as api:
            return await api.put_label(self.label, encode_x5bag([self.device.certificate.public_bytes(Encoding.DER)]))

    def server_by_certificate(self) -> CredentialResolver:
        anchors = read_certificates(self.ca.certificate)

        def verify(chain: Sequence[Certificate]) -> PeerIdentity:
            now = datetime.now(UTC)
            path = verify_path(chain[0], chain[1:], anchors=anchors, role=Role.EST_SERVER, now=now, host="127.0.0.1")
            return PeerIdentity.of(path)

        return CertificateResolver(verify, CertificateDirectory())


class Pinned:
    """The resolver of a device that was told the CA's key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def resolve(self, id_cred: IdCred, now: datetime) -> ResolvedCredential:
        return resolve_pinned(id_cred, self._key)


@asynccontextmanager
async def session(
    scene: Scene, running: RunningCa, resolver: CredentialResolver, method: Method, *, by_reference: bool = True
) -> AsyncIterator[CoapClient]:
    assert running.oscore is not None
    own = certificate_identity(scene.device.key, [scene.device.certificate], by_reference=by_reference)
    config = OscoreClientConfig(edhoc=EdhocClientConfig(own, resolver, method))
    client = await CoapClient.connect(*running.oscore, oscore=config)
    try:
        yield client
    finally:
        await client.close()


async def enroll(client: CoapClient, uri: str) -> x509.Certificate:
    key = generate_private_key()
    csr = build_c509_csr(key, Possession.of(client.association))
    return parse_certificate(await client.request(c509_enroll_request(ca_uri(uri), csr)), key.public_key())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize("method", [Method.SIGNATURE_SIGNATURE, Method.STATIC_STATIC])
async def test_a_registered_device_enrolls_by_a_reference(scene: Scene, method: Method) -> None:
    async with serving_ca(scene.ca, scene.permanent, scene.provider, **COMPACT) as running:
        label = await scene.register(running)
        assert label.compact_ca_uri is not None and label.edhoc_key is not None
        assert label.compact_ca_uri == label.ca_uri.replace("coaps://127.0.0.1:5685", "coap://127.0.0.1:5695")
        pinned = method is Method.STATIC_STATIC
        resolver = Pinned(label.edhoc_key) if pinned else scene.server_by_certificate()
        async with session(scene, running, resolver, method) as client:
            assert await enroll(client, label.compact_ca_uri)


async def test_references_are_known_after_a_restart_too(scene: Scene) -> None:
    async with serving_ca(scene.ca, scene.permanent, scene.provider, **COMPACT) as running:
        label = await scene.register(running)
    async with serving_ca(scene.ca, scene.permanent, scene.provider, **COMPACT) as again:
        while True:  # a CA serves while it still reads its register
            with contextlib.suppress(HandshakeFailed, TransportError):
                async with session(scene, again, scene.server_by_certificate(), Method.SIGNATURE_SIGNATURE) as client:
                    assert await enroll(client, label.compact_ca_uri or "")
                    return


async def test_an_unregistered_device_is_known_by_its_certificate_and_gets_none(scene: Scene) -> None:
    async with serving_ca(scene.ca, scene.permanent, scene.provider, **COMPACT) as running:
        resolver, method = scene.server_by_certificate(), Method.SIGNATURE_SIGNATURE
        with pytest.raises((HandshakeFailed, TransportError)):
            async with session(scene, running, resolver, method) as client:
                await enroll(client, "coap://127.0.0.1/est/AAAAAAAAAAAAAAAAAAAAAA")
        async with session(scene, running, resolver, method, by_reference=False) as client:
            with pytest.raises(Exception, match=r"4\.03"):
                await enroll(client, "coap://127.0.0.1/est/AAAAAAAAAAAAAAAAAAAAAA")


async def test_a_ca_without_it_says_nothing_of_it(scene: Scene) -> None:
    async with serving_ca(scene.ca, scene.permanent, scene.provider) as running:
        label = await scene.register(running)
    assert running.oscore is None and label.compact_ca_uri is None


async def test_a_folder_from_before_has_no_key_to_pin_until_it_is_set_up_again(scene: Scene) -> None:
    scene.ca.edhoc_key.unlink()
    async with serving_ca(scene.ca, scene.permanent, scene.provider, **COMPACT) as running:
        assert (await scene.register(running)).edhoc_key is None
    make_ca(scene.ca.root, "CA1")
    assert scene.ca.edhoc_key.stat().st_mode & 0o777 == 0o600
    scene.ca.edhoc_key.chmod(0o644)
    with pytest.raises(CaDirectoryError, match=r"edhoc\.key"):
        async with serving_ca(scene.ca, scene.permanent, scene.provider, **COMPACT):
            pass


def test_a_ca_directory_names_the_file(tmp_path: Path) -> None:
    assert CaDirectory(tmp_path).static_key() is None
