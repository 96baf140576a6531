"""What the parts of an engine share: settings, randomness, time, memory, and what goes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from secure_coap.counters import Counters
from secure_coap.engine.budget import BodyBudget
from secure_coap.engine.events import Event
from secure_coap.engine.link import Link
from secure_coap.engine.rng import Rng
from secure_coap.engine.timers import Timers
from secure_coap.limits import Limits
from secure_coap.numbers.parameters import TransmissionParameters


@dataclass(slots=True)
class Shared:
    """One per endpoint. `outbox` and `events` are emptied by the engine's owner."""

    parameters: TransmissionParameters
    limits: Limits
    rng: Rng
    counters: Counters
    budget: BodyBudget
    timers: Timers = field(default_factory=Timers)
    outbox: list[tuple[Link, bytes]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    token_bytes: int = 8
    """Length of the tokens of our requests."""
    handles: int = 0
    """The last number given to a request of ours."""
    claim: Callable[[Link, bytes], None] | None = None
    """Asked to adopt the observation of a notification that nothing waits for."""
