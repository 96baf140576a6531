"""One event at one moment: what guards, checks and writes of the state table look at."""

from __future__ import annotations

from dataclasses import dataclass

from trust_transfer.device.events import Event
from trust_transfer.device.facts import Facts
from trust_transfer.device.record import Accepted, Attempt, DeviceRecord
from trust_transfer.messages.transfer_message import TransferOrder


@dataclass(frozen=True, slots=True)
class Context:
    """A record, the event that meets it, the time (s since 1970) and the edge's facts."""

    record: DeviceRecord
    event: Event
    now: int
    facts: Facts

    @property
    def accepted(self) -> Accepted:
        """The stored message; only asked for in states that have one."""
        if self.record.accepted is None:
            raise AssertionError(f"state {self.record.state.name} without a stored message")
        return self.record.accepted

    @property
    def order(self) -> TransferOrder:
        """The stored message's orders."""
        return self.accepted.order

    @property
    def attempt(self) -> Attempt:
        """The running attempt; only asked for in states that have one."""
        if self.record.attempt is None:
            raise AssertionError(f"state {self.record.state.name} without an attempt")
        return self.record.attempt

    @property
    def time(self) -> int:
        """The latest moment the device is sure has passed: its clock, or the time floor where that is newer."""
        return max(self.now, self.record.time_floor) if self.facts.clock_trusted else self.record.time_floor
