"""A real step-ca on loopback: its root, intermediate and settings are made here."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import generate_private_key, save_private_key
from device_pki.issue import Issuer, Validity, intermediate_ca, operational_device, root_ca
from device_pki.names import device_subject
from enrollment.ca.step_ca import RegistrationAuthority, StepCa
from lwm2m_server.demo.layout import HOST, Ports
from tests.device_pki.builders import Authority, Device
from tests.enrollment.go_programs import go_program

TEMPLATE = '{"subject": {{ toJson .Token.subject }}, "keyUsage": ["digitalSignature"], "extKeyUsage": ["clientAuth"]}'
"""What docs/how-to/use-step-ca.md tells the operator to set."""
_START = 30.0


@dataclass(frozen=True, slots=True)
class StepCaServer:
    """A step-ca that runs, with the registration authority it knows."""

    url: str
    authority: Authority
    """Its intermediate, beneath its root."""
    ra: Device
    """Key and certificate of the registration authority."""
    folder: Path

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority.above[0].public_bytes(Encoding.PEM).decode())

    @property
    def distribution_point(self) -> str:
        return f"https://{HOST}/1.0/crl"

    @asynccontextmanager
    async def backend(self, *, ra: Device | None = None, days: int = 2) -> AsyncIterator[StepCa]:
        ra = ra or self.ra
        async with httpx.AsyncClient(base_url=self.url, verify=self.tls, trust_env=False) as http:
            yield StepCa(
                http=http,
                provisioner="ra",
                authority=RegistrationAuthority(ra.key, [ra.certificate]),
                chain=self.authority.chain,
                certificate_lifetime=timedelta(days=days),
                distribution_point=self.distribution_point,
            )


@contextmanager
def running_step_ca(folder: Path) -> Iterator[StepCaServer]:
    """Start step-ca in a new folder; it ends with the block."""
    command = go_program("step-ca")
    server = _configured(folder, Ports().get("step-ca"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([command, str(folder / "ca.json")], stdout=log, stderr=log)
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        process.wait()


def _configured(folder: Path, port: int) -> StepCaServer:
    validity = Validity.lasting(datetime.now(UTC), timedelta(days=365))
    root_key, key, ra_key = (generate_private_key() for _ in range(3))
    root = root_ca(root_key, "Step Root", validity)
    above = Issuer(root, root_key)
    authority = Authority(Issuer(intermediate_ca(above, key.public_key(), "Step CA", validity, 0), key), (root,))
    ra = operational_device(above, ra_key.public_key(), device_subject("registration-authority"), validity)
    folder.mkdir()
    for name, certificate in (("root", root), ("intermediate", authority.certificate)):
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    save_private_key(folder / "intermediate.key", key)
    provisioner = {
        "type": "X5C",
        "name": "ra",
        "roots": base64.b64encode(root.public_bytes(Encoding.PEM)).decode(),
        "claims": {"maxTLSCertDuration": "2160h", "defaultTLSCertDuration": "24h"},
        "options": {"x509": {"template": TEMPLATE}},
    }
    settings = {
        "root": str(folder / "root.pem"),
        "crt": str(folder / "intermediate.pem"),
        "key": str(folder / "intermediate.key"),
        "address": f"{HOST}:{port}",
        "dnsNames": [HOST],
        "logger": {"format": "text"},
        "db": {"type": "bbolt", "dataSource": str(folder / "db")},
        "crl": {"enabled": True, "generateOnRevoke": True, "cacheDuration": "24h"},
        "authority": {"provisioners": [provisioner]},
    }
    (folder / "ca.json").write_text(json.dumps(settings))
    return StepCaServer(f"https://{HOST}:{port}", authority, Device(ra_key, ra), folder)


def _wait(server: StepCaServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            httpx.get(f"{server.url}/health", verify=server.tls, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"step-ca did not start: {(server.folder / 'log').read_text()[-2000:]}") from error
            time.sleep(0.05)
        else:
            return
