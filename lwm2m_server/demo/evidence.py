"""Collect what a run leaves behind, each piece by the command of whoever holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lwm2m_server.demo.hierarchy import PERMANENT
from lwm2m_server.demo.operators import insist
from lwm2m_server.demo.result import Size
from lwm2m_server.demo.world import PROVIDERS, SERVER, World


async def collect_messages(world: World, cti: str) -> None:
    """Both providers' messages, the CAs' certificates and the factory's bag into `messages/`."""
    folder = world.layout.messages
    for name in PROVIDERS:
        config = str(world.layout.config(name))
        await insist([SERVER, "transfer", "export", cti, "--config", config, "--to", str(folder)])
    for name in (PERMANENT, "ca1", "ca2"):
        certificate = x509.load_pem_x509_certificates(world.certificate(name).read_bytes())[0]
        (folder / f"{name}.der").write_bytes(certificate.public_bytes(Encoding.DER))
    (folder / "factory.x5bag").write_bytes((world.layout.exchange / "factory.x5bag").read_bytes())


async def revoked_serials(world: World, authority: str) -> frozenset[int]:
    """The serial numbers on a CA's newest revocation list."""
    path = world.layout.exchange / f"{authority}.crl"
    await insist([SERVER, "ca", "crl", "--data", str(world.layout.organisation(authority)), "--out", str(path)])
    revocation_list = x509.load_der_x509_crl(path.read_bytes())
    return frozenset(revoked.serial_number for revoked in revocation_list)


def wire_sizes(logs: Iterable[Path]) -> dict[str, Size]:
    """UDP payload both ways by operation, as the devices counted it."""
    found: dict[str, list[int]] = {}
    for event in _events(logs):
        if event.get("event") == "wire":
            found.setdefault(f"wire_{event['kind']}", []).append(int(event["received"]) + int(event["sent"]))
    return {kind: Size.of(sizes) for kind, sizes in sorted(found.items())}


def _events(logs: Iterable[Path]) -> Iterable[Mapping[str, Any]]:
    for log in logs:
        for line in log.read_text().splitlines():
            # A killed process may leave half a line.
            if line.startswith("{") and line.endswith("}"):
                yield json.loads(line)
