"""How much one identity, one address and all devices together may ask of the registration interface, sans-IO.

What is counted per address is counted for registered devices only, so that these tables cannot outgrow the table of
registrations, whatever anybody sends.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class RegistrationLimits:
    """0 is no limit."""

    registrations_per_minute: int = 10
    """Of one identity; without security, of one endpoint name (security.md, budgets)."""
    endpoints_per_minute: int = 6000
    """New names from one IP address."""
    registrations_per_address: int = 100_000
    max_registrations: int = 1_000_000


class Refusal(StrEnum):
    """Which limit a registration met."""

    IDENTITY_RATE = "identity_rate"
    ADDRESS_RATE = "address_rate"
    ADDRESS_FULL = "address_full"
    SERVER_FULL = "server_full"


class PerMinute:
    """At most `limit` events of each key in a minute.

    A minute begins with the first event after the last one ended, so that one small number per key is enough.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: Counter[str] = Counter()
        self._until = 0.0

    def admit(self, key: str, now: float) -> bool:
        """Count an event at `now` (seconds, any monotonic origin); False when it is one too many."""
        if not self._limit:
            return True
        if now >= self._until:
            self._counts.clear()
            self._until = now + MINUTE
        count = self._counts[key]
        if count >= self._limit:
            return False
        self._counts[key] = count + 1
        return True


class RegistrationGuard:
    """Holds the limits. It is told of every registration that begins, moves to another address, or ends."""

    def __init__(self, limits: RegistrationLimits) -> None:
        self._limits = limits
        self._identities = PerMinute(limits.registrations_per_minute)
        self._newcomers = PerMinute(limits.endpoints_per_minute)
        self._per_address: Counter[str] = Counter()

    def refusal(self, name: str, address: str, registered: int | None, now: float) -> Refusal | None:
        """Why `name` may not register from `address` now, or None; the attempt is counted.

        `registered`: how many devices are, for a name that is not yet; None for one that is.
        """
        if registered is not None:
            if 0 < self._limits.max_registrations <= registered:
                return Refusal.SERVER_FULL
            if 0 < self._limits.registrations_per_address <= self._per_address[address]:
                return Refusal.ADDRESS_FULL
            if not self._newcomers.admit(address, now):
                return Refusal.ADDRESS_RATE
        if not self._identities.admit(name, now):
            return Refusal.IDENTITY_RATE
        return None

    def began(self, address: str) -> None:
        """A registration is kept for a device at this address."""
        if self._limits.registrations_per_address:
            self._per_address[address] += 1

    def moved(self, former: str, address: str) -> None:
        """A registered device was heard from another address."""
        if former != address:
            self.ended(former)
            self.began(address)

    def ended(self, address: str) -> None:
        """A registration of a device at this address has ended."""
        if self._per_address[address] > 1:
            self._per_address[address] -= 1
        else:
            self._per_address.pop(address, None)
