"""Observations, sans-IO: what is observed, how it begins, what a notification says, and when it has to begin again.

The client keeps an observation as long as it is registered (LwM2M Core 1.2, 6.4): through Updates and address changes,
until it deregisters or registers anew. Notifications are matched by token (RFC 7641), which is why tokens are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final

from lwm2m_server.protocol import content_formats, operations
from lwm2m_server.protocol.content_formats import Use
from lwm2m_server.protocol.errors import DeviceError, FormatUnreadable
from lwm2m_server.protocol.operations import Steps, Target
from lwm2m_server.protocol.samples import Sample, resolved
from objects import checks
from objects.attributes import Attributes
from objects.errors import InvalidValue, ObjectsError
from objects.formats import records
from objects.path import Path
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code

MAX_PER_DEVICE: Final = 64
"""Observations of one device (security.md, budgets)."""


class NotObservable(DeviceError):
    """The device answered the Observe like a Read: it will not notify."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is observed: one path, or several at once (Observe-Composite), and how the device is to notify."""

    paths: tuple[Path, ...]
    composite: bool = False
    attributes: Attributes = field(default_factory=Attributes)

    @classmethod
    def of(cls, *paths: Path, composite: bool = False, attributes: Attributes | None = None) -> Subject:
        """Raises InvalidValue."""
        if not composite and len(paths) != 1:
            raise InvalidValue("an observation", "has one path unless it is composite")
        return cls(paths, composite, attributes or Attributes())

    def is_about(self, other: Subject) -> bool:
        """Whether both observe the same, whatever their attributes."""
        return (self.paths, self.composite) == (other.paths, other.composite)

    def __str__(self) -> str:
        return " ".join(map(str, self.paths))


@dataclass(frozen=True, slots=True)
class Begun:
    """The device's answer to an Observe: the first values and the format that notifications come in."""

    content_format: int
    samples: tuple[Sample, ...]


def request_of(subject: Subject, content_format: int, target: Target) -> Request:
    """The Observe; from 1.2 on it carries the attributes."""
    query = () if _attributes_apart(subject, target) else subject.attributes.query()
    if subject.composite:
        return replace(operations.fetch(target, subject.paths, content_format), observe=0, query=query)
    return Request(Code.GET, target.segments(subject.paths[0]), query=query, accept=content_format, observe=0)


def observe(target: Target, subject: Subject, now: float) -> Steps[Begun]:
    """Begin to observe; to be sent so that notifications with the request's token are kept."""
    if subject.composite:
        operations.check_composite(target, subject.paths)
    for path in subject.paths:
        checks.read(path, target.model)
        subject.attributes.check(path, target.model)
    if _attributes_apart(subject, target):
        for path in subject.paths:
            yield from operations.write_attributes(target, path, subject.attributes)

    def understand(response: Response, asked: int) -> Begun:
        first = samples(target, subject, response, asked, now)
        if response.observe is None:
            raise NotObservable(f"the device answered {subject} once and will not notify of it; read it instead")
        return Begun(asked if response.content_format is None else response.content_format, first)

    begun = yield from operations.negotiated(
        target, _use(subject, target), lambda chosen: request_of(subject, chosen, target), understand
    )
    return begun


def samples(target: Target, subject: Subject, response: Response, asked: int, now: float) -> tuple[Sample, ...]:
    """What a notification says. Raises FormatUnreadable, or DeviceRefused when it says that the observation is over."""
    operations.expect(response, Code.CONTENT)
    used = asked if response.content_format is None else response.content_format
    base = None if subject.composite else subject.paths[0]
    try:
        found = records.decode(used, base, response.payload, target.model, root=target.root)
    except ObjectsError as error:
        raise FormatUnreadable(f"the device's notification of {subject} cannot be read: {error}") from error
    return resolved(found, now)


def _use(subject: Subject, target: Target) -> Use:
    return Use.COMPOSITE if subject.composite else content_formats.for_reading(subject.paths[0], target.model)


def _attributes_apart(subject: Subject, target: Target) -> bool:
    """Before 1.2 an Observe carries no attributes: they are written first."""
    return bool(subject.attributes.query()) and target.version in {"1.0", "1.1"}


class Moment(Enum):
    """What happened to a device that has observations."""

    REGISTERED = auto()
    """It registered anew."""
    HEARD = auto()
    """It updated its registration, or its session is known again after a restart of this server."""
    EXPIRED = auto()
    """Its lifetime passed without an Update."""
    DEREGISTERED = auto()
    """It left."""


class State(Enum):
    """How one of its observations stands."""

    LIVE = auto()
    """Over the device's present session."""
    APART = auto()
    """Begun over another session, or before a restart of this server."""
    NOT_BEGUN = auto()
    """Not answered since the device registered."""
    REFUSED = auto()
    """The device did not take it, or ended it."""


class Duty(Enum):
    """What is then to be done about it."""

    NOTHING = auto()
    BEGIN = auto()
    """Observe with a new token; the device has no such observation any more."""
    ADOPT = auto()
    """Take notifications with the stored token over the present session, and refresh the observation."""
    LET_GO = auto()
    """Take no more notifications, and wait until the device registers."""
    END = auto()
    """Forget it."""


DUTIES: Final[Mapping[tuple[Moment, State], Duty]] = {
    (Moment.REGISTERED, State.LIVE): Duty.BEGIN,
    (Moment.REGISTERED, State.APART): Duty.BEGIN,
    (Moment.REGISTERED, State.NOT_BEGUN): Duty.BEGIN,
    (Moment.REGISTERED, State.REFUSED): Duty.BEGIN,
    (Moment.HEARD, State.LIVE): Duty.NOTHING,
    (Moment.HEARD, State.APART): Duty.ADOPT,
    (Moment.HEARD, State.NOT_BEGUN): Duty.BEGIN,
    (Moment.HEARD, State.REFUSED): Duty.NOTHING,
    (Moment.EXPIRED, State.LIVE): Duty.LET_GO,
    (Moment.EXPIRED, State.APART): Duty.LET_GO,
    (Moment.EXPIRED, State.NOT_BEGUN): Duty.NOTHING,
    (Moment.EXPIRED, State.REFUSED): Duty.NOTHING,
    (Moment.DEREGISTERED, State.LIVE): Duty.END,
    (Moment.DEREGISTERED, State.APART): Duty.END,
    (Moment.DEREGISTERED, State.NOT_BEGUN): Duty.END,
    (Moment.DEREGISTERED, State.REFUSED): Duty.END,
}
"""A refused observation is tried again when the device registers anew: it may have become another."""
