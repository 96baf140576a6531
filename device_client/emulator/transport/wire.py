"""How many bytes each kind of exchange costs on the wire: UDP payload in and out, retransmissions included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

HANDSHAKE = "handshake"
REGISTRATION = "registration"
UPDATE = "registration_update"
ENROLLMENT = "enrollment"
TRANSFER_MESSAGE = "transfer_message"
REPORT = "transfer_report"
FIRMWARE = "firmware"
MANAGEMENT = "management"

_BY_PREFIX: tuple[tuple[tuple[str, ...], str], ...] = (
    (("est",), ENROLLMENT),
    (("33001", "0", "0"), TRANSFER_MESSAGE),
    (("33001", "0", "13"), REPORT),
    (("5",), FIRMWARE),
)


def kind_of(path: tuple[str, ...]) -> str:
    """The kind of exchange a request path belongs to."""
    if path[:1] == ("rd",):
        return REGISTRATION if len(path) == 1 else UPDATE
    return next((kind for prefix, kind in _BY_PREFIX if path[: len(prefix)] == prefix), MANAGEMENT)


@dataclass(slots=True)
class Tally:
    """Bytes of one kind since the last report."""

    received: int = 0
    sent: int = 0


class WireMeter:
    """Counts per kind; `drain` hands out and clears, so that every byte is reported once."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._total = Tally()

    @property
    def total(self) -> tuple[int, int]:
        """Bytes sent and received since the device was switched on."""
        return self._total.sent, self._total.received

    def received(self, kind: str, size: int) -> None:
        self._tallies.setdefault(kind, Tally()).received += size
        self._total.received += size

    def sent(self, kind: str, size: int) -> None:
        self._tallies.setdefault(kind, Tally()).sent += size
        self._total.sent += size

    def drain(self) -> Iterator[tuple[str, Tally]]:
        tallies, self._tallies = self._tallies, {}
        yield from tallies.items()
