"""What a DTLS server has met, as numbers that only grow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class DtlsCounters:
    """Counted since the endpoint was opened."""

    cookies: int = 0
    """ClientHellos of unproven addresses that were answered with a cookie."""
    handshakes: int = 0
    """Handshakes finished."""
    handshakes_failed: int = 0
    """Handshakes begun by a proven address that ended otherwise."""
    handshakes_crowded_out: int = 0
    """Handshakes refused because all places, or all of the source, were taken."""
    unknown_identities: int = 0
    """Handshakes with a PSK identity nobody has."""
    wrong_keys: int = 0
    """Handshakes with a known PSK identity and another key."""
    hellos_paused: int = 0
    """ClientHellos ignored because their source had guessed too often."""
    records_dropped: int = 0
    """Records that belonged to no session or handshake."""
