"""Leshan clients and servers in one Java process, spoken to by JSON lines."""

from __future__ import annotations

import asyncio
import itertools
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from typing import Any, Self

from tests.interop import java

WAIT = 30.0
"""Seconds for an answer or an event; far more than anything takes."""


class LeshanRefused(Exception):
    """The peer could not do it; the text is the Java exception."""


class LeshanPeer:
    """The process; an async context manager. `prefix` is put before the command, `jvm` after "java"."""

    def __init__(self, prefix: Sequence[str] = (), jvm: Sequence[str] = ()) -> None:
        self._command = [*prefix, *java.command(java.LESHAN, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", *jvm)]
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._events: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._process: Process
        self._reader: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, limit=1 << 22)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._process.kill()
        await self._process.wait()
        await self._reader

    @property
    def pid(self) -> int:
        """Process id of the JVM."""
        return self._process.pid

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "id" in told:
                answer = self._waiting.pop(told["id"])
                if not answer.done():
                    answer.set_result(told)
            else:
                self._events.setdefault(told["from"], asyncio.Queue()).put_nowait(told)
        for answer in self._waiting.values():
            answer.cancel()

    async def order(self, to: str, do: str, members: Mapping[str, object], *, wait: float = WAIT) -> Any:
        """Have the actor `to` do something; its result, after `wait` seconds at most. Raises `LeshanRefused`."""
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "to": to, "do": do, **members}).encode() + b"\n")
        async with asyncio.timeout(wait):
            told = await answer
        if "error" in told:
            raise LeshanRefused(told["error"])
        return told["result"]

    async def event(self, of: str, *names: str) -> dict[str, Any]:
        """The next event of that actor that has one of these names; others before it are passed over."""
        queue = self._events.setdefault(of, asyncio.Queue())
        passed = []
        try:
            async with asyncio.timeout(WAIT):
                while (told := await queue.get())["event"] not in names:
                    passed.append(told)
        except TimeoutError:
            raise AssertionError(f"{of}: none of {names}, only {passed}") from None
        return told

    async def server(self, name: str, **members: object) -> LeshanServer:
        """Start a server; `members` as `Server.java` says."""
        ports = await self.order(name, "server", {"definitions": str(java.DEFINITIONS), **members})
        return LeshanServer(self, name, ports)

    async def client(self, name: str, **members: object) -> LeshanClient:
        """Start a client; `members` as `Client.java` says, with spaces written as underscores."""
        spaced = {key.replace("_", " "): value for key, value in members.items()}
        await self.order(name, "client", {"definitions": str(java.DEFINITIONS), "endpoint": name, **spaced})
        return LeshanClient(self, name)


class LeshanClient:
    """One client."""

    def __init__(self, peer: LeshanPeer, name: str) -> None:
        self._peer = peer
        self.name = name

    async def do(self, order: str, **members: object) -> Any:
        """Any order of `Client.java`."""
        return await self._peer.order(self.name, order, members)

    async def event(self, *names: str) -> dict[str, Any]:
        """The next of these events."""
        return await self._peer.event(self.name, *names)


class LeshanServer:
    """One server."""

    def __init__(self, peer: LeshanPeer, name: str, ports: Mapping[str, int]) -> None:
        self._peer = peer
        self.name = name
        self.ports = ports
        """By scheme: "coap" and, with credentials, "coaps"."""

    async def do(self, endpoint: str, order: str, **members: object) -> Any:
        """An operation of `Operations.java` on a registered device."""
        return await self._peer.order(self.name, order, {"endpoint": endpoint, **members})

    async def event(self, *names: str) -> dict[str, Any]:
        """The next of these events."""
        return await self._peer.event(self.name, *names)

    async def stop(self) -> None:
        """End the server."""
        await self._peer.order(self.name, "stop", {})
