"""EST over HTTPS: our client, curl with openssl, and what the server refuses."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import generate_private_key
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.csr import build_csr
from enrollment.est.client import EstAnswerError
from enrollment.est.https import EstBodyError, decode_body, decode_parts, encode_parts
from enrollment.est.https_client import EstHttpError
from enrollment.key_request import build_key_request
from lwm2m_server.store.database import Database
from tests.device_pki.builders import NOW
from tests.enrollment.https_world import ClientFiles, HttpsWorld, serving_https
from tests.enrollment.world import EstWorld


@pytest.fixture
async def https(tmp_path: Path) -> AsyncIterator[HttpsWorld]:
    database = await Database.open(tmp_path / "ca.db")
    async with serving_https(EstWorld(database), tmp_path) as running:
        yield running
    await database.close()


async def label_of(https: HttpsWorld) -> str:
    return (await https.world.label()).path[1]


class TestOurClient:
    """Every operation, with the factory's certificate and the operational one."""

    async def test_enrolling_and_renewing(self, https: HttpsWorld) -> None:
        label, key, next_key = await label_of(https), generate_private_key(), generate_private_key()
        async with https.client(https.device(), label) as client:
            assert set(await client.ca_certificates()) == set(https.world.ca1.chain)
            assert len(await client.attributes()) == 3
            csr = build_csr(key, "dev-1")
            certificate = await client.enroll(csr, key.public_key())
            assert await client.enroll(csr, key.public_key()) == certificate
        verify_path(certificate, [], anchors=[https.world.ca1.certificate], role=Role.OPERATIONAL_DEVICE, now=NOW)
        async with https.client(https.files("operational", key, certificate), None) as client:
            renewed = await client.enroll(build_csr(next_key, "dev-1"), next_key.public_key(), renew=True)
            with pytest.raises(EstHttpError, match="403"):
                await client.enroll(build_csr(next_key, "dev-1"), next_key.public_key())
        assert renewed.subject == certificate.subject

    @pytest.mark.parametrize("encrypted", [True, False])
    async def test_a_key_made_by_the_ca(self, https: HttpsWorld, encrypted: bool) -> None:
        own, label = https.world.device.key, await label_of(https)
        assert isinstance(own, ec.EllipticCurvePrivateKey)
        csr = build_key_request(own, "dev-1", None, encrypted=encrypted)
        async with https.client(https.device(), label) as client:
            with pytest.raises(EstHttpError, match="403"):
                await client.make_key(csr)
            await https.world.allow(server_keys=True)
            made = await client.make_key(csr, own if encrypted else None)
        assert made.private_key.public_key() == made.certificate.public_key()

    async def test_decisions_that_take_time_and_too_many_requests(self, https: HttpsWorld) -> None:
        label, key = await label_of(https), generate_private_key()
        csr = build_csr(key, "dev-1")
        async with https.client(https.device(), label) as client:
            https.world.ca.pending_calls = 1
            with pytest.raises(EstHttpError) as later:
                await client.enroll(csr, key.public_key())
            assert (later.value.status, later.value.retry_after) == (202, 90)
            https.world.ca.down = True
            with pytest.raises(EstHttpError) as down:
                await client.enroll(csr, key.public_key())
            assert (down.value.status, down.value.retry_after) == (503, 30)
            https.world.ca.down = False
            await https.world.allow(device_rate=1)
            with pytest.raises(EstHttpError) as often:
                await client.enroll(csr, key.public_key())
            assert (often.value.status, often.value.retry_after) == (429, 60)
            https.world.now = NOW + timedelta(seconds=60)
            assert await client.enroll(csr, key.public_key())


async def run(*command: str, stdin: bytes = b"") -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), 20)
    assert process.returncode == 0, err.decode()
    return out


async def curl(https: HttpsWorld, files: ClientFiles, path: str, *more: str) -> tuple[int, bytes]:
    """Status and body, as the command line has them."""
    arguments = ["--cacert", str(files.anchor), "--cert", str(files.certificate), "--key", str(files.key), "-sS"]
    url = f"{https.url}/.well-known/est/{path}"
    out = await run("curl", *arguments, "-w", "\n%{http_code}", *more, url)
    body, _, status = out.rpartition(b"\n")
    return int(status), body


class TestCurl:
    """A third party's TLS, HTTP, PKCS#10 and PKCS#7: curl and openssl, as an operator's script would use them."""

    @pytest.mark.parametrize("tls", ["1.2", "1.3"])
    async def test_enrolling(self, https: HttpsWorld, tmp_path: Path, tls: str) -> None:
        label, files, key = await label_of(https), https.device(), str(tmp_path / "new.key")
        await run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        csr = await run(
            "openssl", "req", "-new", "-key", key, "-subj", "/CN=dev-1/serialNumber=dev-1", "-outform", "DER"
        )
        (tmp_path / "csr").write_bytes(base64.encodebytes(csr))
        body = ("--data-binary", f"@{tmp_path / 'csr'}", "-H", "Content-Type: application/pkcs10")
        version = ("--tlsv1.2", "--tls-max", tls)
        status, answer = await curl(https, files, f"{label}/simpleenroll", *version, *body)
        assert status == 200, answer
        pem = await run("openssl", "pkcs7", "-inform", "DER", "-print_certs", stdin=base64.b64decode(answer))
        certificate = x509.load_pem_x509_certificate(pem)
        verify_path(certificate, [], anchors=[https.world.ca1.certificate], role=Role.OPERATIONAL_DEVICE, now=NOW)
        status, answer = await curl(https, files, f"{label}/cacerts", *version)
        pem = await run("openssl", "pkcs7", "-inform", "DER", "-print_certs", stdin=base64.b64decode(answer))
        assert set(x509.load_pem_x509_certificates(pem)) == set(https.world.ca1.chain)
        status, answer = await curl(https, files, f"{label}/csrattrs")
        assert b"challengePassword" in await run(
            "openssl", "asn1parse", "-inform", "DER", stdin=base64.b64decode(answer)
        )

    async def test_without_a_certificate_there_is_no_tls(self, https: HttpsWorld) -> None:
        files = https.device()
        anchor, url = str(files.anchor), f"{https.url}/.well-known/est/cacerts"
        with pytest.raises(AssertionError, match=r"curl: \((35|52|56)\)"):
            await run("curl", "-sS", "--tls-max", "1.2", "--cacert", anchor, url)


