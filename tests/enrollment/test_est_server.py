"""The EST server: who gets a certificate, in which format, and who is denied, and how."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from cose.keys import generate_private_key
from device_pki.fingerprints import fingerprint
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.est.client import crts_request, enroll_request, parse_certificate, parse_crts, reenroll_request
from enrollment.est.paths import CaUri
from enrollment.register import ALL, MAX_KEYS
from lwm2m_server.store.database import Database
from lwm2m_server.testing.register_contract import UUIDS
from secure_coap.exchange import Request
from secure_coap.numbers import Code, ContentFormat
from tests.device_pki.builders import NOW
from tests.enrollment.world import EstWorld, Session


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[EstWorld]:
    database = await Database.open(tmp_path / "ca.db")
    yield EstWorld(database)
    await database.close()


async def enrolled(world: EstWorld, uri: CaUri) -> x509.Certificate:
    session, key = world.factory(), generate_private_key()
    response = await world.ask(enroll_request(uri, world.csr(session, key)), session)
    return parse_certificate(response, key.public_key())


async def test_crts_brings_the_whole_chain(world: EstWorld) -> None:
    uri = await world.label()
    authorities = parse_crts(await world.ask(crts_request(uri), world.factory()))
    assert set(authorities) == {world.ca1.certificate, world.permanent.certificate}


@pytest.mark.parametrize("accept", [None, ContentFormat.PKCS7_CERTS_ONLY, ContentFormat.PKIX_CERT])
async def test_the_certificate_comes_in_the_format_asked_for(world: EstWorld, accept: ContentFormat | None) -> None:
    uri, session, key = await world.label(), world.factory(), generate_private_key()
    request = Request(
        Code.POST,
        (*uri.path, "sen"),
        payload=world.csr(session, key),
        content_format=ContentFormat.PKCS10,
        accept=accept,
    )
    response = await world.ask(request, session)
    assert response.code is Code.CHANGED
    assert response.content_format == (accept or ContentFormat.PKCS7_CERTS_ONLY)
    certificate = parse_certificate(response, key.public_key())
    verify_path(certificate, [], anchors=[world.ca1.certificate], role=Role.OPERATIONAL_DEVICE, now=NOW)
    assert certificate.subject == world.device.certificate.subject


async def test_the_same_key_gets_the_same_octets(world: EstWorld) -> None:
    uri, key, payloads = await world.label(), generate_private_key(), set()
    for binding in (b"first session", b"second session"):
        session = Session(world.factory().peer, binding)
        payloads.add((await world.ask(enroll_request(uri, world.csr(session, key)), session)).payload)
    assert len(payloads) == 1
    assert world.ca.calls == 1


async def test_renewal_needs_the_operational_certificate_or_the_factory_one(world: EstWorld) -> None:
    uri = await world.label()
    operational = world.operational(await enrolled(world, uri))
    for session in (operational, world.factory()):
        key = generate_private_key()
        response = await world.ask(reenroll_request(uri, world.csr(session, key)), session)
        parse_certificate(response, key.public_key())


async def test_sixteen_keys_are_the_most(world: EstWorld) -> None:
    uri = await world.label()
    for _ in range(MAX_KEYS):
        await enrolled(world, uri)
    session = world.factory()
    response = await world.ask(enroll_request(uri, world.csr(session)), session)
    assert (response.code, response.payload) == (Code.FORBIDDEN, b"")


async def test_every_refusal_by_the_register_looks_the_same(world: EstWorld) -> None:
    uri = await world.label()
    stranger, other = world.permanent.device("dev-1"), world.permanent.device("dev-2")
    closed, foreign = await world.label(1, other), await world.label(2)
    await world.close(1, other)
    operational = world.operational(await enrolled(world, uri))
    foreign_ca = world.operational(world.ca1.operational(world.device).certificate)
    unknown = CaUri.parse("coaps://ca1.example/est/" + "x" * 22)
    factory = world.factory()
    attempts = [
        (enroll_request, unknown, factory),  # known certificate, unknown label
        (enroll_request, uri, world.factory(stranger)),  # known label, unknown certificate
        (enroll_request, closed, world.factory(other)),  # closed entry
        (enroll_request, uri, operational),  # an operational certificate enrolls nobody for the first time
        (reenroll_request, foreign, operational),  # certificate of another label
        (reenroll_request, uri, foreign_ca),  # never issued by this register
    ]
    for build, label, session in attempts:
        response = await world.ask(build(label, world.csr(session)), session)
        assert (response.code, response.payload) == (Code.FORBIDDEN, b"")
    for label, session in ((unknown, factory), (uri, world.factory(stranger))):
        response = await world.ask(crts_request(label), session)
        assert (response.code, response.payload) == (Code.FORBIDDEN, b"")


async def test_a_revoked_certificate_renews_nothing_even_in_an_open_session(world: EstWorld) -> None:
    uri = await world.label()
    operational = world.operational(await enrolled(world, uri))
    label = await world.register.label("sp1", UUIDS[0])
    name = fingerprint(world.device.certificate)
    await world.register.set_entry(label.text, name, open_=True, revoke=ALL, now=NOW)
    response = await world.ask(reenroll_request(uri, world.csr(operational)), operational)
    assert response.code is Code.FORBIDDEN


async def test_an_anonymous_session_gets_nothing(world: EstWorld) -> None:
    uri = await world.label()
    assert (await world.ask(crts_request(uri), Session(None))).code is Code.UNAUTHORIZED


async def test_a_ca_out_of_service_is_temporary(world: EstWorld) -> None:
    uri, session = await world.label(), world.factory()
    world.ca.down = True
    response = await world.ask(enroll_request(uri, world.csr(session)), session)
    assert (response.code, response.max_age) == (Code.SERVICE_UNAVAILABLE, 30)


async def test_events_hold_six_characters_of_the_label(world: EstWorld) -> None:
    uri = await world.label()
    await enrolled(world, uri)
    session = world.factory()
    await world.ask(enroll_request(uri, world.csr(session, endpoint="dev-2")), session)
    await world.ask(enroll_request(await world.label(1), b"x"), session)
    assert [event.outcome for event in world.events] == [
        "certificate issued",
        "endpoint name: the request names another device than the authenticated certificate",
        "malformed: not the DER of a PKCS#10 request",
    ]
    assert {event.endpoint for event in world.events} == {"dev-1"}
    assert world.events[0].label == uri.path[1][:6]
    assert uri.path[1] not in repr(world.events)
