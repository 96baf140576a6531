"""What the edge knows at the moment of an event and the record does not hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cose.keys import public_key_of
from trust_transfer.messages.transfer_message import TransferOrder, parse_transfer_message
from trust_transfer.messages.values import SuitDigest

MessageReader = Callable[[bytes, bytes, Sequence[bytes]], TransferOrder]
"""(raw message, authority key, endorser keys) -> the orders; MessageError when a check fails."""


def read_message(raw: bytes, authority: bytes, endorsers: Sequence[bytes]) -> TransferOrder:
    """Parse a TransferMessage and verify every signature it needs; MessageError names the first failure."""
    return parse_transfer_message(raw).verify(public_key_of(authority), [public_key_of(key) for key in endorsers])


@dataclass(frozen=True, slots=True)
class Pace:
    """Growing pauses between tries, in seconds: `first`, then doubled up to `longest`."""

    first: float = 2.0
    longest: float = 3600.0

    def pause(self, tries: int) -> float:
        """The pause after this many failed tries; none after zero."""
        return min(self.longest, self.first * 2.0 ** min(tries - 1, 32)) if tries > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """A snapshot the edge takes for each event."""

    running: SuitDigest
    """Digest of the SUIT manifest whose image runs."""
    manifests: frozenset[SuitDigest] = frozenset()
    """Digests of the manifests on the device, each signed by the current firmware authority."""
    clock_trusted: bool = True
    nonce: bytes | None = None
    """The challenge last read from 33001/14 by the account that now asks, not used since."""
    permanent_anchor: bytes = b""
    """The permanent anchor's certificate (DER), for endorsers."""
    can_attest: bool = False
    """Whether this device has evidence to show; without it a message that names a verifier is refused."""
    pace: Pace = field(default_factory=Pace)
    read_message: MessageReader = read_message
