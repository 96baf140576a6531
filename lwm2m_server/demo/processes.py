"""Start, kill and restart the processes of a run; each writes its own log file.

Only processes started here are ever signalled, by the handle they were started with.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STOP_SECONDS = 10.0


class ProcessFailed(Exception):
    """A process ended by itself although nobody asked it to; the message names its log."""


class CommandFailed(Exception):
    """A command ended with another exit code than 0; carries what it printed."""

    def __init__(self, argv: Sequence[str], code: int, output: str) -> None:
        super().__init__(f"'{' '.join(argv)}' ended with exit code {code}:\n{output.strip()}")
        self.code = code
        self.output = output


def program(name: str) -> str:
    """Path of a console script that was installed beside the running interpreter."""
    return str(Path(sys.executable).parent / name)


@dataclass(slots=True)
class Service:
    """One long-running process: how to start it, and the process itself while it runs."""

    name: str
    argv: tuple[str, ...]
    log: Path
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    guard: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None


class Supervisor:
    """The long-running processes of one run, by name."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.services: dict[str, Service] = {}

    async def start(self, name: str, argv: Sequence[str]) -> Service:
        service = Service(name, tuple(argv), self._logs / f"{name}.log")
        self.services[name] = service
        await self._launch(service)
        return service

    async def _launch(self, service: Service) -> None:
        with service.log.open("ab") as log:
            service.process = await asyncio.create_subprocess_exec(
                *service.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        service.starts += 1

    async def kill(self, name: str) -> None:
        """SIGKILL: the process gets no chance to tidy up."""
        await self._end(self.services[name], signal.SIGKILL)

    async def stop(self, name: str) -> None:
        await self._end(self.services[name], signal.SIGTERM)

    async def restart(self, name: str) -> None:
        service = self.services[name]
        async with service.guard:
            if not service.running:
                await self._launch(service)

    async def _end(self, service: Service, how: signal.Signals) -> None:
        async with service.guard:
            process = service.process
            if process is None or process.returncode is not None:
                return
            process.send_signal(how)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def stop_all(self) -> None:
        await asyncio.gather(*(self.stop(name) for name in self.services))

    def check(self) -> None:
        """Raise `ProcessFailed` for a process that has ended by itself with an error."""
        for service in self.services.values():
            process = service.process
            if process is not None and process.returncode is not None and process.returncode > 0:
                raise ProcessFailed(
                    f"{service.name} ended with exit code {process.returncode}; its log says why: {service.log}"
                )


async def run(argv: Sequence[str], *, extra_env: Mapping[str, str] | None = None) -> str:
    """Run one command to its end and return its standard output; raises `CommandFailed`."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(extra_env or {})},
    )
    out, err = await process.communicate()
    if process.returncode != 0:
        raise CommandFailed(argv, process.returncode or 0, (out + err).decode(errors="replace"))
    return out.decode()
