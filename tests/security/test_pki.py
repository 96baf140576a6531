"""docs/reference/security-tests.md, tests 23 to 29, by their numbers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cose.cbor import decode_sequence, encode
from cose.keys import generate_private_key, load_private_key
from device_pki.bag import encode_x5bag
from device_pki.c509 import C509Error, decode_certificate, encode_certificate
from device_pki.certificates import load_certificate
from device_pki.fingerprints import der, fingerprint
from device_pki.issue import Validity, common_name, revocation_list, server
from device_pki.names import device_subject
from device_pki.path import PathError, PathReason, verify_path
from device_pki.revocation import CrlError, CrlReason, RevocationIndex, RevocationStatus
from device_pki.roles import Role
from enrollment.ca_client import Enroll
from enrollment.csr import CsrError, CsrReason, build_csr, check_csr
from enrollment.est.client import crts_request, enroll_request, parse_certificate, reenroll_request
from enrollment.est.paths import CaUri
from lwm2m_server.ca.operator import opened
from lwm2m_server.ca.setup import write_certificates
from lwm2m_server.roles.ca import RunningCa
from lwm2m_server.store.database import Database
from lwm2m_server.testing.register_contract import UUIDS
from secure_coap.errors import Forbidden, HandshakeFailed
from secure_coap.exchange import Request
from secure_coap.numbers import Code, ContentFormat
from tests.device_pki.builders import NOW, YEAR, Authority, root
from tests.enrollment.world import EstWorld, Session
from tests.lwm2m_server.ca.world import DeviceKeys, Provider, ca_uri, csr_for, make_ca, serving_ca

LIMIT = 0.05
"""Seconds in which bad input must be refused."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[EstWorld]:
    database = await Database.open(tmp_path / "ca.db")
    yield EstWorld(database)
    await database.close()


async def nothing_issued(world: EstWorld) -> bool:
    label = await world.register.label("sp1", UUIDS[0])
    return not await world.register.certificates(label.text, fingerprint(world.device.certificate))


class Test23CertificateRequests:
    """CSR with CA:TRUE, other name, bad possession -> nothing issued."""

    @pytest.mark.parametrize("case", ["CA:TRUE", "other name", "another session", "no possession", "stolen request"])
    async def test_nothing_is_issued(self, world: EstWorld, case: str) -> None:
        uri, session, key = await world.label(), world.factory(), generate_private_key()
        builder = x509.CertificateSigningRequestBuilder().subject_name(device_subject("dev-1"))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        stolen = Session(world.factory(world.permanent.device("dev-2")).peer)
        requests = {
            "CA:TRUE": builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER),
            "other name": build_csr(key, "dev-2", session.channel_binding),
            "another session": build_csr(key, "dev-1", bytes(12)),
            "no possession": build_csr(key, "dev-1"),
            "stolen request": world.csr(stolen),
        }
        response = await world.ask(enroll_request(uri, requests[case]), session)
        assert response.code in {Code.FORBIDDEN, Code.BAD_REQUEST}
        assert world.ca.calls == 0
        assert await nothing_issued(world)


async def test_24_an_unknown_certificate_and_an_unknown_label_look_the_same(world: EstWorld) -> None:
    """Good label + unknown certificate, or reverse -> same 4.03."""
    uri = await world.label()
    stranger = world.factory(world.permanent.device("dev-1"))
    known, unknown = world.factory(), CaUri.parse("coaps://ca1.example/est/" + "x" * 22)
    for operation in (enroll_request, reenroll_request):
        answers = {
            await world.ask(operation(label, world.csr(session)), session)
            for label, session in ((uri, stranger), (unknown, known))
        }
        assert [answer.code for answer in answers] == [Code.FORBIDDEN]
    assert await world.ask(crts_request(uri), stranger) == await world.ask(crts_request(unknown), known)
    assert world.ca.calls == 0


