"""Proof that a peer receives at its address, by the Echo option (RFC 9175 section 2.4; security rule 26).

Only a channel without handshake needs it: a large answer to a forged source address would hit a victim.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from secure_coap.association import Address

AMPLIFICATION: Final = 3
"""An unproven address gets at most this many times the bytes it sent."""
_PERIOD: Final = 120.0


class AddressProof:
    """Makes and checks Echo values of addresses without keeping any state. `secret` is the endpoint's, random."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def challenge(self, address: Address, now: float) -> bytes:
        """The Echo value of an address in this period (8 bytes)."""
        return self._value(address, int(now // _PERIOD))

    def accepts(self, echo: bytes, address: Address, now: float) -> bool:
        """Whether `echo` was the address's challenge in this or the previous period (at most 240 s old)."""
        period = int(now // _PERIOD)
        return any(hmac.compare_digest(echo, self._value(address, candidate)) for candidate in (period, period - 1))

    def _value(self, address: Address, period: int) -> bytes:
        text = f"{period} {address[0]} {address[1]}"
        return hmac.digest(self._secret, text.encode(), hashlib.sha256)[:8]
