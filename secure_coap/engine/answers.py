"""Deduplication: what was answered to which message of whom, for EXCHANGE_LIFETIME (RFC 7252 section 4.5).

One table for all peers of an endpoint. The key is the association's number and the Message ID in one integer, the
value the answer's bytes, empty while there is none. Keys are also written down in the order they came, a slice of
time at a time, so forgetting costs no search. No peer can push out the answers of others: who sends more than a few
has its own remembered one by one, and beyond its share its own oldest go first.
"""

from __future__ import annotations

from array import array
from collections import deque
from functools import partial
from typing import Final

from secure_coap.counters import Counters
from secure_coap.engine.link import Link
from secure_coap.engine.timers import Timers
from secure_coap.limits import Limits

NOTHING: Final = b""
"""A message that is known, and to which there is nothing to repeat."""
_SLICES: Final = 256
"""A lifetime is forgotten in so many slices."""
_UNCOUNTED: Final = 8
"""The first part of a peer's share, one in so many, is remembered without counting message by message."""


class Answers:
    """`table` may be read directly; it is changed by the methods only."""

    def __init__(self, lifetime: float, limits: Limits, timers: Timers, counters: Counters) -> None:
        self.table: dict[int, bytes] = {}
        self._lifetime = lifetime
        self._limits = limits
        self._timers = timers
        self._counters = counters
        self._uncounted = limits.remembered_messages // _UNCOUNTED
        self._bytes_per_message = max(1, limits.remembered_bytes // limits.remembered_messages)
        self._bytes = 0
        self._slice: array[int] = array("Q")
        self._slice_ends = 0.0
        self._slices: deque[array[int]] = deque()
        self._window = 0
        self._window_ends = 0.0
        self._shares: dict[int, _Share] = {}

    def keep(self, link: Link, key: int, answer: bytes, now: float) -> None:
        """Remember a message that is not in the table yet, with its answer."""
        if now >= self._slice_ends:
            self._next_slice(now)
        self.table[key] = answer
        self._slice.append(key)
        size = len(answer)
        self._bytes += size
        if link.window != self._window:
            link.window, link.spent = self._window, 0
        link.spent += 1 + size // self._bytes_per_message
        if link.spent > self._uncounted:
            self._hold_to_share(link.base, key, size)

    def answer(self, link: Link, key: int, answer: bytes) -> None:
        """The answer to a message that was kept without one; if that is forgotten already, so is the answer."""
        former = self.table.get(key)
        if former is None:
            return
        self._replace(key, answer)
        size = len(answer)
        link.spent += size // self._bytes_per_message
        if link.base in self._shares:
            self._count_answer(self._shares[link.base], key, size)

    def drop(self, key: int) -> None:
        """Forget one message; should it come again it is new."""
        self._bytes -= len(self.table.pop(key, NOTHING))

    def _replace(self, key: int, answer: bytes) -> None:
        former = self.table.get(key)
        if former is not None:
            self.table[key] = answer
            self._bytes += len(answer) - len(former)

    # --- time ---

    def _next_slice(self, now: float) -> None:
        self._slice = array("Q")
        self._slices.append(self._slice)
        self._slice_ends = now + self._lifetime / _SLICES
        self._timers.at(self._slice_ends + self._lifetime, partial(self._expire, self._slice))
        if now >= self._window_ends:
            self._window += 1
            self._window_ends = now + self._lifetime
            self._shares.clear()
        while len(self._slices) > 1 and self._is_full():
            oldest = self._slices.popleft()
            self._counters.evicted += len(oldest)
            self._forget(oldest)

    def _expire(self, keys: array[int], now: float) -> None:
        if self._slices and self._slices[0] is keys:
            self._slices.popleft()
        self._forget(keys)

    def _forget(self, keys: array[int]) -> None:
        for key in keys:
            self.drop(key)
        del keys[:]

    def _is_full(self) -> bool:
        return len(self.table) > self._limits.remembered_in_all or self._bytes > self._limits.remembered_bytes_in_all

    # --- fairness ---

    def _hold_to_share(self, base: int, key: int, size: int) -> None:
        share = self._shares.get(base)
        if share is None:
            share = self._shares[base] = _Share()
        share.keys.append(key)
        if len(share.keys) > self._limits.remembered_messages:
            self.drop(share.keys.popleft())
            self._counters.evicted += 1
        self._count_answer(share, key, size)

    def _count_answer(self, share: _Share, key: int, size: int) -> None:
        """Beyond the share of bytes the oldest answers go; their Message IDs stay, so nothing is done twice."""
        share.answered.append((key, size))
        share.bytes += size
        while share.bytes > self._limits.remembered_bytes:
            oldest, size = share.answered.popleft()
            share.bytes -= size
            self._replace(oldest, NOTHING)
            self._counters.evicted += 1


class _Share:
    """What one peer that sends much has remembered: its messages, and the sizes of their answers."""

    __slots__ = ("answered", "bytes", "keys")

    def __init__(self) -> None:
        self.keys: deque[int] = deque()
        self.answered: deque[tuple[int, int]] = deque()
        self.bytes = 0