class Test25UnknownOperations:
    """Unknown EST path, method, format -> denied, CA not called."""

    P10, P7 = ContentFormat.PKCS10, ContentFormat.PKCS7_CERTS_ONLY

    @pytest.mark.parametrize(
        ("method", "operation", "content_format", "accept", "code"),
        [
            (Code.GET, ("skg",), None, None, Code.METHOD_NOT_ALLOWED),
            (Code.POST, ("skc",), P10, ContentFormat.PKIX_CERT, Code.NOT_ACCEPTABLE),
            (Code.POST, ("skg",), ContentFormat.PKCS8, None, Code.UNSUPPORTED_CONTENT_FORMAT),
            (Code.POST, ("att",), None, None, Code.METHOD_NOT_ALLOWED),
            (Code.GET, ("att",), None, P7, Code.NOT_ACCEPTABLE),
            (Code.GET, ("rv",), None, None, Code.NOT_FOUND),
            (Code.POST, ("sen", "x"), P10, None, Code.NOT_FOUND),
            (Code.POST, (), P10, None, Code.NOT_FOUND),
            (Code.POST, ("SEN",), P10, None, Code.NOT_FOUND),
            (Code.POST, ("crts",), None, None, Code.METHOD_NOT_ALLOWED),
            (Code.GET, ("sen",), None, None, Code.METHOD_NOT_ALLOWED),
            (Code.PUT, ("sen",), P10, None, Code.METHOD_NOT_ALLOWED),
            (Code.DELETE, ("sren",), None, None, Code.METHOD_NOT_ALLOWED),
            (Code.POST, ("sen",), None, None, Code.UNSUPPORTED_CONTENT_FORMAT),
            (Code.POST, ("sen",), ContentFormat.CBOR, None, Code.UNSUPPORTED_CONTENT_FORMAT),
            (Code.POST, ("sren",), P7, None, Code.UNSUPPORTED_CONTENT_FORMAT),
            (Code.POST, ("sen",), P10, ContentFormat.CBOR, Code.NOT_ACCEPTABLE),
            (Code.GET, ("crts",), None, ContentFormat.TEXT, Code.NOT_ACCEPTABLE),
            (Code.GET, ("crts",), P10, None, Code.UNSUPPORTED_CONTENT_FORMAT),
        ],
    )
    async def test_denied_before_anything_is_looked_up(
        self,
        world: EstWorld,
        method: Code,
        operation: tuple[str, ...],
        content_format: int | None,
        accept: int | None,
        code: Code,
    ) -> None:
        uri, session = await world.label(), world.factory()
        request = Request(
            method,
            (*uri.path, *operation),
            payload=world.csr(session) if content_format else b"",
            content_format=content_format,
            accept=accept,
        )
        await world.database.close()  # whoever looks something up fails
        assert (await world.ask(request, session)).code is code
        assert world.ca.calls == 0

    @pytest.mark.parametrize("path", [(".well-known", "est"), ("est",), (".well-known", "crts"), ("rd",), ()])
    async def test_other_paths_are_denied(self, world: EstWorld, path: tuple[str, ...]) -> None:
        assert (await world.ask(Request(Code.GET, path), world.factory())).code is Code.NOT_FOUND

    async def test_a_query_is_denied(self, world: EstWorld) -> None:
        uri = await world.label()
        request = Request(Code.GET, (*uri.path, "crts"), query=("x=1",))
        assert (await world.ask(request, world.factory())).code is Code.NOT_FOUND

    async def test_a_large_request_is_denied(self, world: EstWorld) -> None:
        uri = await world.label()
        response = await world.ask(enroll_request(uri, bytes(2049)), world.factory())
        assert response.code is Code.REQUEST_ENTITY_TOO_LARGE


async def test_26_a_device_stops_at_an_est_server_without_cmc_ra(tmp_path: Path) -> None:
    """EST server without cmcRA -> device stops."""
    permanent = make_ca(tmp_path / "permanent", "Permanent CA")
    ca = make_ca(tmp_path / "ca1", "CA1", permanent)
    key = load_private_key(ca.est.key).public_key()
    validity = Validity.lasting(datetime.now(UTC), timedelta(days=1))
    plain = server(ca.issuer(), key, "CA1 EST", ["127.0.0.1"], validity)
    issuer = permanent.issuer()
    device = Authority(issuer).device("dev-1")
    write_certificates(ca.est.certificate, [plain])
    async with serving_ca(ca, permanent) as running:
        keys = DeviceKeys(device.key, device.certificate)
        with pytest.raises(HandshakeFailed):
            async with keys.session(running, [ca.chain()[0]]):
                pass
        async with keys.session(running, [ca.chain()[0]], Role.SERVER):
            pass  # the same server is reachable: the role alone made the device stop


