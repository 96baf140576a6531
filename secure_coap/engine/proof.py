"""Proof that a peer receives at its address, by the Echo option (RFC 9175 section 2.4; security rule 26).

Only a channel without handshake needs it: a large answer to a forged source address would hit a victim.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

AMPLIFICATION: Final = 3
"""An unproven address gets at most this many times the bytes it sent."""
_PERIOD: Final = 120.0


class AddressProof:
    """Makes and checks Echo values of one address without keeping any state. `secret` is the endpoint's, random."""

    def __init__(self, secret: bytes, address: str) -> None:
        self._secret = secret
        self._address = address.encode()

    def challenge(self, now: float) -> bytes:
        """The Echo value of this period (8 bytes)."""
        return self._value(int(now // _PERIOD))

    def accepts(self, echo: bytes, now: float) -> bool:
        """Whether `echo` was our challenge in this or the previous period (at most 240 s old)."""
        period = int(now // _PERIOD)
        return any(hmac.compare_digest(echo, self._value(candidate)) for candidate in (period, period - 1))

    def _value(self, period: int) -> bytes:
        return hmac.digest(self._secret, period.to_bytes(8, "big", signed=True) + self._address, hashlib.sha256)[:8]
