"""The replay window of requests (RFC 8613 section 7.4): each sequence number once, in any order within the window."""

from __future__ import annotations

from typing import Final

WINDOW: Final = 32
"""Sequence numbers, as DTLS has it."""


class ReplayWindow:
    """`highest` is the highest number seen, `seen` a bitmap below it; bit 0 is `highest` itself."""

    __slots__ = ("highest", "seen")

    def __init__(self, highest: int = -1, seen: int = 0) -> None:
        self.highest = highest
        self.seen = seen

    def is_new(self, sequence: int) -> bool:
        """Whether a number may be accepted; nothing changes."""
        if sequence > self.highest:
            return True
        behind = self.highest - sequence
        return behind < WINDOW and not self.seen >> behind & 1

    def accept(self, sequence: int) -> None:
        """Remember a number whose message was found authentic."""
        if sequence > self.highest:
            self.seen = (self.seen << (sequence - self.highest) | 1) & ((1 << WINDOW) - 1)
            self.highest = sequence
        else:
            self.seen |= 1 << (self.highest - sequence)
