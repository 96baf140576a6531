"""Bodies a server sends block by block, while they are incomplete: few, forgotten when idle, and when complete."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from aiocoap.blockwise import (  # type: ignore[import-untyped]
    Block1Spool,
    ContinueException,
    IncompleteException,
    _extract_block_key,
)
from aiocoap.message import Message  # type: ignore[import-untyped]

MAX_BODIES: Final = 4
"""Incomplete bodies of one session; the one that has waited longest gives way to a new one."""
MAX_IDLE: Final = 60.0
"""Seconds an incomplete body waits for its next block."""


class Bodies(Block1Spool):  # type: ignore[misc]
    """In place of aiocoap's own spool, which bounds neither number nor memory and keeps bodies that are complete."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bodies: dict[object, tuple[float, Message]] = {}

    def __len__(self) -> int:
        return len(self._bodies)

    def feed_and_take(self, req: Message) -> Message:
        """The whole request once its last block is here. Raises ContinueException, IncompleteException (4.08)."""
        block = req.opt.block1
        if block is None:
            return req
        self._forget_idle()
        key = _extract_block_key(req)
        whole = req if block.block_number == 0 else self._appended(key, req)
        if not block.more:
            self._bodies.pop(key, None)
            return whole
        self._keep(key, whole)
        raise ContinueException(block)

    def _appended(self, key: object, req: Message) -> Message:
        try:
            _, whole = self._bodies.pop(key)
            whole._append_request_block(req)
        except (KeyError, ValueError):
            raise IncompleteException from None
        return whole

    def _keep(self, key: object, whole: Message) -> None:
        self._bodies.pop(key, None)
        while len(self._bodies) >= MAX_BODIES:
            del self._bodies[next(iter(self._bodies))]
        self._bodies[key] = (self._clock(), whole)

    def _forget_idle(self) -> None:
        oldest = self._clock() - MAX_IDLE
        self._bodies = {key: entry for key, entry in self._bodies.items() if entry[0] >= oldest}
