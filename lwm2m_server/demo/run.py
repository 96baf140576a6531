"""One run from the first key to the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lwm2m_server.demo.chaos import Chaos
from lwm2m_server.demo.evidence import collect_messages, revoked_serials, wire_sizes
from lwm2m_server.demo.hierarchy import HIERARCHIES
from lwm2m_server.demo.layout import Layout, Ports
from lwm2m_server.demo.operators import Operator, devices_say
from lwm2m_server.demo.plan import Plan
from lwm2m_server.demo.processes import Supervisor
from lwm2m_server.demo.progress import Progress
from lwm2m_server.demo.result import Result, kept_sizes
from lwm2m_server.demo.story import STEPS, Order, Story
from lwm2m_server.demo.verdict import Witnesses, end_state
from lwm2m_server.demo.world import AUTHORITIES, PROVIDERS, World


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    devices: int
    hierarchy: str
    form: str
    plan: Plan
    update_first: bool
    loss: float
    chaos: int | None
    keep: Path | None

    @property
    def disturbed(self) -> bool:
        return self.chaos is not None or self.loss > 0


async def run_demo(options: Options, console: Console) -> Result:
    """Run the whole story; the directory is removed afterwards unless it is to be kept.

    SIGTERM ends it like Ctrl-C does: by CancelledError, after all processes were stopped.
    """
    task = asyncio.current_task()
    assert task is not None, "called from a coroutine"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with _directory(options.keep) as root:
        layout = Layout(root, Ports(), lossy=options.loss > 0)
        layout.make()
        supervisor = Supervisor(layout.logs)
        hierarchy = HIERARCHIES[options.hierarchy]
        world = World(layout, hierarchy, supervisor, options.loss, options.chaos or 0)
        progress = Progress(console, STEPS)
        with progress.showing():
            try:
                return await _tell(options, world, progress)
            finally:
                await supervisor.stop_all()


@contextlib.contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="trust-transfer-") as name:
        yield Path(name)


async def _tell(options: Options, world: World, progress: Progress) -> Result:
    with progress.step("setup"):
        await world.build()
        await world.start()
    sp1, sp2 = (Operator(name, world.layout) for name in PROVIDERS)
    # A slow machine needs longer for everything: how much, the set-up has just shown.
    patience = max(10.0 if options.disturbed else 2.0, 0.4 * progress.seconds["setup"])
    order = Order(options.devices, options.form, options.plan, options.update_first)
    story = Story(world, progress, order, patience, sp1, sp2)
    try:
        async with _chaos(options, world, story) as chaos:
            for key in list(STEPS)[1:-1]:
                with progress.step(key):
                    await getattr(story, key.replace("-", "_"))()
        with progress.step("books"):
            result = await _judge(story, chaos)
        return replace(result, seconds=progress.seconds)
    finally:
        await sp1.close()
        await sp2.close()


@contextlib.asynccontextmanager
async def _chaos(options: Options, world: World, story: Story) -> AsyncIterator[Chaos | None]:
    if options.chaos is None:
        yield None
        return

    def victims() -> Sequence[str]:
        services = world.supervisor.services
        switched_off = {name for name in ("sleeper", "clone") if name in services}
        return [
            name
            for name in (*AUTHORITIES, *PROVIDERS, "devices-1", "devices-2")
            if name in services.keys() - switched_off
        ]

    chaos = Chaos(options.chaos, world.supervisor, victims)
    async with chaos.running():
        yield chaos


async def _judge(story: Story, chaos: Chaos | None) -> Result:
    world, notes = story.world, story.notes
    said = await devices_say(world.layout.devices)
    old, new = await story.books()
    on_list = await revoked_serials(world, "ca1")
    ends = {
        name: end_state(
            Witnesses(
                endpoint=name,
                device=said[name],
                old=old[name],
                new=new[name],
                sp1_uris=world.layout.uris("sp1"),
                sp2_uris=world.layout.uris("sp2"),
                revoked=_old_serial(notes.before[name]) in on_list,
            )
        )
        for name in said
    }
    await collect_messages(world, notes.cti)
    _keep_operational(world.layout.messages, said)
    logs = [world.layout.logs / f"{name}.log" for name in notes.cast.processes]
    servers = {uri: name.upper() for name in PROVIDERS for uri in world.layout.uris(name)}
    return Result(
        ends=ends,
        reasons={name: _reason(status) for name, status in said.items()},
        servers={name: servers.get(str(status["server_uri"]), "?") for name, status in said.items()},
        revoked=sum(_old_serial(notes.before[name]) in on_list for name in said),
        sizes={**kept_sizes(world.layout.messages), **wire_sizes(logs)},
        seconds=story.progress.seconds,
        kills=0 if chaos is None else len(chaos.kills),
    )


def _reason(status: dict[str, Any]) -> str:
    return "–" if status["result"] == "none" else str(status["result"]).replace("_", " ")


def _old_serial(status: dict[str, Any]) -> int:
    return int(status["operational_certificate"]["serial"], 16)


def _keep_operational(folder: Path, said: dict[str, dict[str, Any]]) -> None:
    for name, status in said.items():
        if status["operational_certificate"] is not None:
            (folder / f"operational-{name}.der").write_bytes(bytes.fromhex(status["operational_certificate"]["der"]))
