"""Bounds on what one peer and all peers together may make an endpoint hold. Sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of this package (security rule budgets); the defaults are a server's."""

    max_body: int = 64 * KIB
    """Largest body accepted from a peer, in a request or in a response."""
    bodies_per_peer: int = 4
    """Block-wise bodies of one peer in memory, each way."""
    bodies_total: int = 64 * MIB
    """All block-wise bodies of all peers together."""
    body_idle: float = 60.0
    """A block-wise transfer that makes no progress is forgotten after this."""
    block_exponent: int = 6
    """Preferred block size is 2 ** (4 + this): 6 means 1,024 bytes."""
    queued_requests: int = 64
    """Requests to one peer that wait for their turn (NSTART)."""
    observations: int = 64
    """Observations of one peer in force, each way."""
    response_wait: float = 120.0
    """How long an acknowledged request waits for its separate response."""
    remembered_messages: int = 1024
    """Message IDs of one peer kept for deduplication; an eighth more for a peer that sends little."""
    remembered_bytes: int = 64 * KIB
    """Answers of one peer kept for byte-identical repetition."""
    remembered_in_all: int = 2_000_000
    """Message IDs of all peers together."""
    remembered_bytes_in_all: int = 256 * MIB
    """Answers of all peers together."""
    concurrent_handlers: int = 16
    """Requests of one peer in progress at the same time."""
    associations: int = 200_000
    """Open sessions or connections of one endpoint."""
    associations_per_peer: int = 64
    """Open sessions of one certificate or key; the one heard longest ago gives way to a newer one."""
    addresses: int = 131_072
    """Peers of one endpoint without security; the idlest gives way to a newcomer."""
    idle: float = 7 * 86_400.0
    """An association without traffic is closed after this."""
    frame: int = 9 * KIB
    """Largest message over TCP; larger bodies come in blocks."""
    frame_time: float = 30.0
    """A message over TCP must be complete after this."""
    unsent: int = 256 * KIB
    """A connection whose peer reads so slowly that this much waits to be sent is closed."""
    connections_per_source: int = 64
    """Connections from one IP address, loopback excepted."""
    half_open: int = 1_000
    """Handshakes in progress at the same time."""
    half_open_per_source: int = 10
    """Handshakes in progress from one source: an IPv4 address or an IPv6 /64."""
    guesses_per_source: int = 5
    """Wrong pre-shared keys from one source within a minute, before it is made to wait."""
    guess_pause: float = 60.0
    """How long such a source waits."""
    sequence_numbers: int = 1 << 20
    """Messages sent with one OSCORE context that EDHOC made; then it ends, and a new EDHOC is due."""
    handshake_time: float = 30.0
    """A handshake that takes longer is dropped."""
    handshake_bytes: int = 32 * KIB
    """A handshake that sends more than this is dropped."""

    def __post_init__(self) -> None:
        if not 0 <= self.block_exponent <= 6:
            raise ValueError("block_exponent is 0 (16 bytes) to 6 (1,024 bytes) (RFC 7959 section 2.2)")


SERVER_LIMITS = Limits()
CLIENT_LIMITS = Limits(max_body=MIB, associations=4)
"""A device takes firmware images of up to 1 MiB."""
