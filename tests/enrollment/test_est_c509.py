"""EST with C509 over EDHOC and OSCORE (draft-ietf-ace-coap-est-oscore-11): requests, answers, references, keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cose.cbor import decode, encode
from cose.keys import generate_private_key
from device_pki.c509 import encode_certificate
from device_pki.issue import operational_device
from device_pki.path import verify_path
from device_pki.references import c5t
from device_pki.roles import Role
from enrollment.c509_csr import Possession, build_c509_csr
from enrollment.csr import build_csr
from enrollment.est.client import (
    EstAnswerError,
    attributes_request,
    c509_enroll_request,
    c509_server_key_request,
    crts_request,
    discovery_request,
    enroll_request,
    parse_certificate,
    parse_crts,
    parse_server_key,
    parse_template,
    template_request,
)
from enrollment.multipart import decode_multipart
from lwm2m_server.store.database import Database
from secure_coap.numbers import EXPERIMENTAL_C509, C509Formats, Code, ContentFormat
from tests.device_pki.builders import NOW, YEAR
from tests.enrollment.world import EstWorld, Session

C509 = EXPERIMENTAL_C509


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[EstWorld]:
    database = await Database.open(tmp_path / "ca.db")
    yield EstWorld(database)
    await database.close()


def of_device(session: Session) -> Possession:
    """What the device has of a session."""
    assert session.responder_key is not None
    return Possession(session.channel_binding, session.responder_key.public_key())


@pytest.mark.parametrize("by_mac", [True, False])
@pytest.mark.parametrize("named", [True, False])
async def test_a_c509_request_brings_a_c509_certificate(world: EstWorld, by_mac: bool, named: bool) -> None:
    uri, session, key = await world.label(), world.compact(), generate_private_key()
    possession = of_device(session) if by_mac else Possession(session.channel_binding)
    csr = build_c509_csr(key, possession, "dev-1" if named else None)
    response = await world.ask(c509_enroll_request(uri, csr), session)
    assert (response.code, response.content_format) == (Code.CHANGED, C509.certificate)
    certificate = parse_certificate(response, key.public_key())
    verify_path(certificate, [], anchors=[world.ca1.certificate], role=Role.OPERATIONAL_DEVICE, now=NOW)
    assert certificate.subject == world.device.certificate.subject
    assert decode(response.payload) == encode_certificate(certificate)


async def test_the_same_key_gets_the_same_certificate_in_every_form(world: EstWorld) -> None:
    """One certificate, two encodings; another session, another proof, the same key."""
    uri, key = await world.label(), generate_private_key()
    found = set()
    for _ in range(2):
        session = world.compact()
        csr = build_c509_csr(key, of_device(session))
        found.add(parse_certificate(await world.ask(c509_enroll_request(uri, csr), session), key.public_key()))
        request = replace(enroll_request(uri, csr), content_format=C509.request)
        found.add(parse_certificate(await world.ask(request, session), key.public_key()))
        pkcs10 = enroll_request(uri, build_csr(key, "dev-1", session.channel_binding))
        found.add(parse_certificate(await world.ask(pkcs10, session), key.public_key()))
    assert len(found) == 1
    assert world.ca.calls == 1


async def test_the_certificate_comes_alone_unless_more_is_asked_for(world: EstWorld) -> None:
    uri, session, key = await world.label(), world.compact(), generate_private_key()
    csr = build_c509_csr(key, of_device(session))
    response = await world.ask(c509_enroll_request(uri, csr, terse=True), session)
    assert response.content_format == C509.certificate
    response = await world.ask(replace(c509_enroll_request(uri, csr), accept=ContentFormat.MULTIPART), session)
    assert response.content_format == ContentFormat.MULTIPART
    certificate = parse_certificate(response, key.public_key())
    encoded = encode_certificate(certificate)
    parts = decode_multipart(response.payload)
    assert parts == [(C509.reference, encode(c5t(encoded))), (C509.certificate, encode(encoded))]
    alone = await world.ask(replace(c509_enroll_request(uri, csr), accept=C509.reference), session)
    assert (alone.content_format, alone.payload) == (C509.reference, encode(c5t(encoded)))


@pytest.mark.parametrize("asked", [C509.certificate, C509.chain])
async def test_the_ca_in_c509(world: EstWorld, asked: int) -> None:
    response = await world.ask(crts_request(await world.label(), accept=asked), world.compact())
    assert response.content_format == asked
    assert parse_crts(response) == list(world.ca1.chain)


async def test_a_key_made_by_the_ca_in_c509(world: EstWorld) -> None:
    uri, session = await world.label(), world.compact()
    csr = build_c509_csr(generate_private_key(), of_device(session))
    assert (await world.ask(c509_server_key_request(uri, csr), session)).code is Code.FORBIDDEN
    await world.allow(server_keys=True)
    response = await world.ask(c509_server_key_request(uri, csr), session)
    made = parse_server_key(response)
    assert made.private_key.public_key() == made.certificate.public_key()
    assert [number for number, _ in decode_multipart(response.payload)] == [C509.private_key, C509.certificate]
    bare = replace(c509_server_key_request(uri, csr), path=(*uri.path, "skc"))
    assert (await world.ask(bare, session)).code is Code.UNSUPPORTED_CONTENT_FORMAT


async def test_a_template_says_what_a_request_holds(world: EstWorld) -> None:
    uri, session, key = await world.label(), world.compact(), generate_private_key()
    template = parse_template(await world.ask(template_request(uri), session))
    csr = decode(build_c509_csr(key, of_device(session)))
    assert template.types is not None and csr[0] in template.types
    assert template.signature_algorithms is not None and csr[1] in template.signature_algorithms
    assert template.key_algorithms is not None and csr[3] in template.key_algorithms
    with pytest.raises(EstAnswerError):
        parse_template(await world.ask(attributes_request(uri), session))


async def test_links_say_that_oscore_protects_them(world: EstWorld) -> None:
    await world.label()
    response = await world.ask(discovery_request(), world.compact())
    assert response.payload and all(link.endswith(b";osc") for link in response.payload.split(b","))


async def test_a_request_of_another_session_is_refused(world: EstWorld) -> None:
    uri, recorded, session = await world.label(), world.compact(), world.compact()
    csr = build_c509_csr(generate_private_key(), of_device(recorded))
    response = await world.ask(c509_enroll_request(uri, csr), session)
    assert response.code is Code.BAD_REQUEST
    signed = build_c509_csr(generate_private_key(), Possession(bytes(32)))
    assert (await world.ask(c509_enroll_request(uri, signed), session)).code is Code.FORBIDDEN
    assert world.ca.calls == 0


async def test_other_numbers_can_be_configured(world: EstWorld) -> None:
    numbers = C509Formats(certificate=30001, request=30002)
    world.configure(c509=numbers)
    uri, session, key = await world.label(), world.compact(), generate_private_key()
    csr = build_c509_csr(key, of_device(session))
    response = await world.ask(c509_enroll_request(uri, csr, c509=numbers), session)
    assert response.content_format == 30001
    assert parse_certificate(response, key.public_key(), numbers)
    assert (await world.ask(c509_enroll_request(uri, csr), session)).code is Code.NOT_ACCEPTABLE


async def test_a_certificate_without_c509_form_can_still_be_had(
    world: EstWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority elsewhere may issue what C509 cannot say."""

    async def issue(csr: object, subject: x509.Name, now: object) -> x509.Certificate:
        public = key.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        odd = x509.Name([x509.RelativeDistinguishedName(list(subject))])
        return operational_device(world.ca1.issuer, public, odd, YEAR)

    uri, session, key = await world.label(), world.compact(), generate_private_key()
    monkeypatch.setattr(world.ca, "issue_operational", issue)
    csr = build_c509_csr(key, of_device(session))
    request = c509_enroll_request(uri, csr)
    response = await world.ask(request, session)
    assert (response.code, b"287" in response.payload) == (Code.NOT_ACCEPTABLE, True)
    response = await world.ask(replace(request, accept=ContentFormat.PKIX_CERT), session)
    assert parse_certificate(response, key.public_key())
