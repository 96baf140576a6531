"""Firmware Update (object 5) and Advanced Firmware Update (object 33629): a component's update as a value.

Object 5 is one component of a device, an instance of 33629 another each; both have the same resources 0 to 13.
What follows from what a device shows is the table in `firmware_table`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from objects.firmware import DeliveryMethod, PullProtocol, Severity, UpdateState
from objects.model import MODEL
from objects.path import Path

FIRMWARE: Final = MODEL["Firmware Update"]
ADVANCED: Final = MODEL["Advanced Firmware Update"]
MAX_URI: Final = 255
"""Characters of a Package URI."""


class Method(StrEnum):
    """How the operator wants the image delivered."""

    AUTO = "auto"
    """Push when the device takes it, else pull."""
    PUSH = "push"
    PULL = "pull"


class Push(Enum):
    """The one way of pushing, beside the protocols of pulling."""

    PUSH = "push"


Way = Push | PullProtocol
"""One way to bring an image to a device."""


class Phase(StrEnum):
    """How far the update of one component is."""

    PENDING = "pending"
    """The device has not been told yet."""
    TRANSFERRING = "transferring"
    """The image is pushed, or the device fetches it."""
    DELIVERED = "delivered"
    """It is on the device; other components of the same update may still be on their way."""
    INSTALLING = "installing"
    """Update was executed; the outcome is read when the device is back."""
    DEFERRED = "deferred"
    """The device's user has put the update off."""
    CANCELLING = "cancelling"
    INSTALLED = "installed"
    KEPT = "kept"
    """Delivered without being installed, as ordered."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        """Whether something is left to do."""
        return self not in ENDED


ENDED: Final = frozenset({Phase.INSTALLED, Phase.KEPT, Phase.FAILED, Phase.CANCELLED})


class Failure(StrEnum):
    """Why an update failed."""

    RESULT = "result"
    """The device says so in Update Result."""
    REFUSED = "refused"
    """The device answers an order with an error that does not pass."""
    UNSUPPORTED = "unsupported"
    """No way of delivery that the device, the order and this server have in common; or no such object."""
    STALLED = "stalled"
    """The transfer, or the user's consent, made no progress in time, as often as it may be tried."""
    BUSY = "busy"
    """The device is at another update for too long."""
    INSTALL_TIMEOUT = "install timeout"
    OUT_OF_ORDER = "out of order"
    """What the device shows contradicts what it was told, as often as it may be tried."""
    EXPIRED = "expired"
    """The order's own time is over."""
    COMPANION = "companion"
    """Another component of the same update failed."""
    IMAGE = "image"
    """The image cannot be read on this server."""
    GONE = "gone"
    """The device is no longer this server's."""


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator wants done for one component. `deferrable`: seconds a user may put it off; None: not said."""

    endpoint: str
    component: Path
    """The object instance: /5/0, /33629/2."""
    digest: bytes
    """The image's name."""
    method: Method = Method.AUTO
    install: bool = True
    """False: deliver it and leave it at that."""
    severity: Severity | None = None
    deferrable: int | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """The update of one component. Times are seconds since 1970."""

    id: int
    order: Order
    batch: int
    """Id of the first of the components that are installed together."""
    expires_at: float
    since: float
    """When `phase` began."""
    phase: Phase = Phase.PENDING
    size: int = 0
    """Bytes of what the device is sent."""
    left_out: tuple[str, ...] = ()
    """URIs of the payloads the device has already, which it is not sent."""
    saved: int = 0
    """Bytes of the image that are not sent."""
    whole: bool = False
    """The device lacked what was left out: it is sent everything."""
    transferred: int = 0
    """Bytes the device has acknowledged or fetched in this attempt."""
    progress_at: float = 0.0
    """When something last moved: bytes, a state, an order."""
    attempt: int = 0
    """How often a transfer was begun."""
    way: Way | None = None
    """The way of this attempt."""
    result: int | None = None
    """Update Result as last read."""
    failure: Failure | None = None
    detail: str = ""
    """What the device said about a refusal."""
    token: bytes | None = None
    """SHA-256 of the token in the URI the device fetches from in this attempt."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a device shows. `registered_at`: when it last registered; later than an order, it has started anew."""

    state: UpdateState
    result: int
    registered_at: float = 0.0


def ways(
    method: Method,
    delivery: DeliveryMethod,
    supported: Iterable[int],
    served: Iterable[PullProtocol],
    *,
    authenticated: bool,
) -> tuple[Way, ...]:
    """The ways open to an image, best first: as the device's session is, then CoAP before HTTP.

    `supported`: resource 8, empty when the device does not say (CoAP then, over DTLS if that is how it is here);
    unknown values are ignored. `served`: what this server offers. `authenticated`: the device's session is; it is not
    sent to fetch its firmware from whoever answers on an open channel.
    """
    named = frozenset(supported) or {PullProtocol.COAPS if authenticated else PullProtocol.COAP}
    common = [way for way in _PREFERENCE if way in named and way in set(served) and way.authenticated >= authenticated]
    pulls = sorted(common, key=lambda way: way.authenticated is not authenticated)
    push: list[Way] = [Push.PUSH] if delivery is not DeliveryMethod.PULL and method is not Method.PULL else []
    pull: list[Way] = list(pulls) if delivery is not DeliveryMethod.PUSH and method is not Method.PUSH else []
    return (*push, *pull)


_PREFERENCE: Final = (
    PullProtocol.COAPS,
    PullProtocol.COAP,
    PullProtocol.COAPS_TCP,
    PullProtocol.COAP_TCP,
    PullProtocol.HTTPS,
    PullProtocol.HTTP,
)
"""CoAP before HTTP, as object 5 recommends for constrained devices."""
