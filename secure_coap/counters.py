"""What an endpoint counts: plain integers, for whoever exports them as metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Since the endpoint began. Each names what happened, not what was done about it."""

    requests: int = 0
    """Requests of peers handed up, whole."""
    duplicates: int = 0
    """Messages that had come before, answered with the same bytes or not at all."""
    malformed: int = 0
    """Datagrams or frames that are no CoAP message."""
    refused: int = 0
    """Requests answered with an error before any handler saw them, without those that have a counter of their own."""
    unverified: int = 0
    """Answers withheld until the address is proven by Echo."""
    rate_limited: int = 0
    """Requests refused because too many of the peer are in progress."""
    no_room: int = 0
    """Peers not taken in, or block-wise bodies not taken, because all places or all memory are in use."""
    evicted: int = 0
    """Associations, bodies and remembered answers that gave way to newer ones."""
    unasked: int = 0
    """Responses and acknowledgements to nothing we had asked."""
    stale: int = 0
    """Notifications older than one already delivered."""
    retransmissions: int = 0
    """Confirmable messages sent again."""
    timeouts: int = 0
    """Confirmable messages given up."""
    resets: int = 0
    """Messages of ours that a peer rejected."""
    cookies: int = 0
    """Handshakes asked for by unproven addresses, answered with a cookie (DTLS) or an Echo (EDHOC)."""
    handshakes: int = 0
    """Handshakes finished."""
    handshakes_failed: int = 0
    """Handshakes that ended otherwise, of addresses that were proven."""
    unknown_identities: int = 0
    """Handshakes with a PSK identity nobody has."""
    wrong_keys: int = 0
    """Handshakes with a known PSK identity and another key."""
    hellos_paused: int = 0
    """Handshakes not begun because their source had guessed too often."""
    records_dropped: int = 0
    """DTLS records that belong to no session or handshake."""
    unprotected: int = 0
    """Messages without OSCORE where it is required, and errors a peer sent without it."""
    unknown_contexts: int = 0
    """OSCORE requests under an identifier nobody has here."""
    replays: int = 0
    """OSCORE messages that had been accepted before, or are too old to tell."""
    undecryptable: int = 0
    """OSCORE messages that were changed, or protected with other keys."""
    freshness_asked: int = 0
    """OSCORE requests answered with an Echo, because a restart lost what had come before."""
    send_failures: int = 0
    """Datagrams the socket did not take."""