async def test_27_a_revoked_certificate_is_refused_in_open_sessions_and_new_ones(tmp_path: Path) -> None:
    """Revoked certificate, open session too -> refused within 60 s; here by a command beside the running CA."""
    permanent = make_ca(tmp_path / "permanent", "Permanent CA")
    ca, provider = make_ca(tmp_path / "ca1", "CA1", permanent), Provider.make(tmp_path / "sp", "sp1")
    device = Authority(permanent.issuer()).device("dev-1")
    factory, anchor, key = DeviceKeys(device.key, device.certificate), ca.chain()[0], generate_private_key()
    async with serving_ca(ca, permanent, provider) as running, provider.client(ca, running) as api:
        uri = ca_uri((await api.put_label(uuid4(), encode_x5bag([der(device.certificate)]))).ca_uri)
        async with factory.session(running, [anchor]) as session:
            response = await session.request(enroll_request(uri, csr_for(session, key, "dev-1")))
        certificate = parse_certificate(response, key.public_key())
        operational = DeviceKeys(key, certificate)
        async with operational.session(running, [anchor]) as session:
            write_certificates(tmp_path / "revoked.pem", [certificate])
            async with opened(ca) as operator:
                await operator.revoke(await operator.find_certificate(str(tmp_path / "revoked.pem")))
            request = reenroll_request(uri, csr_for(session, generate_private_key(), "dev-1"))
            with pytest.raises(Forbidden):
                (await session.request(request)).raise_for_code()
        await refused_soon(operational, running=running, anchor=anchor)


async def refused_soon(device: DeviceKeys, *, running: RunningCa, anchor: x509.Certificate) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            async with device.session(running, [anchor]):
                assert time.monotonic() < deadline, "a revoked certificate is still let in"
        except HandshakeFailed:
            return
        await asyncio.sleep(0.1)


async def test_27_completion_shuts_a_device_out_at_once(tmp_path: Path) -> None:
    """The order of the provider needs no waiting: the list is published before the answer."""
    permanent = make_ca(tmp_path / "permanent", "Permanent CA")
    ca, provider = make_ca(tmp_path / "ca1", "CA1", permanent), Provider.make(tmp_path / "sp", "sp1")
    device = Authority(permanent.issuer()).device("dev-1")
    factory, anchor, key, label = (
        DeviceKeys(device.key, device.certificate),
        ca.chain()[0],
        generate_private_key(),
        uuid4(),
    )
    async with serving_ca(ca, permanent, provider) as running, provider.client(ca, running) as api:
        uri = ca_uri((await api.put_label(label, encode_x5bag([der(device.certificate)]))).ca_uri)
        async with factory.session(running, [anchor]) as session:
            response = await session.request(enroll_request(uri, csr_for(session, key, "dev-1")))
        certificate = parse_certificate(response, key.public_key())
        await api.set_device(label, fingerprint(device.certificate), enroll=Enroll.CLOSED, revoke="all")
        with pytest.raises(HandshakeFailed):
            async with DeviceKeys(key, certificate).session(running, [anchor]):
                pass


class Test28Revocation:
    """Expired CRL; unknown serial -> closed."""

    CA = root("CA1")
    CERTIFICATE = CA.operational(CA.device("dev-1")).certificate

    def index(self, *, age: timedelta = timedelta(0)) -> RevocationIndex:
        index, start = RevocationIndex(), NOW - age
        index.add(revocation_list(self.CA.issuer, {}, 1, start, start + timedelta(days=1)), self.CA.certificate, start)
        return index

    def test_an_expired_list_closes(self) -> None:
        index = self.index(age=timedelta(days=2))
        assert index.status(self.CERTIFICATE, NOW) is RevocationStatus.STALE
        with pytest.raises(PathError) as refused:
            verify_path(
                self.CERTIFICATE,
                [],
                anchors=[self.CA.certificate],
                role=Role.OPERATIONAL_DEVICE,
                now=NOW,
                revocation=index,
            )
        assert refused.value.reason is PathReason.REVOCATION_UNKNOWN

    def test_an_expired_list_is_not_taken_in(self) -> None:
        old = revocation_list(self.CA.issuer, {}, 9, NOW - timedelta(days=2), NOW - timedelta(days=1))
        with pytest.raises(CrlError) as refused:
            RevocationIndex().add(old, self.CA.certificate, NOW)
        assert refused.value.reason is CrlReason.STALE

    def test_a_list_by_another_key_is_not_taken_in(self) -> None:
        forged = revocation_list(root("CA1").issuer, {}, 9, NOW, NOW + timedelta(days=1))
        with pytest.raises(CrlError) as refused:
            RevocationIndex().add(forged, self.CA.certificate, NOW)
        assert refused.value.reason is CrlReason.WRONG_ISSUER

    async def test_a_serial_the_ca_never_issued_enrolls_nothing(self, world: EstWorld) -> None:
        """Signed by the CA's key, but unknown to its register: a copied key or a restored backup."""
        uri = await world.label()
        stranger = world.operational(world.ca1.operational(world.device).certificate)
        assert (await world.ask(reenroll_request(uri, world.csr(stranger)), stranger)).code is Code.FORBIDDEN
        assert await nothing_issued(world)


