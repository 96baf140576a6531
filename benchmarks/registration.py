"""Register and Update: requests per second of processor time, latency, loss."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from benchmarks.load.process import Load, load
from benchmarks.process import cpu_seconds
from benchmarks.results import Figure, Result, samples
from benchmarks.servers import Server, both

PACE = 5_000
"""Requests per second at which latency is measured: what both servers can carry."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    devices: int = 20_000
    warm_up: int = 120_000
    rounds: int = 5
    requests: int = 80_000
    """In each round."""
    window: int = 1_000
    """Requests in flight."""
    paced: int = 20_000
    burst: int = 50_000
    in_flight: int = 5_000


SMOKE = Plan(devices=40, warm_up=80, rounds=1, requests=80, window=10, paced=40, burst=80, in_flight=40)


@dataclass(slots=True)
class Measured:
    """What one server came to."""

    rates: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    lost: int = 0
    burst_lost: int = 0


async def run(plan: Plan) -> Result:
    """Rounds in turn, so that both servers meet the same disturbances."""
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(both())
        loads = [await stack.enter_async_context(load(plan.devices, server.port)) for server in servers]
        for one in loads:
            await one.run(plan.warm_up, plan.window)
        measured = [Measured(), Measured()]
        for _ in range(plan.rounds):
            for server, one, found in zip(servers, loads, measured, strict=True):
                await _round(server, one, plan, found)
        for one, found in zip(loads, measured, strict=True):
            found.burst_lost = (await one.run(plan.burst, plan.in_flight))["lost"]
        return _result(plan, servers, *measured)


async def _round(server: Server, one: Load, plan: Plan, found: Measured) -> None:
    before = cpu_seconds(server.pid)
    counts = await one.run(plan.requests, plan.window)
    used = cpu_seconds(server.pid) - before
    if counts["wrong"]:
        raise RuntimeError(f"{server.name} answered {counts['wrong']} requests wrongly")
    found.rates.append((counts["registered"] + counts["updated"]) / max(used, 0.01))
    found.lost += counts["lost"]
    found.p99.append((await one.run(plan.paced, plan.window, rate=PACE))["p99"] * 1000)


def _result(plan: Plan, servers: Sequence[Server], ours: Measured, theirs: Measured) -> Result:
    return Result(
        benchmark="registration",
        title="Registration interface, 1 Register : 3 Updates",
        peer="Leshan",
        configuration={
            "load": f"{plan.devices} devices with an address each, {plan.rounds} rounds of {plan.requests} requests"
            f" after {plan.warm_up}, {plan.window} in flight, in turn with Leshan; latency at {PACE} requests/s",
            **{server.name: server.configuration for server in servers},
        },
        figures=(
            Figure(
                "requests per processor second",
                "1/s",
                samples(ours.rates),
                samples(theirs.rates),
                more_is_better=True,
                goal="1.5 x, at best 3 x",
            ),
            Figure(
                f"99th percentile at {PACE} requests/s",
                "ms",
                samples(ours.p99),
                samples(theirs.p99),
                more_is_better=False,
            ),
            Figure("lost at full load", "requests", (ours.lost,), (theirs.lost,), more_is_better=False, goal="0"),
            Figure(
                f"lost with {plan.in_flight} in flight",
                "requests",
                (ours.burst_lost,),
                (theirs.burst_lost,),
                more_is_better=False,
                goal="0",
            ),
        ),
    )
