"""What follows from what a device shows of its update: the server's side of the state machine of objects 5 and 33629.

The first row that applies decides. Its write is stored first, its action follows; after a crash the device is looked
at again and the table says how to go on. A device that stands still, runs in circles or contradicts itself meets a
bound in every phase, and ends with a `Failure` that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from lwm2m_server.protocol.firmware import Failure, Phase, Push, Seen, Update
from objects.firmware import UpdateResult, UpdateState
from secure_coap.numbers.codes import Code


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often. Times are seconds."""

    attempts: int = 3
    """Transfers begun for one update."""
    stall: float = 600.0
    """Without a byte or a change of state, while the image is transferred; or with another update running first."""
    install: float = 3600.0
    """From Update to its outcome."""
    defer: float = 7 * 86_400.0
    """A user may put an update off, when the order does not say."""
    repeat: float = 10.0
    """Before an Update that shows no effect is executed again."""


class Action(StrEnum):
    """What to do on the device once the write is stored."""

    NOTHING = "–"
    LOOK = "look again later"
    TRANSFER = "bring the image"
    """Push it, or write the URI it is fetched from; what else lies on the device is removed first."""
    EXECUTE = "execute Update"
    RESET = "remove the package"
    CANCEL = "execute Cancel, or remove the package"


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a row looks at. `together`: every component of the update is delivered."""

    update: Update
    seen: Seen
    now: float
    patience: Patience
    together: bool = True

    @property
    def idle_for(self) -> float:
        """Seconds since something moved; a device that has registered since is given its time anew."""
        return self.now - max(self.update.since, self.update.progress_at, self.seen.registered_at)


Guard = Callable[[Situation], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """`next_phase` None: the phase stays. `failure`: why, where the next phase is failed."""

    phases: frozenset[Phase]
    states: frozenset[UpdateState]
    when: str
    guard: Guard | None
    next_phase: Phase | None
    action: Action
    failure: Failure | None = None

    def matches(self, situation: Situation) -> bool:
        """Whether this row applies."""
        return (
            situation.update.phase in self.phases
            and situation.seen.state in self.states
            and (self.guard is None or self.guard(situation))
        )


def _is(*results: UpdateResult) -> Guard:
    return lambda s: s.seen.result in results


def _failed(s: Situation) -> bool:
    return s.seen.result not in {UpdateResult.INITIAL, UpdateResult.SUCCESS, UpdateResult.DEFERRED}


def _again(s: Situation) -> bool:
    return s.update.attempt < s.patience.attempts


def _stalled(s: Situation) -> bool:
    return s.idle_for >= s.patience.stall


def _restarted(s: Situation) -> bool:
    return s.seen.registered_at > s.update.since


def _whole(s: Situation) -> bool:
    return 0 < s.update.size <= s.update.transferred


def _pulls(s: Situation) -> bool:
    return s.update.way is not Push.PUSH


def _passing(s: Situation) -> bool:
    """A result that another attempt may better: the device started anew, lost the link, or dislikes the URI."""
    return s.seen.result in {
        UpdateResult.INITIAL,
        UpdateResult.SUCCESS,
        UpdateResult.CANCELLED,
        UpdateResult.CONNECTION_LOST,
        UpdateResult.INVALID_URI,
        UpdateResult.UNSUPPORTED_PROTOCOL,
    }


def _put_off_too_long(s: Situation) -> bool:
    allowed = s.patience.defer if s.update.order.deferrable is None else s.update.order.deferrable + s.patience.install
    return s.now - s.update.since >= allowed


_PENDING: Final = frozenset({Phase.PENDING})
_TRANSFERRING: Final = frozenset({Phase.TRANSFERRING})
_DELIVERED: Final = frozenset({Phase.DELIVERED})
_ORDERED: Final = frozenset({Phase.INSTALLING, Phase.DEFERRED})
_CANCELLING: Final = frozenset({Phase.CANCELLING})
_OPEN: Final = frozenset(phase for phase in Phase if phase.open)

_IDLE: Final = frozenset({UpdateState.IDLE})
_DOWNLOADING: Final = frozenset({UpdateState.DOWNLOADING})
_DOWNLOADED: Final = frozenset({UpdateState.DOWNLOADED})
_UPDATING: Final = frozenset({UpdateState.UPDATING})
_ANY: Final = frozenset(UpdateState)

ROWS: Final[tuple[Row, ...]] = (
    Row(_OPEN - _CANCELLING, _ANY - _UPDATING, "the order's time is over",
        lambda s: s.now >= s.update.expires_at, Phase.FAILED, Action.RESET, Failure.EXPIRED),
    Row(_OPEN, _UPDATING, "the order's time is over",
        lambda s: s.now >= s.update.expires_at, Phase.FAILED, Action.NOTHING, Failure.EXPIRED),

    Row(_PENDING, _IDLE, "", None, Phase.TRANSFERRING, Action.TRANSFER),
    Row(_PENDING, _ANY, "another update, for too long", _stalled, Phase.FAILED, Action.NOTHING, Failure.BUSY),
    Row(_PENDING, _DOWNLOADING | _DOWNLOADED, "another update", None, None, Action.RESET),
    Row(_PENDING, _UPDATING, "another update", None, None, Action.LOOK),

    Row(_TRANSFERRING, _DOWNLOADED, "", None, Phase.DELIVERED, Action.LOOK),
    Row(_TRANSFERRING, _UPDATING, "it installs by itself", None, Phase.INSTALLING, Action.LOOK),
    Row(_TRANSFERRING, _IDLE, "success, and it has the whole image: it installs by itself",
        lambda s: _is(UpdateResult.SUCCESS)(s) and _whole(s), Phase.INSTALLED, Action.NOTHING),
    Row(_TRANSFERRING, _DOWNLOADING, "it fetches, with progress",
        lambda s: _pulls(s) and not _stalled(s), None, Action.LOOK),
    Row(_TRANSFERRING, _IDLE, "it has the URI and has not begun yet",
        lambda s: _pulls(s) and _is(UpdateResult.INITIAL)(s) and not _stalled(s) and not _restarted(s),
        None, Action.LOOK),
    Row(_TRANSFERRING, _IDLE, "a failure that no further attempt betters",
        lambda s: not _passing(s), Phase.FAILED, Action.NOTHING, Failure.RESULT),
    Row(_TRANSFERRING, _IDLE | _DOWNLOADING, "the transfer broke off", _again, None, Action.TRANSFER),
    Row(_TRANSFERRING, _IDLE, "the transfer fails again and again",
        _failed, Phase.FAILED, Action.NOTHING, Failure.RESULT),
    Row(_TRANSFERRING, _DOWNLOADING, "no progress, again and again",
        None, Phase.FAILED, Action.RESET, Failure.STALLED),
    Row(_TRANSFERRING, _IDLE, "the image vanishes again and again",
        None, Phase.FAILED, Action.NOTHING, Failure.OUT_OF_ORDER),

    Row(_DELIVERED, _DOWNLOADED, "it is only to be kept",
        lambda s: not s.update.order.install, Phase.KEPT, Action.RESET),
    Row(_DELIVERED, _DOWNLOADED, "every component is delivered",
        lambda s: s.together, Phase.INSTALLING, Action.EXECUTE),
    Row(_DELIVERED, _DOWNLOADED, "others are on their way", None, None, Action.LOOK),
    Row(_DELIVERED, _UPDATING, "it installs by itself", None, Phase.INSTALLING, Action.LOOK),
    Row(_DELIVERED, _IDLE, "success: it installs by itself",
        _is(UpdateResult.SUCCESS), Phase.INSTALLED, Action.NOTHING),
    Row(_DELIVERED, _IDLE | _DOWNLOADING, "the image is gone", _again, Phase.TRANSFERRING, Action.TRANSFER),
    Row(_DELIVERED, _IDLE | _DOWNLOADING, "the image vanishes again and again",
        None, Phase.FAILED, Action.NOTHING, Failure.OUT_OF_ORDER),

    Row(_ORDERED, _IDLE, "success", _is(UpdateResult.SUCCESS), Phase.INSTALLED, Action.NOTHING),
    Row(_ORDERED, _IDLE, "cancelled on the device", _is(UpdateResult.CANCELLED), Phase.CANCELLED, Action.NOTHING),
    Row(_ORDERED, _IDLE, "a failure", _failed, Phase.FAILED, Action.NOTHING, Failure.RESULT),
    Row(_ORDERED, _DOWNLOADED, "a failure", _failed, Phase.FAILED, Action.RESET, Failure.RESULT),
    Row(_ORDERED, _DOWNLOADED, "put off for too long",
        lambda s: _is(UpdateResult.DEFERRED)(s) and s.update.phase is Phase.DEFERRED and _put_off_too_long(s),
        Phase.FAILED, Action.RESET, Failure.STALLED),
    Row(_ORDERED, _DOWNLOADED, "put off by its user", _is(UpdateResult.DEFERRED), Phase.DEFERRED, Action.LOOK),
    Row(frozenset({Phase.DEFERRED}), _UPDATING, "its user agreed", None, Phase.INSTALLING, Action.LOOK),
    Row(_ORDERED, _UPDATING | _DOWNLOADED, "for too long",
        lambda s: s.now - s.update.since >= s.patience.install,
        Phase.FAILED, Action.NOTHING, Failure.INSTALL_TIMEOUT),
    Row(_ORDERED, _UPDATING, "", None, None, Action.LOOK),
    Row(_ORDERED, _DOWNLOADED, "Update shows no effect",
        lambda s: s.idle_for >= s.patience.repeat, None, Action.EXECUTE),
    Row(_ORDERED, _DOWNLOADED, "", None, None, Action.LOOK),
    Row(_ORDERED, _IDLE | _DOWNLOADING, "the image is gone", _again, Phase.TRANSFERRING, Action.TRANSFER),
    Row(_ORDERED, _IDLE | _DOWNLOADING, "the image vanishes again and again",
        None, Phase.FAILED, Action.NOTHING, Failure.OUT_OF_ORDER),

    Row(_CANCELLING, _IDLE, "another component failed",
        lambda s: s.update.failure is Failure.COMPANION, Phase.FAILED, Action.NOTHING, Failure.COMPANION),
    Row(_CANCELLING, _IDLE, "", None, Phase.CANCELLED, Action.NOTHING),
    Row(_CANCELLING, _UPDATING, "too late: it installs", None, Phase.INSTALLING, Action.LOOK),
    Row(_CANCELLING, _DOWNLOADING | _DOWNLOADED, "it does not let go",
        _stalled, Phase.FAILED, Action.NOTHING, Failure.OUT_OF_ORDER),
    Row(_CANCELLING, _DOWNLOADING | _DOWNLOADED, "", None, None, Action.CANCEL),
)  # fmt: skip


def step(situation: Situation) -> tuple[Update, Action]:
    """The update as it is to be stored, and what to do then."""
    row = next(row for row in ROWS if row.matches(situation))
    update = replace(situation.update, result=situation.seen.result)
    if row.action is Action.TRANSFER:
        update = replace(update, attempt=update.attempt + 1, transferred=0, progress_at=situation.now)
    if row.action is Action.EXECUTE:
        update = replace(update, progress_at=situation.now)
    if row.next_phase is not None and row.next_phase is not update.phase:
        update = replace(update, phase=row.next_phase, since=situation.now, failure=row.failure)
    return update, row.action


def unusable(update: Update, detail: str, now: float, failure: Failure = Failure.OUT_OF_ORDER) -> Update:
    """The device shows a State or Result that is none, or has no such object."""
    return replace(update, phase=Phase.FAILED, since=now, failure=failure, detail=detail)


def refused(update: Update, code: Code, detail: str, now: float) -> tuple[Update, Action]:
    """The device answered the last action with an error.

    5.xx, 4.05 (another update, or a transfer, is running) and 4.29 pass: the device is looked at again, until the
    order's time is over. 4.08 ends this attempt. Any other error is about this image or this order.
    """
    if code is Code.REQUEST_ENTITY_INCOMPLETE:
        return update, Action.LOOK
    if code.code_class == 5 or code in _PASSING_CODES:
        if update.phase is not Phase.TRANSFERRING:
            return update, Action.LOOK
        return replace(update, phase=Phase.PENDING, since=now, attempt=max(0, update.attempt - 1)), Action.LOOK
    return unusable(update, detail, now, Failure.REFUSED), Action.NOTHING


_PASSING_CODES: Final = frozenset({Code.METHOD_NOT_ALLOWED, Code.TOO_MANY_REQUESTS})


def begun_whole(update: Update, now: float) -> Update:
    """A failure with payloads left out proves nothing yet: the device is sent everything before it counts."""
    if not update.left_out or update.failure not in _ABOUT_THE_PACKAGE:
        return update
    return replace(
        update, phase=Phase.PENDING, since=now, failure=None, detail="", attempt=0, left_out=(), saved=0, whole=True
    )


_ABOUT_THE_PACKAGE: Final = frozenset({Failure.RESULT, Failure.REFUSED})


def cancelled(update: Update, now: float, failure: Failure | None = None) -> Update:
    """The operator, or the failure of another component, takes an update back; what is not open stays as it is.

    One that the device was not told of ends at once.
    """
    if not update.phase.open or update.phase is Phase.CANCELLING:
        return update
    if update.phase is Phase.PENDING:
        ended = Phase.CANCELLED if failure is None else Phase.FAILED
        return replace(update, phase=ended, since=now, failure=failure)
    return replace(update, phase=Phase.CANCELLING, since=now, failure=failure)
