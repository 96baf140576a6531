"""EST over real sockets: over EDHOC and OSCORE, over DTLS with chains larger than a datagram; and what it costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import generate_private_key
from device_pki.directory import CertificateDirectory
from device_pki.identity import PeerIdentity
from device_pki.issue import est_server
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.c509_csr import Possession, build_c509_csr
from enrollment.credentials import CertificateResolver, Verify, certificate_identity, pinned_identity, resolve_pinned
from enrollment.csr import build_csr
from enrollment.est.client import (
    c509_enroll_request,
    crts_request,
    enroll_request,
    parse_certificate,
    parse_crts,
)
from enrollment.est.paths import CaUri
from lwm2m_server.sizes.tap import Tap
from lwm2m_server.store.database import Database
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig
from secure_coap.channels.oscore import EdhocClientConfig, EdhocServerConfig, OscoreClientConfig, OscoreServerConfig
from secure_coap.edhoc import CipherSuite, IdCred, Method, ResolvedCredential
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.numbers import Code, TransmissionParameters
from tests.device_pki.builders import NOW, YEAR, Device
from tests.enrollment.world import CountingCa, EstWorld

HOST = "127.0.0.1"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[EstWorld]:
    database = await Database.open(tmp_path / "ca.db")
    yield EstWorld(database)
    await database.close()


@dataclass
class Serving:
    """A running EST server, with a tap before it."""

    tap: Tap
    identity: Device


def verifier(anchors: Sequence[x509.Certificate], role: Role) -> Verify:
    return lambda chain: PeerIdentity.of(
        verify_path(chain[0], chain[1:], anchors=anchors, role=role, now=NOW, host=HOST)
    )


def knowing(certificate: x509.Certificate) -> CertificateDirectory:
    directory = CertificateDirectory()
    directory.add(certificate)
    return directory


def est_identity(world: EstWorld) -> Device:
    key = generate_private_key()
    return Device(key, est_server(world.ca1.issuer, key.public_key(), "CA1 EST", [HOST], YEAR))


@asynccontextmanager
async def over_oscore(world: EstWorld, method: Method) -> AsyncIterator[Serving]:
    identity = est_identity(world)
    assert isinstance(identity.key, ec.EllipticCurvePrivateKey)
    shown = (
        pinned_identity(identity.key)
        if method is Method.STATIC_STATIC
        else certificate_identity(identity.key, [identity.certificate], by_reference=True)
    )
    known = knowing(world.device.certificate)
    resolver = CertificateResolver(verifier([world.permanent.certificate], Role.FACTORY_DEVICE), known)
    edhoc = EdhocServerConfig([shown], resolver, clock=lambda: NOW)
    server = await CoapServer.bind(HOST, 0, oscore=OscoreServerConfig(edhoc), handler=world.server.handle)
    tap = await Tap.between(server.address)
    try:
        yield Serving(tap, identity)
    finally:
        await tap.close()
        await server.close()


async def connected(world: EstWorld, serving: Serving, method: Method) -> CoapClient:
    server = serving.identity

    class Pinned:
        def resolve(self, id_cred: IdCred, now: object) -> ResolvedCredential:
            public = server.key.public_key()
            assert isinstance(public, ec.EllipticCurvePublicKey)
            numbers = public.public_numbers()
            return resolve_pinned(id_cred, bytes([2 + numbers.y % 2]) + numbers.x.to_bytes(32, "big"))

    resolver = (
        Pinned()
        if method is Method.STATIC_STATIC
        else CertificateResolver(verifier([world.ca1.certificate], Role.EST_SERVER), knowing(server.certificate))
    )
    own = certificate_identity(world.device.key, [world.device.certificate], by_reference=True)
    config = EdhocClientConfig(own, resolver, method, (CipherSuite.P256_CCM_8,), clock=lambda: NOW)
    return await CoapClient.connect(*serving.tap.address, oscore=OscoreClientConfig(edhoc=config))


async def enroll(client: CoapClient, uri: CaUri, endpoint: str | None) -> x509.Certificate:
    key = generate_private_key()
    csr = build_c509_csr(key, Possession.of(client.association), endpoint)
    return parse_certificate(await client.request(c509_enroll_request(uri, csr)), key.public_key())


@pytest.mark.parametrize("method", [Method.SIGNATURE_SIGNATURE, Method.STATIC_STATIC])
async def test_enrolling_over_edhoc_and_oscore(world: EstWorld, method: Method) -> None:
    """The first request brings message 3; later ones are as short as can be."""
    uri, bare = await world.label(), CaUri.parse("coap://ca1.example")
    async with over_oscore(world, method) as serving:
        client = await connected(world, serving, method)
        first = await enroll(client, uri, "dev-1")
        verify_path(first, [], anchors=[world.ca1.certificate], role=Role.OPERATIONAL_DEVICE, now=NOW)
        sizes = []
        for place, endpoint in ((uri, "dev-1"), (bare, None)):
            await serving.tap.take()
            await enroll(client, place, endpoint)
            request, _ = await serving.tap.take()
            sizes.append(len(request.data))
        assert sizes <= [147, 105]
        assert set(parse_crts(await client.request(crts_request(uri)))) == set(world.ca1.chain)
        await client.close()


async def test_chains_and_requests_larger_than_a_datagram_come_in_blocks(world: EstWorld) -> None:
    """Block1 and Block2 (RFC 9148 4.6): five certificates above the issuing one, a request with a long name."""
    authority = world.ca1
    for number in range(4):
        authority = authority.sub(f"Intermediate {number} {'x' * 40}")
    world.ca = CountingCa(authority)
    world.configure()
    identity = est_identity(world)
    assert isinstance(identity.key, ec.EllipticCurvePrivateKey)
    assert isinstance(world.device.key, ec.EllipticCurvePrivateKey)
    verify = verifier([world.permanent.certificate], Role.FACTORY_DEVICE)
    server = await CoapServer.bind(
        HOST,
        0,
        dtls=DtlsServerConfig([identity.certificate], identity.key, verify),
        handler=world.server.handle,
        parameters=TransmissionParameters(),
    )
    tap = await Tap.between(server.address)
    check = verifier([world.ca1.certificate], Role.EST_SERVER)
    own = DtlsClientConfig([world.device.certificate], world.device.key, check)
    client = await CoapClient.connect(*tap.address, dtls=own)
    try:
        uri, key = await world.label(), generate_private_key()
        await tap.take()
        found = parse_crts(await client.request(crts_request(uri)))
        assert set(found) == set(authority.chain)
        assert len([one for one in await tap.take() if not one.sent]) > 1
        csr = build_csr(key, "dev-1", client.association.channel_binding)
        certificate = parse_certificate(await client.request(enroll_request(uri, csr)), key.public_key())
        assert certificate.issuer == authority.certificate.subject
        oversized = await client.request(enroll_request(uri, bytes(2000)))
        assert oversized.code is Code.BAD_REQUEST
        assert len([one for one in await tap.take() if one.sent]) > 2
        assert (await client.request(enroll_request(uri, bytes(2049)))).code is Code.REQUEST_ENTITY_TOO_LARGE
    finally:
        await client.close()
        await tap.close()
        await server.close()
