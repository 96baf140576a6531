"""GlobalSign's EST server with its CA on loopback, and the place where that CA's operator publishes revocations."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cose.keys import generate_private_key, save_private_key
from device_pki.issue import Validity, operational_device, revocation_list, server
from device_pki.names import device_subject
from enrollment.ca.est_upstream import EstUpstreamCa
from enrollment.est.https_client import EstHttpsClient
from lwm2m_server.api.serving import serving
from lwm2m_server.ca.setup import write_certificates
from lwm2m_server.demo.layout import HOST, Ports
from tests.device_pki.builders import Authority, root
from tests.enrollment.go_programs import go_program

_START = 30.0
VALIDITY = Validity.lasting(datetime.now(UTC), timedelta(days=365))


@dataclass(slots=True)
class EstPeer:
    """An EST server that runs, and its CA's operator."""

    url: str
    authority: Authority
    folder: Path
    revoked: dict[int, datetime] = field(default_factory=dict)
    number: int = 0

    @property
    def root(self) -> Path:
        return self.folder / "ca.pem"

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.root))
        context.load_cert_chain(self.folder / "ra.pem", self.folder / "ra.key")
        return context

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[str]:
        """Serve the CA's newest list inside the block; its URL."""

        async def crl(_: Request) -> Response:
            self.number += 1
            now = datetime.now(UTC).replace(microsecond=0)
            return Response(
                revocation_list(self.authority.issuer, self.revoked, self.number, now, now + timedelta(days=1))
            )

        async with serving(Starlette(routes=[Route("/ca.crl", crl)]), HOST, 0) as (host, port):
            yield f"http://{host}:{port}/ca.crl"

    @asynccontextmanager
    async def backend(self, *, label: str | None = None) -> AsyncIterator[EstUpstreamCa]:
        async with (
            self.publishing() as url,
            EstHttpsClient(self.url, self.tls(), label) as est,
            httpx.AsyncClient(trust_env=False) as http,
        ):
            yield EstUpstreamCa(est, http, url, self.authority.chain)


@contextmanager
def running_est_peer(folder: Path) -> Iterator[EstPeer]:
    """Start it in a new folder; it ends with the block."""
    command, port = go_program("estserver"), Ports().get("est")
    folder.mkdir()
    authority = root("Upstream CA")
    keys = {name: generate_private_key() for name in ("tls", "ra")}
    issuer = authority.issuer
    tls = server(issuer, keys["tls"].public_key(), "EST", [HOST], VALIDITY)
    ra = operational_device(issuer, keys["ra"].public_key(), device_subject("registration-authority"), VALIDITY)
    save_private_key(folder / "ca.key", issuer.private_key)
    for name, certificate in (("ca", authority.certificate), ("tls", tls), ("ra", ra)):
        write_certificates(folder / f"{name}.pem", [certificate])
    for name, key in keys.items():
        save_private_key(folder / f"{name}.key", key)
    settings = {
        "mock_ca": {"certificates": str(folder / "ca.pem"), "private_key": str(folder / "ca.key")},
        "tls": {
            "listen_address": f"{HOST}:{port}",
            "certificates": str(folder / "tls.pem"),
            "private_key": str(folder / "tls.key"),
            "client_cas": [str(folder / "ca.pem")],
        },
        "allowed_hosts": [HOST, f"{HOST}:{port}"],
        "rate_limit": 10_000,
        "timeout": 30,
    }
    (folder / "est.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([command, "-config", str(folder / "est.json")], stdout=log, stderr=log)
    try:
        _wait(port, folder, process)
        yield EstPeer(f"https://{HOST}:{port}", authority, folder)
    finally:
        process.terminate()
        process.wait()


def _wait(port: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the EST server did not start: {(folder / 'log').read_text()[-2000:]}") from error
            time.sleep(0.05)
        else:
            return
