"""What RFC 9148 offers beside enrolling: discovery, attributes, keys made by the CA, late answers; label policies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AttributeOID

from cose.keys import generate_private_key
from device_pki.fingerprints import fingerprint
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.est.client import (
    EstAnswerError,
    EstReason,
    ServerKey,
    attributes_request,
    crts_request,
    discovery_request,
    enroll_request,
    parse_attributes,
    parse_certificate,
    parse_crts,
    parse_discovery,
    parse_server_key,
    reenroll_request,
    server_key_request,
)
from enrollment.est.paths import CaUri, EstOperation
from enrollment.key_request import build_key_request
from enrollment.register import MAX_KEYS
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


def device_key(world: EstWorld) -> ec.EllipticCurvePrivateKey:
    assert isinstance(world.device.key, ec.EllipticCurvePrivateKey)
    return world.device.key


def key_request(world: EstWorld, session: Session, *, encrypted: bool = False) -> bytes:
    return build_key_request(device_key(world), "dev-1", session.channel_binding, encrypted=encrypted)


async def enroll(world: EstWorld, uri: CaUri, key: ec.EllipticCurvePrivateKey | None = None) -> Code:
    session = world.factory()
    return (await world.ask(enroll_request(uri, world.csr(session, key)), session)).code


class TestDiscovery:
    """RFC 9148 4.1."""

    async def test_a_device_sees_its_own_labels(self, world: EstWorld) -> None:
        uri, other = await world.label(), world.permanent.device("dev-2")
        await world.label(1, other)
        found = parse_discovery(await world.ask(discovery_request(), world.factory()))
        assert found[EstOperation.SIMPLE_ENROLL] == [uri.below(EstOperation.SIMPLE_ENROLL)]
        assert found[EstOperation.SERVER_KEY] == []
        await world.allow(server_keys=True)
        found = parse_discovery(await world.ask(discovery_request(), world.factory()))
        assert found[EstOperation.SERVER_KEY_BARE] == [uri.below(EstOperation.SERVER_KEY_BARE)]
        await world.close()
        assert not any(parse_discovery(await world.ask(discovery_request(), world.factory())).values())

    async def test_an_operational_certificate_is_shown_what_renews_it(self, world: EstWorld) -> None:
        uri, session, key = await world.label(), world.factory(), generate_private_key()
        response = await world.ask(enroll_request(uri, world.csr(session, key)), session)
        operational = world.operational(parse_certificate(response, key.public_key()))
        found = parse_discovery(await world.ask(discovery_request(), operational))
        assert found[EstOperation.SIMPLE_REENROLL] == [uri.below(EstOperation.SIMPLE_REENROLL)]
        assert found[EstOperation.SIMPLE_ENROLL] == []
        stranger = world.operational(world.ca1.operational(world.device).certificate)
        assert not any(parse_discovery(await world.ask(discovery_request(), stranger)).values())

    @pytest.mark.parametrize(
        ("query", "operations"),
        [
            ((), {"crts", "sen", "sren", "att"}),
            (("rt=ace.est*",), {"crts", "sen", "sren", "att"}),
            (("rt=ace.est.sen",), {"sen"}),
            (("rt=ace.est.s*",), {"sen", "sren"}),
            (("ct=287",), {"crts", "sen", "sren"}),
            (("rt=ace.est.sen", "ct=285"), set()),
            (("rt=core.rd",), set()),
            (("if=x",), set()),
        ],
    )
    async def test_queries_filter(self, world: EstWorld, query: tuple[str, ...], operations: set[str]) -> None:
        await world.label()
        response = await world.ask(Request(Code.GET, (".well-known", "core"), query), world.factory())
        assert response.content_format == ContentFormat.LINK_FORMAT
        links = [link for link in response.payload.decode().split(",") if link]
        assert {link.partition(">")[0].rpartition("/")[2] for link in links} == operations

    @pytest.mark.parametrize(
        ("request_", "code"),
        [
            (Request(Code.POST, (".well-known", "core")), Code.METHOD_NOT_ALLOWED),
            (Request(Code.GET, (".well-known", "core"), accept=ContentFormat.CBOR), Code.NOT_ACCEPTABLE),
        ],
    )
    async def test_only_links_and_only_by_get(self, world: EstWorld, request_: Request, code: Code) -> None:
        assert (await world.ask(request_, world.factory())).code is code

    async def test_a_stranger_is_shown_nothing(self, world: EstWorld) -> None:
        assert (await world.ask(discovery_request(), Session(None))).code is Code.UNAUTHORIZED


class TestPaths:
    """The label may be left out where there is only one, and the well-known root may stand before it."""

    @pytest.mark.parametrize("uri", ["", "/est", "/.well-known/est", "/.well-known/est/{label}"])
    async def test_other_names_of_the_same(self, world: EstWorld, uri: str) -> None:
        label = (await world.label()).path[1]
        other = CaUri.parse("coaps://ca1.example" + uri.format(label=label))
        session, key = world.factory(), generate_private_key()
        response = await world.ask(enroll_request(other, world.csr(session, key)), session)
        operational = world.operational(parse_certificate(response, key.public_key()))
        response = await world.ask(reenroll_request(other, world.csr(operational)), operational)
        assert response.code is Code.CHANGED

    async def test_two_labels_must_be_told_apart(self, world: EstWorld) -> None:
        await world.label()
        uri = await world.label(1)
        assert await enroll(world, CaUri.parse("coaps://ca1.example/est")) is Code.FORBIDDEN
        assert await enroll(world, uri) is Code.CHANGED


async def test_attributes_say_what_a_request_holds(world: EstWorld) -> None:
    wanted = parse_attributes(await world.ask(attributes_request(await world.label()), world.factory()))
    assert AttributeOID.CHALLENGE_PASSWORD in wanted
    assert {oid.dotted_string for oid in wanted} >= {"1.2.840.10045.2.1", "1.2.840.10045.4.3.2"}


async def test_the_issuing_ca_comes_alone_where_a_bare_certificate_is_asked_for(world: EstWorld) -> None:
    request = crts_request(await world.label(), accept=ContentFormat.PKIX_CERT)
    response = await world.ask(request, world.factory())
    assert response.content_format == ContentFormat.PKIX_CERT
    assert parse_crts(response) == [world.ca1.certificate]


class TestServerMadeKeys:
    """RFC 9148 4.8, security rule 25."""

    async def made(self, world: EstWorld, *, bare: bool = True, encrypted: bool = False) -> ServerKey:
        uri, session = await world.label(), world.factory()
        await world.allow(server_keys=True)
        request = server_key_request(uri, key_request(world, session, encrypted=encrypted), bare=bare)
        response = await world.ask(request, session)
        assert (response.code, response.content_format) == (Code.CHANGED, ContentFormat.MULTIPART)
        return parse_server_key(response, device_key(world) if encrypted else None)

    @pytest.mark.parametrize("bare", [True, False])
    @pytest.mark.parametrize("encrypted", [True, False])
    async def test_a_key_and_its_certificate(self, world: EstWorld, bare: bool, encrypted: bool) -> None:
        made = await self.made(world, bare=bare, encrypted=encrypted)
        assert made.private_key.public_key() == made.certificate.public_key()
        assert made.signer == (world.ca1.certificate if encrypted else None)
        verify_path(made.certificate, [], anchors=[world.ca1.certificate], role=Role.OPERATIONAL_DEVICE, now=NOW)
        assert made.certificate.subject == world.device.certificate.subject

    async def test_each_request_makes_another_key(self, world: EstWorld) -> None:
        """The last one is nowhere any more, so it cannot be sent again; its certificate still counts."""
        first, second = await self.made(world), await self.made(world)
        assert first.private_key.public_key() != second.private_key.public_key()
        for _ in range(MAX_KEYS - 2):
            await self.made(world)
        session = world.factory()
        request = server_key_request(await world.label(), key_request(world, session))
        assert (await world.ask(request, session)).code is Code.FORBIDDEN

    async def test_a_label_must_allow_them(self, world: EstWorld) -> None:
        uri, session = await world.label(), world.factory()
        for bare in (True, False):
            response = await world.ask(server_key_request(uri, key_request(world, session), bare=bare), session)
            assert (response.code, response.payload) == (Code.FORBIDDEN, b"")
        assert world.ca.calls == 0

    async def test_it_is_encrypted_for_the_key_of_the_session_only(self, world: EstWorld) -> None:
        uri, session = await world.label(), world.factory()
        await world.allow(server_keys=True)
        other = generate_private_key()
        assert isinstance(other, ec.EllipticCurvePrivateKey)
        csr = build_key_request(other, "dev-1", session.channel_binding, encrypted=True)
        response = await world.ask(server_key_request(uri, csr), session)
        assert response.code is Code.BAD_REQUEST and b"authenticated with" in response.payload
        assert world.ca.calls == 0

    async def test_it_is_neither_stored_nor_logged(
        self, world: EstWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(0)
        made = await self.made(world)
        assert isinstance(made.private_key, ec.EllipticCurvePrivateKey)
        secret = made.private_key.private_numbers().private_value.to_bytes(32, "big")
        pkcs8 = made.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert fingerprint(made.certificate) in stored
        assert secret not in stored and pkcs8 not in stored
        logged = caplog.text + repr(world.events) + repr(made)
        assert secret.hex() not in logged and str(int.from_bytes(secret, "big")) not in logged

    async def test_a_device_that_asked_for_encryption_takes_nothing_else(self, world: EstWorld) -> None:
        uri, session = await world.label(), world.factory()
        await world.allow(server_keys=True)
        response = await world.ask(server_key_request(uri, key_request(world, session)), session)
        with pytest.raises(EstAnswerError) as refused:
            parse_server_key(response, device_key(world))
        assert refused.value.reason is EstReason.NOT_ENCRYPTED


class TestPolicies:
    """What a label allows, towards devices."""

    async def test_a_device_that_asks_too_often_is_told_when_to_come_back(self, world: EstWorld) -> None:
        uri = await world.label()
        await world.allow(device_rate=2)
        key = device_key(world)
        assert [await enroll(world, uri, key) for _ in range(2)] == [Code.CHANGED] * 2
        session = world.factory()
        response = await world.ask(enroll_request(uri, b"nonsense"), session)
        assert (response.code, response.max_age) == (Code.TOO_MANY_REQUESTS, 60)
        assert (await world.ask(crts_request(uri), session)).code is Code.CONTENT
        world.now = NOW + timedelta(seconds=59)
        assert await enroll(world, uri, key) is Code.TOO_MANY_REQUESTS
        world.now = NOW + timedelta(seconds=60)
        assert await enroll(world, uri, key) is Code.CHANGED

    async def test_requests_that_are_no_good_count_too(self, world: EstWorld) -> None:
        uri, session = await world.label(), world.factory()
        await world.allow(device_rate=1)
        answers = [(await world.ask(enroll_request(uri, b"nonsense"), session)).code for _ in range(2)]
        assert answers == [Code.BAD_REQUEST, Code.TOO_MANY_REQUESTS]

    async def test_devices_of_a_label_share_its_rate(self, world: EstWorld) -> None:
        other = world.permanent.device("dev-2")
        uri = await world.label(0, world.device, other)
        await world.allow(label_rate=1)
        assert await enroll(world, uri) is Code.CHANGED
        session = world.factory(other)
        response = await world.ask(enroll_request(uri, world.csr(session)), session)
        assert response.code is Code.TOO_MANY_REQUESTS

    async def test_an_expired_label_enrolls_nobody(self, world: EstWorld) -> None:
        uri = await world.label()
        await world.allow(not_after=NOW + timedelta(days=1))
        assert await enroll(world, uri) is Code.CHANGED
        world.now = NOW + timedelta(days=1)
        assert await enroll(world, uri) is Code.FORBIDDEN
        assert world.events[-1].outcome == "label expired"

    async def test_a_label_may_allow_one_key(self, world: EstWorld) -> None:
        uri = await world.label()
        await world.allow(max_keys=1)
        key = device_key(world)
        assert [await enroll(world, uri, key), await enroll(world, uri), await enroll(world, uri, key)] == [
            Code.CHANGED,
            Code.FORBIDDEN,
            Code.CHANGED,
        ]


async def test_a_decision_that_takes_time(world: EstWorld) -> None:
    """RFC 9148 4.7: the same key gets the certificate once it is there; nothing is kept for it before."""
    uri, session, key = await world.label(), world.factory(), generate_private_key()
    world.ca.pending_calls = 2
    for _ in range(2):
        response = await world.ask(enroll_request(uri, world.csr(session, key)), session)
        assert (response.code, response.max_age) == (Code.SERVICE_UNAVAILABLE, 90)
        label = await world.register.label("sp1", UUIDS[0])
        assert await world.register.certificates(label.text, fingerprint(world.device.certificate)) == []
    response = await world.ask(enroll_request(uri, world.csr(session, key)), session)
    assert parse_certificate(response, key.public_key())
    assert world.ca.calls == 3
