"""DTLS: handshakes per second of processor time, by pre-shared key and by certificate; memory of an open session."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.process import LOAD_CORE, cpu_seconds, pinned, resident_bytes
from benchmarks.results import Figure, Result, samples
from benchmarks.servers import Server, leshan, ours
from lwm2m_server.provider_keys import KeyRole, certificate_path, key_path
from lwm2m_server.server.server import DATABASE
from lwm2m_server.store import credentials as store
from lwm2m_server.store.credentials import StoredKey
from lwm2m_server.store.database import Database
from tests.secure_coap.pki import Identity, hierarchy

PLACES: Final = 16
"""Handshakes at a time."""


class Kind(StrEnum):
    """How both sides authenticate."""

    KEY = "pre-shared key"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    warm_up: int = 2_000
    rounds: int = 5
    handshakes: int = 1_000
    """In each round."""

    def keys(self) -> dict[str, bytes]:
        """One for each handshake, by its PSK identity."""
        count = self.warm_up + self.rounds * self.handshakes
        return {f"key-{number}": number.to_bytes(16) for number in range(count)}


SMOKE: Final = Plan(warm_up=20, rounds=1, handshakes=20)


@dataclass(slots=True)
class Measured:
    """What one server came to with one kind."""

    rates: list[float] = field(default_factory=list)
    session_bytes: list[float] = field(default_factory=list)
    lost: int = 0


async def run(plan: Plan) -> Result:
    """Rounds in turn, so that both servers meet the same disturbances."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(one) for one in (_ours(plan), _leshan(plan))]
        found: dict[tuple[Kind, str], Measured] = {}
        for kind in Kind:
            loads = [await stack.enter_async_context(_load(server.dtls_port, kind, plan)) for server in servers]
            for load in loads:
                await _order(load, plan.warm_up)
            for _ in range(plan.rounds):
                for server, load in zip(servers, loads, strict=True):
                    await _round(server, load, plan, found.setdefault((kind, server.name), Measured()))
        return _result(plan, servers, found)


async def _round(server: Server, load: Process, plan: Plan, found: Measured) -> None:
    used, resident = cpu_seconds(server.pid), resident_bytes(server.pid)
    counts = await _order(load, plan.handshakes)
    found.lost += counts["lost"]
    found.rates.append(counts["finished"] / max(cpu_seconds(server.pid) - used, 0.01))
    found.session_bytes.append((resident_bytes(server.pid) - resident) / max(counts["finished"], 1))


@asynccontextmanager
async def _ours(plan: Plan) -> AsyncIterator[Server]:
    """Our server with a certificate and the devices' keys."""
    with tempfile.TemporaryDirectory() as made:
        folder, identity = Path(made), hierarchy().server
        data = folder / "data"
        for path in (certificate_path(data, KeyRole.DTLS), key_path(data, KeyRole.DTLS)):
            path.parent.mkdir(parents=True, exist_ok=True)
        certificate_path(data, KeyRole.DTLS).write_text(_certificates(identity))
        key_path(data, KeyRole.DTLS).touch(mode=0o600)
        key_path(data, KeyRole.DTLS).write_text(_private_key(identity))
        (folder / "anchor.pem").write_bytes(hierarchy().root.public_bytes(Encoding.PEM))
        database = await Database.open(data / DATABASE)
        async with database.transaction() as connection:
            for name, key in plan.keys().items():
                await store.put(connection, StoredKey(name, name, key, created_at=0))
        await database.close()
        async with ours(folder, 'device_anchors = ["anchor.pem"]') as server:
            yield server


@asynccontextmanager
async def _leshan(plan: Plan) -> AsyncIterator[Server]:
    """Leshan with the same."""
    hall = hierarchy()
    members = {
        "certificate": _certificates(hall.server),
        "key": _private_key(hall.server),
        "trust": hall.root.public_bytes(Encoding.PEM).decode(),
        "x509": ["device-1"],
        "psk": [{"endpoint": name, "identity": name, "key": key.hex()} for name, key in plan.keys().items()],
    }
    async with leshan(members) as server:
        yield server


@asynccontextmanager
async def _load(port: int, kind: Kind, plan: Plan) -> AsyncIterator[Process]:
    """The process that makes the handshakes; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        *pinned(LOAD_CORE), sys.executable, "-m", "benchmarks.load.handshakes", stdin=PIPE, stdout=PIPE
    )
    device = hierarchy().device
    order: dict[str, object] = {"port": port, "places": PLACES}
    if kind is Kind.KEY:
        order |= {"keys": {name: key.hex() for name, key in plan.keys().items()}}
    else:
        order |= {"certificate": _certificates(device), "private_key": _private_key(device)}
    assert process.stdin is not None
    process.stdin.write(json.dumps(order).encode() + b"\n")
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def _order(load: Process, handshakes: int) -> dict[str, Any]:
    assert load.stdin is not None
    assert load.stdout is not None
    load.stdin.write(json.dumps({"handshakes": handshakes}).encode() + b"\n")
    answer = await load.stdout.readline()
    if not answer:
        raise RuntimeError("the load generator has ended")
    counts: dict[str, Any] = json.loads(answer)
    return counts


def _certificates(identity: Identity) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in identity.chain)


def _private_key(identity: Identity) -> str:
    return identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _result(plan: Plan, servers: list[Server], found: dict[tuple[Kind, str], Measured]) -> Result:
    figures: list[Figure] = []
    for kind in Kind:
        one, other = (found[kind, server.name] for server in servers)
        rate = f"handshakes by {kind} per processor second"
        figures += [
            Figure(rate, "1/s", samples(one.rates), samples(other.rates), more_is_better=True),
            Figure(f"handshakes by {kind} lost", "", (one.lost,), (other.lost,), more_is_better=False, goal="0"),
        ]
    memory = samples(found[Kind.KEY, servers[0].name].session_bytes)
    figures.append(Figure(f"memory of a session by {Kind.KEY}", "B", memory, (), more_is_better=False))
    return Result(
        benchmark="handshakes",
        title="DTLS 1.2 handshakes, AES_128_CCM_8",
        peer="Leshan",
        configuration={
            "load": f"{plan.rounds} rounds of {plan.handshakes} full handshakes with cookie after {plan.warm_up},"
            f" {PLACES} at a time, each from an address of its own, with a key of its own or all with one certificate,"
            " in turn with Leshan; chains on P-256",
            "memory": "growth of resident memory over a round, by its handshakes; a JVM's says nothing of that kind",
            **{server.name: server.configuration for server in servers},
        },
        figures=tuple(figures),
    )