def quickest(action: Callable[[], object]) -> float:
    """Return the shortest of three runs in seconds: the machine may be busy, the code may not be slow."""
    durations = []
    for _ in range(3):
        started = time.perf_counter()
        action()
        durations.append(time.perf_counter() - started)
    return min(durations)


def with_key(ca: Authority, key: rsa.RSAPublicKey) -> bytes:
    builder = x509.CertificateBuilder().subject_name(common_name("dev-1")).issuer_name(ca.certificate.subject)
    builder = builder.public_key(key).serial_number(1)
    builder = builder.not_valid_before(YEAR.not_before).not_valid_after(YEAR.not_after)
    return der(builder.sign(ca.issuer.private_key, hashes.SHA256()))


def off_curve(data: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return data.replace(point, point[:-1] + bytes([point[-1] ^ 1]))


class Test29ExpensiveInput:
    """Empty EKU, 10-link chain, RSA-16384, point off curve -> reject in 50 ms."""

    CA = root("CA1")
    DEVICE = CA.device("dev-1")

    def check(self, encoded: bytes, *intermediates: x509.Certificate, role: Role = Role.FACTORY_DEVICE) -> PathReason:
        reasons = []

        def attempt() -> None:
            with pytest.raises(PathError) as refused:
                verify_path(load_certificate(encoded), intermediates, anchors=[self.CA.certificate], role=role, now=NOW)
            reasons.append(refused.value.reason)

        assert quickest(attempt) < LIMIT
        return reasons[0]

    def test_an_empty_extended_key_usage(self) -> None:
        empty = x509.UnrecognizedExtension(x509.ExtendedKeyUsage.oid, b"0\0")
        builder = x509.CertificateBuilder().subject_name(common_name("dev-1")).serial_number(1)
        builder = builder.issuer_name(self.CA.certificate.subject).public_key(generate_private_key().public_key())
        builder = builder.not_valid_before(YEAR.not_before).not_valid_after(YEAR.not_after)
        certificate = builder.add_extension(empty, critical=False).sign(self.CA.issuer.private_key, hashes.SHA256())
        assert self.check(der(certificate)) is PathReason.MALFORMED

    def test_a_chain_of_ten(self) -> None:
        authority = self.CA
        for number in range(8):
            authority = authority.sub(f"CA {number}")
        leaf = authority.operational(self.DEVICE).certificate
        reason = self.check(der(leaf), *authority.chain, role=Role.OPERATIONAL_DEVICE)
        assert reason is PathReason.TOO_MANY

    def test_rsa_16384(self) -> None:
        key = rsa.RSAPublicNumbers(65537, (1 << 16383) | 1).public_key()
        assert self.check(with_key(self.CA, key)) is PathReason.KEY_KIND

    def test_a_point_off_the_curve(self) -> None:
        key = self.DEVICE.key.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert self.check(off_curve(der(self.DEVICE.certificate), key)) is PathReason.KEY_KIND

    @pytest.mark.parametrize(
        ("place", "item"),
        [
            (8, b"\xfe" + b"\xff" * 32),
            (9, [3, [4, []] * 2600]),
            (9, [5, [["", None, None]] * 1900]),
            (9, [8, [1] * 7900]),
            (9, [38, [1] * 7900]),
            (6, [1, ""] * 3900),
        ],
    )
    def test_c509_that_is_much_work(self, place: int, item: object) -> None:
        items = decode_sequence(encode_certificate(self.DEVICE.certificate))
        items[place] = item
        encoded = b"".join(map(encode, items))

        def attempt() -> None:
            with suppress(C509Error):
                decode_certificate(encoded)

        assert quickest(attempt) < LIMIT

    def test_a_request_with_a_point_off_the_curve(self) -> None:
        key = generate_private_key()
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        data = off_curve(build_csr(key, "dev-1", b"session"), key.public_key())

        def attempt() -> None:
            with pytest.raises(CsrError) as refused:
                check_csr(data, endpoint="dev-1", channel_binding=b"session")
            assert refused.value.reason is CsrReason.KEY_KIND

        assert quickest(attempt) < LIMIT

    def test_a_usage_that_is_no_clients(self) -> None:
        signer = server(self.CA.issuer, self.DEVICE.key.public_key(), "dev-1", ["a.example"], YEAR)
        assert self.check(der(signer)) is PathReason.EXTENDED_KEY_USAGE
