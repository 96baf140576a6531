"""Firmware of 512 KiB: fetched by one device, beside libcoap's server; pushed to 200 at once, beside Leshan."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.process import LOAD_CORE, SERVER_CORE, cpu_seconds, pinned
from benchmarks.results import Figure, Result, samples
from benchmarks.servers import LONGEST, Server, leshan, ours
from tests.interop import libcoap

HOST: Final = "127.0.0.1"
PACKAGE: Final = "/5/0/0"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    size: int = 512 * 1024
    devices: int = 200
    rounds: int = 5


SMOKE: Final = Plan(size=8 * 1024, devices=3, rounds=1)


@dataclass(slots=True)
class Measured:
    """What one side came to: seconds of a fetch, bytes per processor second of a push to all."""

    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


async def run(plan: Plan) -> Result:
    """Fetching first, then pushing; the servers one after the other."""
    our, libcoaps, leshans = Measured(), Measured(), Measured()
    configuration = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        more = f"[dm.firmware]\nconcurrent = {plan.devices}"
        async with ours(folder, tables=more) as server:
            configuration[server.name] = server.configuration
            async with _api(folder, server) as api:
                await _fetch_from_us(api, server, plan, our, folder)
                await _push(api, server, plan, our)
        await _fetch_from_libcoap(plan, libcoaps, folder)
    async with leshan() as server:
        configuration[server.name] = server.configuration
        async with _devices(server, plan.devices) as devices:
            for _ in range(plan.rounds + 1):
                before = cpu_seconds(server.pid)
                taken = await server.write_to_all(PACKAGE, plan.size)
                if taken != plan.devices:
                    raise RuntimeError(f"{taken} of {plan.devices} took the package from Leshan")
                await devices.told("delivered")
                leshans.rates.append(_rate(plan, cpu_seconds(server.pid) - before))
    return _result(plan, configuration, our, libcoaps, leshans)


# --- fetching ---


async def _fetch_from_us(api: httpx.AsyncClient, server: Server, plan: Plan, found: Measured, folder: Path) -> None:
    async with _devices(server, 1) as devices:
        image = await _image(api, plan)
        order = {"device": "urn:dev:ops:bench-000000", "method": "pull", "install": False}
        (await api.post(f"firmware/{image}/pushes", json=order)).raise_for_status()
        uri = (await devices.told("uri"))["uri"]
        for _ in range(plan.rounds + 1):
            found.seconds.append(await _timed_fetch(uri, plan, folder))
        for one in (await api.get("firmware/pushes")).json():
            await api.delete(f"firmware/pushes/{one['id']}")


async def _fetch_from_libcoap(plan: Plan, found: Measured, folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    async with libcoap.server(port, "-d", "1", prefix=pinned(SERVER_CORE)):
        uri = f"coap://{HOST}:{port}/image"
        await libcoap.client(uri, "put", "-b", "1024", body=os.urandom(plan.size), folder=folder)
        for _ in range(plan.rounds + 1):
            found.seconds.append(await _timed_fetch(uri, plan, folder))


async def _timed_fetch(uri: str, plan: Plan, folder: Path) -> float:
    begun = time.perf_counter()
    body = await libcoap.client(uri, "get", "-b", "1024", folder=folder, prefix=pinned(LOAD_CORE))
    seconds = time.perf_counter() - begun
    if len(body) != plan.size:
        raise RuntimeError(f"{uri} gave {len(body)} bytes: {body[:100]!r}")
    return seconds


# --- pushing ---


async def _push(api: httpx.AsyncClient, server: Server, plan: Plan, found: Measured) -> None:
    async with _devices(server, plan.devices) as devices:
        names = [f"urn:dev:ops:bench-{number:06}" for number in range(plan.devices)]
        for _ in range(plan.rounds + 1):
            image = await _image(api, plan)
            before = cpu_seconds(server.pid)
            order = {"devices": names, "method": "push", "install": False}
            (await api.post(f"firmware/{image}/pushes", json=order)).raise_for_status()
            await devices.told("delivered")
            found.rates.append(_rate(plan, cpu_seconds(server.pid) - before))


def _rate(plan: Plan, used: float) -> float:
    return plan.size * plan.devices / max(used, 0.01)


async def _image(api: httpx.AsyncClient, plan: Plan) -> str:
    response = await api.post("images", content=os.urandom(plan.size))
    response.raise_for_status()
    digest: str = response.json()["digest"]
    return digest


@asynccontextmanager
async def _api(folder: Path, server: Server) -> AsyncIterator[httpx.AsyncClient]:
    token = (folder / "data" / "operator.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{server.api}/api/v1/", headers=headers, timeout=60) as client:
        yield client


# --- devices ---


class Devices:
    """The process of `load/devices.py`."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def told(self, what: str) -> dict[str, Any]:
        """The next line about it."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LONGEST):
            while line := await self._process.stdout.readline():
                told: dict[str, Any] = json.loads(line)
                if what in told:
                    return told
        raise RuntimeError("the devices have ended")


@asynccontextmanager
async def _devices(server: Server, count: int) -> AsyncIterator[Devices]:
    """So many registered devices."""
    process = await asyncio.create_subprocess_exec(
        *pinned(LOAD_CORE), sys.executable, "-m", "benchmarks.load.devices", str(server.port), str(count), stdout=PIPE
    )
    try:
        devices = Devices(process)
        await devices.told("registered")
        yield devices
    finally:
        process.kill()
        await process.wait()


def _result(plan: Plan, configuration: dict[str, str], our: Measured, libcoaps: Measured, leshans: Measured) -> Result:
    kib = plan.size // 1024
    return Result(
        benchmark="firmware",
        title=f"Firmware of {kib} KiB",
        peer="libcoap, Leshan",
        configuration={
            "fetching": "libcoap's client, beside libcoap's server; the client's start is in the time",
            "pushing": f"to {plan.devices} devices at once, beside Leshan; each medians of {plan.rounds} after one",
            **configuration,
        },
        figures=(
            Figure(
                "one device fetches it (beside libcoap)",
                "ms",
                samples([seconds * 1000 for seconds in our.seconds[1:]]),
                samples([seconds * 1000 for seconds in libcoaps.seconds[1:]]),
                more_is_better=False,
                goal="at most 2 x the time",
            ),
            Figure(
                f"pushed to {plan.devices} (beside Leshan)",
                "MB per processor second",
                samples([rate / 1e6 for rate in our.rates[1:]]),
                samples([rate / 1e6 for rate in leshans.rates[1:]]),
                more_is_better=True,
            ),
        ),
    )
