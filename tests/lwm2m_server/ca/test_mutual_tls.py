"""Mutual TLS with pinned certificates, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI, Request

from cose.keys import PrivateKey, generate_private_key, save_private_key
from device_pki.fingerprints import fingerprint
from device_pki.issue import Issuer, Validity, root_ca, self_signed_tls, server
from lwm2m_server.api.mutual_tls import (
    MutualTlsProtocol,
    PinError,
    peer_fingerprint,
    pin,
    pinned_client,
    pinned_server_context,
)

VALIDITY = Validity.lasting(datetime.now(UTC), timedelta(days=1))


class Identity:
    """An organisation's key and certificate, in files."""

    def __init__(self, folder: Path, name: str) -> None:
        key = generate_private_key()
        self.save(folder, name, key, self_signed_tls(key, name, ["127.0.0.1"], VALIDITY))

    def save(self, folder: Path, name: str, key: PrivateKey, certificate: x509.Certificate) -> None:
        self.certificate = certificate
        self.cert_path, self.key_path = folder / f"{name}.pem", folder / f"{name}.key"
        save_private_key(self.key_path, key)
        self.cert_path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def client(self, peer: Identity, base_url: str) -> httpx.AsyncClient:
        return pinned_client(self.cert_path, self.key_path, peer.certificate, base_url=base_url)


@asynccontextmanager
async def serving(identity: Identity, *clients: Identity) -> AsyncIterator[str]:
    app = FastAPI()

    @app.get("/who")
    def who(request: Request) -> str:
        return peer_fingerprint(request).hex()

    context = pinned_server_context(identity.cert_path, identity.key_path, [c.certificate for c in clients])
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=MutualTlsProtocol,
        ssl_context_factory=lambda *_: context,
        log_config=None,
        lifespan="off",
    )
    runner = uvicorn.Server(config)
    task = asyncio.create_task(runner._serve())
    while not runner.started:
        await asyncio.sleep(0.01)
    port = runner.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        runner.should_exit = True
        await task


async def test_a_pinned_client_is_known_by_its_certificate(tmp_path: Path) -> None:
    ca, sp = Identity(tmp_path, "ca"), Identity(tmp_path, "sp")
    async with serving(ca, sp) as url, sp.client(ca, url) as client:
        assert (await client.get("/who")).json() == fingerprint(sp.certificate).hex()


async def test_a_stranger_is_not_let_in(tmp_path: Path) -> None:
    ca, sp, stranger = (Identity(tmp_path, name) for name in ("ca", "sp", "stranger"))
    async with serving(ca, sp) as url, stranger.client(ca, url) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/who")


async def test_another_server_is_not_believed(tmp_path: Path) -> None:
    ca, impostor, sp = (Identity(tmp_path, name) for name in ("ca", "impostor", "sp"))
    async with serving(impostor, sp) as url, sp.client(ca, url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/who")


async def test_a_certificate_signed_by_a_pinned_key_is_not_the_pinned_one(tmp_path: Path) -> None:
    ca, sp = Identity(tmp_path, "ca"), Identity(tmp_path, "sp")
    from cose.keys import load_private_key

    key = generate_private_key()
    forged = server(
        Issuer(sp.certificate, load_private_key(sp.key_path)), key.public_key(), "sp", ["127.0.0.1"], VALIDITY
    )
    other = Identity(tmp_path, "other")
    other.save(tmp_path, "other", key, forged)
    async with serving(ca, sp) as url, other.client(ca, url) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/who")


def test_a_ca_certificate_cannot_be_pinned(tmp_path: Path) -> None:
    identity = Identity(tmp_path, "sp")
    context = pinned_server_context(identity.cert_path, identity.key_path, [])
    with pytest.raises(PinError, match="end-entity"):
        pin(context, root_ca(generate_private_key(), "root", VALIDITY))
