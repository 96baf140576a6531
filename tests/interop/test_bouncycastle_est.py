"""EST over HTTPS with Bouncy Castle's client: every operation, and what a refusal looks like to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from cose.keys import PrivateKey, generate_private_key
from device_pki.fingerprints import der
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.cms.der import items_of
from enrollment.csr import build_csr
from enrollment.est.attributes import decode_attributes
from enrollment.key_request import build_key_request
from lwm2m_server.store.database import Database
from tests.device_pki.builders import NOW
from tests.enrollment.https_world import HttpsWorld, serving_https
from tests.enrollment.world import EstWorld
from tests.interop.bouncycastle_peer import BouncyCastle, BouncyCastleRefused


@pytest.fixture(scope="module")
def peer() -> Iterator[BouncyCastle]:
    with BouncyCastle() as running:
        yield running


@pytest.fixture
async def https(tmp_path: Path) -> AsyncIterator[HttpsWorld]:
    database = await Database.open(tmp_path / "ca.db")
    async with serving_https(EstWorld(database), tmp_path) as running:
        yield running
    await database.close()


@dataclass(frozen=True, slots=True)
class Client:
    """Bouncy Castle with a key and certificate, at our server."""

    peer: BouncyCastle
    https: HttpsWorld
    label: str
    key: PrivateKey
    certificate: x509.Certificate

    async def ask(self, operation: str, request: bytes = b"\0") -> bytes:
        port = self.https.url.rpartition(":")[2].encode()
        pkcs8 = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        anchor = der(self.https.world.ca1.certificate)
        identity = (pkcs8, der(self.certificate), anchor)
        return await asyncio.to_thread(self.peer.ask, f"est-{operation}", port, self.label.encode(), request, *identity)

    async def certificates(self, operation: str, request: bytes = b"\0") -> list[x509.Certificate]:
        items = items_of(await self.ask(operation, request))
        return [x509.load_der_x509_certificate(asn1.encode_der(item)) for item in items]


async def device(peer: BouncyCastle, https: HttpsWorld) -> Client:
    label = (await https.world.label()).path[1]
    return Client(peer, https, label, https.world.device.key, https.world.device.certificate)


async def test_enrolling_and_renewing(peer: BouncyCastle, https: HttpsWorld) -> None:
    client, key, next_key = await device(peer, https), generate_private_key(), generate_private_key()
    assert set(await client.certificates("cacerts")) == set(https.world.ca1.chain)
    assert len(decode_attributes(await client.ask("csrattrs"))) == 3
    (certificate,) = await client.certificates("simpleenroll", build_csr(key, "dev-1"))
    anchors = [https.world.ca1.certificate]
    verify_path(certificate, [], anchors=anchors, role=Role.OPERATIONAL_DEVICE, now=NOW)
    operational = Client(peer, https, client.label, key, certificate)
    (renewed,) = await operational.certificates("simplereenroll", build_csr(next_key, "dev-1"))
    assert renewed.public_key() == next_key.public_key()


async def test_a_key_made_by_the_ca(peer: BouncyCastle, https: HttpsWorld) -> None:
    client = await device(peer, https)
    await https.world.allow(server_keys=True)
    assert isinstance(client.key, ec.EllipticCurvePrivateKey)
    made = items_of(await client.ask("serverkeygen", build_key_request(client.key, "dev-1", None)))
    key, certificate = (asn1.encode_der(item) for item in made)
    private = load_der_private_key(key, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert private.public_key() == x509.load_der_x509_certificate(certificate).public_key()


async def test_refusals_and_late_decisions(peer: BouncyCastle, https: HttpsWorld) -> None:
    client, key = await device(peer, https), generate_private_key()
    with pytest.raises(BouncyCastleRefused, match="403"):
        await client.ask("simpleenroll", build_csr(key, "dev-2"))
    https.world.ca.pending_calls = 1
    with pytest.raises(BouncyCastleRefused, match="not before"):
        await client.ask("simpleenroll", build_csr(key, "dev-1"))
    assert len(await client.certificates("simpleenroll", build_csr(key, "dev-1"))) == 1
