"""One worker per key: serialised, woken, retried with growing pauses, ended cleanly."""

from __future__ import annotations

import asyncio
import time

from lwm2m_server.server import workers as module
from lwm2m_server.server.workers import Workers


async def settled(workers: Workers) -> None:
    for _ in range(200):
        if not workers._tasks:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("a worker does not end")


async def test_passes_of_one_key_never_overlap() -> None:
    running: list[str] = []
    passes: list[str] = []

    async def work(key: str) -> bool:
        assert key not in running
        running.append(key)
        await asyncio.sleep(0.01)
        running.remove(key)
        passes.append(key)
        return False

    workers = Workers(work, 1)
    for _ in range(5):
        workers.wake("a")
        workers.wake("b")
        await asyncio.sleep(0.004)
    await settled(workers)
    assert passes.count("a") >= 2
    assert passes.count("b") >= 2


async def test_what_is_left_is_tried_again_by_itself() -> None:
    at: list[float] = []

    async def work(_key: str) -> bool:
        at.append(time.monotonic())
        return len(at) < 3

    workers = Workers(work, 10)
    workers.wake("a")
    await asyncio.sleep(module.FIRST_PAUSE * 3.5)
    await settled(workers)
    assert len(at) == 3
    assert at[1] - at[0] >= module.FIRST_PAUSE * 0.9
    assert at[2] - at[1] >= module.FIRST_PAUSE * 1.8


async def test_a_wake_cuts_a_pause_short() -> None:
    passes = 0

    async def work(_key: str) -> bool:
        nonlocal passes
        passes += 1
        return passes == 1

    workers = Workers(work, 60)
    workers.wake("a")
    await asyncio.sleep(0.01)
    workers.wake("a")
    await settled(workers)
    assert passes == 2


async def test_a_wake_during_the_last_pass_is_not_lost() -> None:
    passes = 0
    workers: Workers

    async def work(key: str) -> bool:
        nonlocal passes
        passes += 1
        if passes == 1:
            workers.wake(key)
        return False

    workers = Workers(work, 60)
    workers.wake("a")
    await settled(workers)
    assert passes == 2


async def test_an_exception_is_no_end() -> None:
    passes = 0

    async def work(_key: str) -> bool:
        nonlocal passes
        passes += 1
        if passes == 1:
            raise RuntimeError("once")
        return False

    workers = Workers(work, 60)
    workers.wake("a")
    await asyncio.sleep(module.FIRST_PAUSE * 1.5)
    await settled(workers)
    assert passes == 2


async def test_closing_stops_everything() -> None:
    async def work(_key: str) -> bool:
        await asyncio.sleep(60)
        return True

    workers = Workers(work, 60)
    for key in "abc":
        workers.wake(key)
    await asyncio.sleep(0)
    await workers.close()
    await asyncio.sleep(0)
    assert workers._tasks == {}
