"""What a registered device costs in memory, and what a remembered exchange; a fleet's updates; a restart."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.generator import Kind
from benchmarks.load.process import Load, load
from benchmarks.process import cpu_seconds, resident_bytes
from benchmarks.results import Figure, Result, samples
from benchmarks.servers import Server, leshan, ours

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    devices: int = 100_000
    first: int = 2_000
    """Of them, registered before the first look."""
    window: int = 256
    lifetime: int = 60
    """Seconds; every device updates after half of it."""
    seconds: float = 20.0
    """Of updating."""


SMOKE = Plan(devices=60, first=20, window=10, seconds=1.0)


@dataclass(frozen=True, slots=True)
class Measured:
    """One server."""

    empty: float
    """Resident bytes before any device."""
    per_exchange: float
    per_device: float
    share: float
    """Of a core, while the fleet updates."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """A server that knows all devices from before: seconds until it listens, and resident bytes then."""

    seconds: float
    resident: float


async def run(plan: Plan) -> Result:
    """One server after the other, each new."""
    configuration = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with load(plan.devices, 0) as fleet:
            async with ours(folder) as server:
                our = await _fill(server, fleet, plan)
                configuration[server.name] = server.configuration
            begun = time.perf_counter()
            async with ours(folder) as server:
                restarted = Restarted(time.perf_counter() - begun, await server.in_use())
                # An Update of every device is answered: none has to register again.
                await _all_answered(server, fleet, plan.devices, plan, kind=Kind.UPDATE)
    async with leshan() as server, load(plan.devices, server.port) as fleet:
        their = await _fill(server, fleet, plan)
        configuration[server.name] = server.configuration
    return _result(plan, configuration, our, their, restarted)


async def _fill(server: Server, fleet: Load, plan: Plan) -> Measured:
    """An Update costs an exchange remembered; a Register that and what is kept of the device."""
    empty = resident_bytes(server.pid)
    await _all_answered(server, fleet, plan.first, plan, kind=Kind.REGISTER)
    before = await server.in_use()
    rest = plan.devices - plan.first
    await _all_answered(server, fleet, rest, plan, kind=Kind.REGISTER)
    registered = await server.in_use()
    await _all_answered(server, fleet, plan.devices, plan, kind=Kind.UPDATE)
    updated = await server.in_use()
    rate = plan.devices / (plan.lifetime / 2)
    used, begun = cpu_seconds(server.pid), time.perf_counter()
    await _all_answered(server, fleet, int(rate * plan.seconds), plan, kind=Kind.UPDATE, rate=rate)
    share = (cpu_seconds(server.pid) - used) / (time.perf_counter() - begun)
    per_exchange = (updated - registered) / plan.devices
    return Measured(empty, per_exchange, (registered - before) / rest - per_exchange, share)


async def _all_answered(server: Server, fleet: Load, requests: int, plan: Plan, **order: object) -> None:
    fleet.port = server.port
    counts = await fleet.run(requests, plan.window, **order)
    if counts["wrong"] or counts["lost"]:
        raise RuntimeError(f"not every request was answered as it should be: {counts}")


def _result(plan: Plan, configuration: dict[str, str], our: Measured, their: Measured, restarted: Restarted) -> Result:
    def less(name: str, unit: str, ours: float, theirs: float | None, goal: str = "") -> Figure:
        others = () if theirs is None else (theirs,)
        return Figure(name, unit, samples((ours,)), samples(others), more_is_better=False, goal=goal)

    exchange = our.per_exchange / 1000, their.per_exchange / 1000
    return Result(
        benchmark="memory",
        title=f"{plan.devices:,} registered devices with five object links each",
        peer="Leshan",
        configuration={
            "per device and exchange": "ours: resident memory; Leshan's: what a full collection leaves on the heap",
            "updating": f"every device every {plan.lifetime / 2:.0f} s, for {plan.seconds:.0f} s",
            **configuration,
        },
        figures=(
            less("empty, resident", "MB", our.empty / MEGABYTE, their.empty / MEGABYTE),
            less("per registered device", "kB", our.per_device / 1000, their.per_device / 1000, "at most 1.2 kB"),
            less("per remembered exchange", "kB", *exchange, "at most 0.4 kB"),
            less("share of a core while updating", "%", our.share * 100, their.share * 100, "headroom"),
            less("restart until it listens", "s", restarted.seconds, None),
            less("resident after the restart", "MB", restarted.resident / MEGABYTE, None),
        ),
    )
