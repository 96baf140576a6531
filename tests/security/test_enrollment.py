"""Security rules 21 to 25 at an EST server: bad input gets the standard's code, is counted, and nothing is kept."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AttributeOID

from cose.cbor import decode, encode
from cose.keys import generate_private_key
from device_pki.fingerprints import fingerprint
from device_pki.identity import PeerIdentity
from device_pki.issue import Validity, factory_device
from device_pki.names import device_subject
from device_pki.path import PathError, PathReason, verify_path
from device_pki.roles import Role
from enrollment.c509_csr import Possession, build_c509_csr
from enrollment.csr import build_csr
from enrollment.est.client import c509_enroll_request, crts_request, enroll_request
from enrollment.est.paths import CaUri, EstOperation
from lwm2m_server.store.database import Database
from lwm2m_server.testing.register_contract import UUIDS
from secure_coap.exchange import Request
from secure_coap.numbers import EXPERIMENTAL_C509, Code, ContentFormat
from tests.device_pki.builders import NOW
from tests.enrollment.world import EstWorld, Session

Sign = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[EstWorld]:
    database = await Database.open(tmp_path / "ca.db")
    yield EstWorld(database)
    await database.close()


async def nothing_kept(world: EstWorld) -> bool:
    """No certificate, and no key that counts."""
    label = await world.register.label("sp1", UUIDS[0])
    entry = await world.register.entry(label.text, fingerprint(world.device.certificate))
    issued = await world.register.certificates(label.text, entry.fingerprint)
    return not issued and world.ca.calls == 0


def request_by(key: Sign, session: Session) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(device_subject("dev-1"))
    builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, base64.b64encode(session.channel_binding))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def off_curve(data: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return data.replace(point, point[:-1] + bytes([point[-1] ^ 1]))


def damaged(session: Session) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return off_curve(request_by(key, session), key.public_key())


WEAK: dict[str, Callable[[Session], bytes]] = {
    "RSA-1024": lambda session: request_by(rsa.generate_private_key(65537, 1024), session),
    "RSA-2048": lambda session: request_by(rsa.generate_private_key(65537, 2048), session),
    "P-192": lambda session: request_by(ec.generate_private_key(ec.SECP192R1()), session),
    "P-224": lambda session: request_by(ec.generate_private_key(ec.SECP224R1()), session),
    "secp256k1": lambda session: request_by(ec.generate_private_key(ec.SECP256K1()), session),
    "off the curve": damaged,
}


@pytest.mark.parametrize("kind", WEAK)
async def test_21_weak_keys_are_not_certified(world: EstWorld, kind: str) -> None:
    uri, session = await world.label(), world.factory()
    response = await world.ask(enroll_request(uri, WEAK[kind](session)), session)
    assert response.code is Code.BAD_REQUEST
    assert await nothing_kept(world)
    assert world.server.service.counts[EstOperation.SIMPLE_ENROLL, "KEY_KIND"] == 1


class Test21Certificates:
    """Who may not even ask: the session does not come to be."""

    def refused(self, certificate: x509.Certificate, anchor: x509.Certificate, *above: x509.Certificate) -> PathReason:
        with pytest.raises(PathError) as error:
            PeerIdentity.of(verify_path(certificate, above, anchors=[anchor], role=Role.FACTORY_DEVICE, now=NOW))
        return error.value.reason

    def test_an_expired_factory_certificate(self, world: EstWorld) -> None:
        ended = Validity(NOW - timedelta(days=2), NOW - timedelta(days=1))
        public = generate_private_key().public_key()
        certificate = factory_device(world.permanent.issuer, public, "dev-1", ended)
        assert self.refused(certificate, world.permanent.certificate) is PathReason.EXPIRED

    def test_a_ca_in_the_place_of_a_device(self, world: EstWorld) -> None:
        assert self.refused(world.ca1.certificate, world.permanent.certificate) is PathReason.LEAF_IS_CA

    def test_a_device_of_a_ca_beneath_the_permanent_one(self, world: EstWorld) -> None:
        certificate = world.ca1.device("dev-1").certificate
        anchor = world.permanent.certificate
        assert self.refused(certificate, anchor, world.ca1.certificate) is PathReason.NOT_DIRECT


@pytest.mark.parametrize(
    ("make", "code", "count"),
    [
        (lambda session, key: build_csr(key, "dev-2", session.channel_binding), Code.FORBIDDEN, "NAME"),
        (lambda session, key: build_csr(key, "dev-1"), Code.FORBIDDEN, "POSSESSION"),
        (lambda session, key: build_csr(key, "dev-1", b"another session"), Code.FORBIDDEN, "POSSESSION"),
        (lambda session, key: build_csr(key, "dev-1", session.channel_binding)[:-1], Code.BAD_REQUEST, "MALFORMED"),
    ],
)
async def test_22_requests_that_are_not_this_sessions_own(
    world: EstWorld, make: Callable[[Session, object], bytes], code: Code, count: str
) -> None:
    uri, session = await world.label(), world.factory()
    response = await world.ask(enroll_request(uri, make(session, generate_private_key())), session)
    assert response.code is code
    assert await nothing_kept(world)
    assert world.server.service.counts[EstOperation.SIMPLE_ENROLL, count] == 1


class Test22Compact:
    """The same in C509 over EDHOC and OSCORE."""

    def request(self, session: Session, uri: CaUri, endpoint: str | None = None) -> Request:
        assert session.responder_key is not None
        possession = Possession(session.channel_binding, session.responder_key.public_key())
        return c509_enroll_request(uri, build_c509_csr(generate_private_key(), possession, endpoint))

    async def test_another_name(self, world: EstWorld) -> None:
        uri, session = await world.label(), world.compact()
        assert (await world.ask(self.request(session, uri, "dev-2"), session)).code is Code.FORBIDDEN
        assert await nothing_kept(world)

    async def test_a_request_recorded_in_another_session(self, world: EstWorld) -> None:
        uri, session = await world.label(), world.compact()
        assert (await world.ask(self.request(world.compact(), uri), session)).code is Code.BAD_REQUEST
        assert await nothing_kept(world)

    async def test_every_changed_octet(self, world: EstWorld) -> None:
        await world.allow(device_rate=0)
        uri, session = await world.label(), world.compact()
        request = self.request(session, uri)
        for position in range(len(request.payload)):
            changed = bytearray(request.payload)
            changed[position] ^= 1
            response = await world.ask(replace(request, payload=bytes(changed)), session)
            assert response.code in {Code.BAD_REQUEST, Code.FORBIDDEN}, position
        assert await nothing_kept(world)
        assert sum(world.server.service.counts.values()) == len(request.payload)

    async def test_another_devices_key(self, world: EstWorld) -> None:
        uri, session = await world.label(), world.compact()
        request, other = self.request(session, uri), self.request(session, uri)
        items = decode(request.payload)
        items[4] = decode(other.payload)[4]
        response = await world.ask(replace(request, payload=encode(items)), session)
        assert response.code is Code.BAD_REQUEST
        assert await nothing_kept(world)


@pytest.mark.parametrize("content_format", [ContentFormat.PKCS10, EXPERIMENTAL_C509.request])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.BAD_REQUEST),
        (b"\x30\x84\x7f\xff\xff\xff", Code.BAD_REQUEST),
        (b"\x9f" * 1000, Code.BAD_REQUEST),
        (b"\x81" * 2048, Code.BAD_REQUEST),
        (bytes(2049), Code.REQUEST_ENTITY_TOO_LARGE),
        (bytes(65_000), Code.REQUEST_ENTITY_TOO_LARGE),
    ],
)
async def test_29_lying_and_oversized_encodings(world: EstWorld, content_format: int, body: bytes, code: Code) -> None:
    uri, session = await world.label(), world.compact()
    request = replace(enroll_request(uri, body), content_format=content_format)
    assert (await world.ask(request, session)).code is code
    assert await nothing_kept(world)


async def test_23_an_unknown_label_is_refused_like_a_stranger_in_every_operation(world: EstWorld) -> None:
    await world.label()
    unknown = CaUri.parse("coap://ca1.example/est/" + "x" * 22)
    for session in (world.factory(), world.compact()):
        for request in (crts_request(unknown), enroll_request(unknown, world.csr(session))):
            response = await world.ask(request, session)
            assert (response.code, response.payload) == (Code.FORBIDDEN, b"")
    assert await nothing_kept(world)
    assert world.server.service.counts[EstOperation.SIMPLE_ENROLL, "UNKNOWN"] == 2
