"""CoAP transmission parameters and the values derived from them (RFC 7252 section 4.8). Times in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransmissionParameters:
    """How patient and how polite an endpoint is; the defaults are those of RFC 7252 table 2."""

    ack_timeout: float = 2.0
    """Seconds until the first retransmission, before the random factor."""
    ack_random_factor: float = 1.5
    """The first timeout is drawn between ack_timeout and this many times ack_timeout."""
    max_retransmit: int = 4
    """How often a confirmable message is sent again, each time after twice the wait."""
    nstart: int = 1
    """Simultaneous outstanding interactions with one peer."""
    max_latency: float = 100.0
    """Longest time a datagram is expected to travel."""

    def __post_init__(self) -> None:
        if self.ack_timeout <= 0 or self.max_latency <= 0:
            raise ValueError("ack_timeout and max_latency are seconds: give values above 0")
        if self.ack_random_factor < 1:
            raise ValueError("ack_random_factor must be at least 1 (RFC 7252 section 4.8.1)")
        if self.max_retransmit < 0 or self.nstart < 1:
            raise ValueError("give max_retransmit >= 0 and nstart >= 1")

    @property
    def max_transmit_span(self) -> float:
        """From the first transmission of a confirmable message to its last."""
        return self.ack_timeout * ((1 << self.max_retransmit) - 1) * self.ack_random_factor

    @property
    def max_transmit_wait(self) -> float:
        """From the first transmission of a confirmable message to giving up."""
        return self.ack_timeout * ((2 << self.max_retransmit) - 1) * self.ack_random_factor

    @property
    def processing_delay(self) -> float:
        """How long a peer may take to acknowledge."""
        return self.ack_timeout

    @property
    def max_rtt(self) -> float:
        """Longest round trip."""
        return 2 * self.max_latency + self.processing_delay

    @property
    def exchange_lifetime(self) -> float:
        """From sending a confirmable message until its Message ID may be used again."""
        return self.max_transmit_span + self.max_rtt

    @property
    def non_lifetime(self) -> float:
        """From sending a non-confirmable message until its Message ID may be used again."""
        return self.max_transmit_span + self.max_latency


STANDARD = TransmissionParameters()
"""The defaults of RFC 7252."""
