"""`lwm2m-server factory` against a running CA over mutual TLS."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from typer.testing import CliRunner

from cose.cbor import encode
from cose.keys import generate_private_key, thumbprint
from device_pki.bag import decode_c5b, decode_x5bag
from device_pki.c509 import request_natively
from device_pki.keys import public_key
from device_pki.names import device_subject, endpoint_name
from enrollment.csr import build_csr
from enrollment.factory_run import key_of
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.ca.operator import opened
from lwm2m_server.cli.factory import app
from lwm2m_server.provider_keys import KeyRole, certificate_path, key_path
from tests.lwm2m_server.ca.world import Provider, make_ca, serving_ca

SERVER = Path(sys.executable).parent / "lwm2m-server"
COUNT = 5


@dataclass(frozen=True, slots=True)
class Station:
    """A factory's files, and the CA it works with."""

    folder: Path
    ca: CaDirectory
    api: str

    async def run(self, *words: str, code: int = 0) -> Any:
        """Run a command beside the CA; its JSON, or what it says is wrong."""
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "-o", "json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if code == 0 else result.stderr

    async def certify(self, requests: list[bytes], *options: str, api: str = "", code: int = 0) -> Any:
        (self.folder / "csrs.cbor").write_bytes(encode(requests))
        words = ["certify", "--csrs", str(self.folder / "csrs.cbor"), "--out", str(self.out)]
        words += ["--ca-api", api or self.api, "--ca-certificate", str(self.ca.https.certificate)]
        return await self.run(*words, "--data", str(self.folder), *options, code=code)

    @property
    def out(self) -> Path:
        return self.folder / "factory.bag"


def csrs() -> list[bytes]:
    """Requests in both forms."""
    made = [build_csr(generate_private_key(), f"dev-{number}") for number in range(COUNT - 1)]
    return [*made, request_natively(generate_private_key(), device_subject("dev-c509")).encoded]


def names(certificates: list[x509.Certificate]) -> list[str]:
    return [endpoint_name(certificate) for certificate in certificates]


NAMES = [*(f"dev-{number}" for number in range(COUNT - 1)), "dev-c509"]


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    ca, provider = make_ca(tmp_path / "permanent", "permanent"), Provider.make(tmp_path, "sp1")
    for path, source in ((certificate_path, provider.certificate), (key_path, provider.key)):
        path(tmp_path, KeyRole.HTTPS).parent.mkdir(exist_ok=True)
        source.rename(path(tmp_path, KeyRole.HTTPS))
    pinned = Provider(certificate_path(tmp_path, KeyRole.HTTPS), key_path(tmp_path, KeyRole.HTTPS))
    async with serving_ca(ca, ca, pinned) as running:
        yield Station(tmp_path, ca, f"https://{running.api[0]}:{running.api[1]}")


async def test_requests_are_certified_in_order_and_once(station: Station) -> None:
    requests = csrs()
    assert await station.certify(requests) == {"certificates": COUNT, "already there": 0, "files": [str(station.out)]}
    bag = station.out.read_bytes()
    assert names(decode_x5bag(bag, COUNT)) == NAMES
    await station.certify(requests)
    assert station.out.read_bytes() == bag
    assert not list(station.folder.glob("*.journal"))


async def test_a_run_goes_on_from_its_journal(station: Station) -> None:
    """The CA is away after what an earlier run has left."""
    requests = csrs()
    away = "https://127.0.0.1:1"
    assert "go on from there" in await station.certify(requests, api=away, code=69)
    assert (await station.certify(requests))["already there"] == 0


async def test_a_run_that_was_killed_goes_on(station: Station) -> None:
    """Killed after the first batch, with another at the CA; there is one certificate for each key afterwards."""
    requests = [build_csr(generate_private_key(), f"dev-{number}") for number in range(2100)]
    (station.folder / "csrs.cbor").write_bytes(encode(requests))
    journal = station.folder / "factory.bag.journal"
    words = ["certify", "--csrs", str(station.folder / "csrs.cbor"), "--out", str(station.out), "--ca-api", station.api]
    words += ["--ca-certificate", str(station.ca.https.certificate), "--data", str(station.folder)]
    running = await asyncio.create_subprocess_exec(SERVER, "factory", *words, stdout=DEVNULL, stderr=DEVNULL)
    while not journal.exists() or journal.stat().st_size < 100_000:
        assert running.returncode is None, "it did not end before"
        await asyncio.sleep(0.01)
    running.kill()
    await running.wait()
    assert journal.exists() and not station.out.exists()

    made = await station.certify(requests)
    assert (made["certificates"], made["already there"]) in {(2100, 1000), (2100, 2000)}
    certificates = decode_x5bag(station.out.read_bytes(), 2100)
    assert [thumbprint(public_key(one)) for one in certificates] == [key_of(one) for one in requests]
    async with opened(station.ca) as ca:
        listed = await ca.factory_certificates(None, 5000)
    assert {one.certificate for one in listed} == set(certificates)


async def test_bags_in_c509_and_in_numbered_files(station: Station) -> None:
    made = await station.certify(csrs(), "--format", "c5b", "--bag-size", "2")
    files = [Path(file) for file in made["files"]]
    assert [file.name for file in files] == ["factory-1.bag", "factory-2.bag", "factory-3.bag"]
    assert [
        name for file in files for name in names([one.to_x509() for one in decode_c5b(file.read_bytes(), 2)])
    ] == NAMES


async def test_a_bag_is_written_in_the_other_format(station: Station) -> None:
    await station.certify(csrs())
    smaller, again = station.folder / "c5b", station.folder / "x5bag"
    await station.run("export", str(station.out), "--out", str(smaller), "--format", "c5b")
    await station.run("export", str(smaller), "--out", str(again))
    assert again.read_bytes() == station.out.read_bytes()
    assert smaller.stat().st_size < station.out.stat().st_size * 0.65
    smaller.write_bytes(b"no bag")
    assert str(smaller) in await station.run("export", str(smaller), "--out", str(again), code=1)


async def test_a_dry_run_checks_and_sends_nothing(station: Station) -> None:
    requests = csrs()
    assert await station.certify(requests, "--dry-run") == {"requests": COUNT, "good": COUNT, "sent": 0}
    assert not station.out.exists() and not list(station.folder.glob("*.journal"))
    said = await station.certify([*requests, requests[0], b"\x30"], "--dry-run", code=1)
    assert "3 of 7" in said and "request 1: the endpoint name or the key comes twice" in said


@pytest.mark.parametrize("content", [b"", encode([]), encode([1]), encode({})])
async def test_a_file_without_requests_is_named(station: Station, content: bytes) -> None:
    path = station.folder / "csrs.cbor"
    path.write_bytes(content)
    words = ("--out", str(station.out), "--ca-api", station.api, "--ca-certificate", str(station.ca.https.certificate))
    said = await station.run("certify", "--csrs", str(path), *words, "--data", str(station.folder), code=1)
    assert str(path) in said


async def test_a_name_with_another_key_is_refused(station: Station) -> None:
    key, other = generate_private_key(), generate_private_key()
    await station.certify([build_csr(key, "dev-1")])
    said = await station.certify([build_csr(other, "dev-1")], code=1)
    assert "request 1 of the batch: endpoint name: dev-1 is certified for another key" in said
    (kept,) = decode_x5bag(station.out.read_bytes(), 1)
    assert thumbprint(public_key(kept)) == thumbprint(key.public_key())
