"""The randomness an engine is given: `random.SystemRandom` in production, a seeded one in simulations."""

from __future__ import annotations

from typing import Protocol


class Rng(Protocol):
    """The part of `random.Random` that is used."""

    def random(self) -> float:
        """Uniform in [0, 1)."""

    def randbytes(self, n: int) -> bytes:
        """`n` random bytes."""
