"""What a run of emulated devices can be told, and the growing pauses between attempts."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How patient the devices are; all times in seconds."""

    ack_timeout: float = 2.0
    """Until the first retransmission of a confirmable message (RFC 7252 section 4.8)."""
    max_retransmit: int = 4
    handshake_timeout: float = 30.0
    """Until a handshake that gets no answer is given up."""
    retry_min: float = 0.2
    """First pause before an attempt is repeated; it doubles up to `retry_max`."""
    retry_max: float = 60.0
    lifetime: int | None = None
    """LwM2M lifetime that overrides the one installed at the factory."""
    renew_at: float = 2 / 3
    """Share of a certificate's lifetime after which the device asks for the next one."""

    def __post_init__(self) -> None:
        if self.ack_timeout <= 0 or self.max_retransmit < 0 or self.handshake_timeout <= 0:
            raise ValueError("time-outs are seconds above 0, retransmissions 0 or more")
        if not 0 < self.retry_min <= self.retry_max:
            raise ValueError("pauses are seconds above 0, and retry-min is at most retry-max")
        if self.lifetime is not None and self.lifetime <= 0:
            raise ValueError("a lifetime is seconds above 0")
        if not 0 < self.renew_at < 1:
            raise ValueError("renewal begins at a share of the lifetime between 0 and 1")


class Pauses:
    """Growing pauses with jitter, so that a fleet that lost its server does not come back in step."""

    def __init__(self, minimum: float, maximum: float, rng: random.Random) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self._rng = rng
        self._next = minimum

    def next(self) -> float:
        """Seconds to wait now: between the half and the whole of a value that doubles each time."""
        pause, self._next = self._next, min(self._next * 2, self._maximum)
        return pause * (0.5 + self._rng.random() / 2)

    def reset(self) -> None:
        """Something worked: the next pause is the shortest again."""
        self._next = self._minimum
