"""The two servers under test, each a process of its own on the server's core."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.process import SERVER_CORE, pinned, resident_bytes
from tests.interop.leshan_peer import LeshanPeer

JVM: Final = ("-XX:+UseSerialGC",)
START: Final = 60.0
"""Seconds a server may take to start."""
LONGEST: Final = 600.0
"""Seconds that writing to every device may take on a busy machine."""
_SETTINGS: Final = """\
roles = ["dm"]
[dm]
data = "data"
nosec_bind = "127.0.0.1:0"
dtls_bind = "127.0.0.1:0"
admin_bind = "127.0.0.1:0"
{more}
[dm.registration]
registrations_per_minute = 0
endpoints_per_minute = 0
{tables}
"""


async def _unordered(path: str, size: int) -> int:
    raise NotImplementedError("this server takes orders by its API")


def _uri(address: Sequence[Any]) -> str:
    return f"http://{address[0]}:{address[1]}"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its process, its ports without security and with DTLS, what to say of its configuration."""

    name: str
    pid: int
    port: int
    dtls_port: int
    """0 without."""
    configuration: str
    in_use: Callable[[], Awaitable[int]]
    """Bytes of memory it needs now: resident, or of a JVM the heap that a full collection leaves."""
    write_to_all: Callable[[str, int], Awaitable[int]] = _unordered
    """Have it write an opaque resource of so many bytes to every device; how many took it."""
    api: str = ""
    """Base URI of our admin API."""


@asynccontextmanager
async def leshan(members: Mapping[str, object] | None = None) -> AsyncIterator[Server]:
    """Leshan's libraries as they come; they keep registrations in memory only. `members`: more for `Server.java`."""
    async with LeshanPeer(pinned(SERVER_CORE), JVM) as peer:
        server = await peer.server("server", quiet=True, **(members or {}))

        async def live_heap() -> int:
            found: int = await peer.order(server.name, "live heap", {})
            return found

        async def write_to_all(path: str, size: int) -> int:
            taken: int = await peer.order(server.name, "write to all", {"path": path, "size": size}, wait=LONGEST)
            return taken

        yield Server(
            "Leshan",
            peer.pid,
            server.ports["coap"],
            server.ports.get("coaps", 0),
            f"java {' '.join(JVM)}, its defaults, nothing persistent",
            live_heap,
            write_to_all,
        )


@asynccontextmanager
async def ours(folder: Path | None = None, more: str = "", tables: str = "") -> AsyncIterator[Server]:
    """`lwm2m-server serve` with its database in `folder`, or in one that is removed afterwards.

    `more`: further lines of its section of the settings file; `tables`: further sections.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as made:
            async with ours(Path(made), more, tables) as server:
                yield server
        return
    config, log = folder / "settings.toml", folder / "log"
    config.write_text(_SETTINGS.format(more=more, tables=tables))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *pinned(SERVER_CORE), sys.executable, "-c", "from lwm2m_server.cli.main import main; main()",
            "serve", "--config", str(config), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        ready = await _ready(process, log)
        configuration = "lwm2m-server serve, role dm, SQLite synced per commit, uvloop; no limit of registrations"

        async def resident() -> int:
            return resident_bytes(process.pid)

        yield Server(
            "ours", process.pid, ready["nosec"][1], ready["dtls"][1], configuration, resident, api=_uri(ready["admin"])
        )
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    """What the server logs once it listens."""
    async with asyncio.timeout(START):
        while process.returncode is None:
            for line in log.read_text().splitlines():
                if '"dm_ready"' in line:
                    found: dict[str, Any] = json.loads(line)
                    return found
            await asyncio.sleep(0.05)
    raise RuntimeError(f"lwm2m-server ended: {log.read_text()}")


@asynccontextmanager
async def both() -> AsyncIterator[tuple[Server, Server]]:
    """Ours and Leshan's, side by side."""
    async with ours() as one, leshan() as other:
        yield one, other