def request(https: HttpsWorld) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"{https.url}/.well-known/est", verify=https.device().context())


@pytest.mark.parametrize(
    ("method", "path", "content_type", "body", "status"),
    [
        ("GET", "nothing", None, b"", 404),
        ("GET", "{label}/simpleenroll", None, b"", 405),
        ("POST", "{label}/cacerts", None, b"", 405),
        ("POST", "{label}/simpleenroll", "application/json", b"{}", 415),
        ("POST", "{label}/simpleenroll", None, b"AAAA", 415),
        ("POST", "{label}/simpleenroll", "application/pkcs10", b"***", 400),
        ("POST", "{label}/simpleenroll", "application/pkcs10", b"AAAA", 400),
        ("POST", "{label}/simpleenroll", "application/pkcs10", bytes(5000), 413),
        ("POST", "{label}/simpleenroll", "application/pkcs10", base64.b64encode(bytes(2049)), 413),
        ("GET", "x/cacerts", None, b"", 403),
        ("GET", "xxxxxxxxxxxxxxxxxxxxxx/cacerts", None, b"", 403),
        ("GET", "{label}/fullcmc", None, b"", 404),
    ],
)
async def test_what_is_not_understood_is_refused(
    https: HttpsWorld, method: str, path: str, content_type: str | None, body: bytes, status: int
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    async with request(https) as client:
        url = path.format(label=await label_of(https))
        response = await client.request(method, url, content=body or None, headers=headers)
    assert response.status_code == status
    assert https.world.ca.calls == 0


async def test_requests_for_others_and_from_strangers_are_refused(https: HttpsWorld) -> None:
    label, key = await label_of(https), generate_private_key()
    async with https.client(https.device(), label) as client:
        with pytest.raises(EstHttpError, match="403: endpoint name"):
            await client.enroll(build_csr(key, "dev-2"), key.public_key())
        with pytest.raises(EstHttpError, match="403: possession"):
            await client.enroll(build_csr(key, "dev-1", b"another session"), key.public_key())
    stranger = https.world.permanent.device("dev-1")
    async with https.client(https.files("stranger", stranger.key, stranger.certificate), label) as client:
        with pytest.raises(EstHttpError, match=r"^403: $"):
            await client.ca_certificates()
    server = https.world.ca1
    foreign = https.files("ca", server.issuer.private_key, server.certificate)
    async with https.client(foreign, label) as client:
        with pytest.raises(httpx.TransportError):
            await client.ca_certificates()
    assert https.world.ca.calls == 0


async def test_a_request_is_tied_to_a_tls_1_2_session(https: HttpsWorld) -> None:
    """RFC 7030 3.5: the right tls-unique passes, any other does not."""
    label, files, key = await label_of(https), https.device(), generate_private_key()
    context = files.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    host, port = https.url.removeprefix("https://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=host)
    unique = writer.get_extra_info("ssl_object").get_channel_binding("tls-unique")
    answers = []
    for binding in (unique, bytes(12)):
        body = base64.b64encode(build_csr(key, "dev-1", binding))
        head = (
            f"POST /.well-known/est/{label}/simpleenroll HTTP/1.1\r\nHost: ca\r\nContent-Type: application/pkcs10\r\n"
        )
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answer.split("content-length: ")[1].split("\r\n")[0])
        await reader.readexactly(length)
        answers.append(int(answer.split(" ")[1]))
    writer.close()
    assert answers == [200, 403]


async def test_events_tell_who_and_what(https: HttpsWorld) -> None:
    label, key = await label_of(https), generate_private_key()
    async with https.client(https.device(), label) as client:
        await client.enroll(build_csr(key, "dev-1"), key.public_key())
        with pytest.raises(EstHttpError):
            await client.enroll(build_csr(key, "dev-2"), key.public_key())
    assert [event.outcome for event in https.world.events] == [
        "certificate issued",
        "endpoint name: the request names another device than the authenticated certificate",
    ]
    assert label not in repr(https.world.events)


class TestBodies:
    """What peers put into bodies."""

    def test_parts_come_back(self) -> None:
        parts = [("application/pkcs8", bytes(300)), ("application/pkcs7-mime", b"x")]
        assert decode_parts("multipart/mixed; boundary=est-part", encode_parts(parts)) == parts

    @pytest.mark.parametrize(
        "content_type", ["", "text/plain", "multipart/mixed", "multipart/mixed; boundary=y\r\nx: y"]
    )
    def test_others_are_refused(self, content_type: str) -> None:
        with pytest.raises(EstBodyError):
            decode_parts(content_type, encode_parts([("application/pkcs8", b"x")]))

    def test_base64_may_be_in_lines(self) -> None:
        assert decode_body(b"QUJD\r\nREVG\n") == b"ABCDEF"
        with pytest.raises(EstBodyError):
            decode_body(b"QUJD*")


async def test_an_answer_of_another_kind_is_refused(https: HttpsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_server.api.est.CERTS_ONLY", "text/html")
    async with https.client(https.device(), await label_of(https)) as client:
        with pytest.raises(EstAnswerError, match="media type"):
            await client.ca_certificates()
