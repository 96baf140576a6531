"""The generator's process, as a benchmark sees it."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.process import LOAD_CORE, pinned


class Load:
    """A fleet of devices, in a process on the other core; `port` is their server's."""

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self.port = port

    async def run(self, requests: int, window: int, **order: object) -> dict[str, Any]:
        """Carry out one order of `generator.py`; its counts."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = {"port": self.port, "requests": requests, "window": window, **order}
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the load generator has ended")
        counts: dict[str, Any] = json.loads(answer)
        return counts


@asynccontextmanager
async def load(devices: int, port: int) -> AsyncIterator[Load]:
    """Start the generator; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        *pinned(LOAD_CORE), sys.executable, "-m", "benchmarks.load.generator", str(devices), stdin=PIPE, stdout=PIPE
    )
    try:
        yield Load(process, port)
    finally:
        process.kill()
        await process.wait()
