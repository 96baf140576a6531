"""What anybody may ask a running CA over HTTP, asked by OpenSSL's client and by a browser's means."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from device_pki.ocsp.client import build_request, verify_answer
from device_pki.ocsp.identifiers import CertId
from device_pki.revocation import parse_crl
from lwm2m_server.ca.directory import CaDirectory, read_certificates
from lwm2m_server.ca.operator import opened
from lwm2m_server.roles.ca import RunningCa
from tests.lwm2m_server.ca.test_cli import request, run
from tests.lwm2m_server.ca.world import make_ca, serving_ca

POSTED = {"content-type": "application/ocsp-request"}


class World:
    def __init__(self, ca: CaDirectory, running: RunningCa) -> None:
        assert running.status is not None
        self.ca, self.url = ca, f"http://{running.status[0]}:{running.status[1]}"
        [self.anchor] = read_certificates(ca.certificate)
        [self.server] = read_certificates(ca.est.certificate)

    def named(self, serial: int | None = None) -> CertId:
        return CertId.of(serial or self.server.serial_number, self.anchor)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    ca = make_ca(tmp_path / "ca1", "CA1")
    async with serving_ca(ca, ca, status_bind="127.0.0.1:0") as running:
        yield World(ca, running)


async def openssl(world: World, *words: str) -> str:
    """What `openssl ocsp` says; it verifies the answer's signature and times itself."""
    anchor = str(world.ca.certificate)
    command = ["openssl", "ocsp", "-issuer", anchor, "-CAfile", anchor, "-url", f"{world.url}/ocsp", *words]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    text = out.decode()
    assert process.returncode == 0, text
    return text


@pytest.mark.parametrize("words", [(), ("-no_nonce",), ("-sha256", "-no_nonce")])
async def test_openssl_asks(world: World, words: tuple[str, ...]) -> None:
    certificate = str(world.ca.est.certificate)
    answered = await openssl(world, *words, "-cert", certificate)
    assert "Response verify OK" in answered and f"{certificate}: good" in answered
    async with opened(world.ca) as operator:
        await operator.revoke(await operator.find_certificate(str(world.ca.est.certificate)))
    for _ in range(50):
        answered = await openssl(world, *words, "-cert", certificate)
        if f"{certificate}: revoked" in answered:
            break
        await asyncio.sleep(0.1)
    assert f"{certificate}: revoked" in answered and "Response verify OK" in answered
    assert "4711: unknown" in await openssl(world, *words, "-serial", "4711")


async def test_a_request_in_a_path_is_answered_for_caches(world: World) -> None:
    path = quote(base64.b64encode(build_request(world.named(), None)), safe="")
    async with httpx.AsyncClient(base_url=world.url) as http:
        answers = [await http.get(f"/ocsp/{path}") for _ in range(2)]
    assert answers[0].content == answers[1].content
    headers = answers[0].headers
    assert headers["content-type"] == "application/ocsp-response"
    assert headers["cache-control"] == "max-age=30, public, no-transform, must-revalidate"
    assert {"expires", "last-modified", "etag"} <= headers.keys()
    now = datetime.now(UTC)
    verified = verify_answer(answers[0].content, world.named(), world.anchor, nonce=None, now=now)
    assert verified.status is ocsp.OCSPCertStatus.GOOD


async def test_an_answer_with_a_nonce_is_for_no_cache(world: World) -> None:
    request = build_request(world.named(), b"n" * 32)
    async with httpx.AsyncClient(base_url=world.url) as http:
        answered = await http.post("/ocsp", content=request, headers=POSTED)
    assert answered.headers["cache-control"] == "no-store"
    verify_answer(answered.content, world.named(), world.anchor, nonce=b"n" * 32, now=datetime.now(UTC))


async def test_anybody_gets_the_list(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.url) as http:
        answered = await http.get("/crl")
    assert answered.headers["content-type"] == "application/pkix-crl"
    assert parse_crl(answered.content, world.anchor, datetime.now(UTC)).serials == frozenset()


async def test_the_lists_of_all_keys_in_one_file(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.url) as http:
        answered = await http.get("/crl.pem")
        der = (await http.get("/crl")).content
    assert x509.load_pem_x509_crl(answered.content).public_bytes(Encoding.DER) == der


@pytest.mark.parametrize("path", ["/ocsp/", "/ocsp/%%%", "/ocsp/AAAA", "/ocsp/" + "A" * 5000, "/ocsp/é"])
async def test_nonsense_in_a_path_is_malformed(world: World, path: str) -> None:
    async with httpx.AsyncClient(base_url=world.url) as http:
        answered = await http.get(path)
    assert ocsp.load_der_ocsp_response(answered.content).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


async def test_what_is_no_ocsp_is_denied(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.url) as http:
        assert (await http.post("/ocsp", content=bytes(5000), headers=POSTED)).status_code == 413
        assert (await http.post("/ocsp", content=b"x")).status_code == 415
        assert (await http.get("/ocsp")).status_code == 405
        assert (await http.get("/ca/v1/crl")).status_code == 404


async def test_what_an_operator_certified_is_known(world: World, tmp_path: Path) -> None:
    """Servers, signers and CAs, too; not only devices."""
    out = tmp_path / "signer.pem"
    words = ("--role", "document", "--csr", request(tmp_path / "signer.csr", "SP1"), "--out", out, "-o", "json")
    await asyncio.to_thread(run, "issue", "--data", world.ca.root, *words)
    assert f"{out}: good" in await openssl(world, "-cert", str(out))
    below = make_ca(tmp_path / "below", "CA below", world.ca)
    assert f"{below.certificate}: good" in await openssl(world, "-cert", str(below.certificate))
