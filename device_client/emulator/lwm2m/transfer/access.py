"""Who may do what on a device that can be transferred (protocol.md rules 5, 12 and 17)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from device_client.emulator.lwm2m.caller import Caller, Operation
from objects.model import MODEL
from objects.path import Path
from secure_coap.errors import CoapError, error_of
from secure_coap.numbers.codes import Code
from trust_transfer.device.actions import Answer, refusal, unauthorized
from trust_transfer.device.events import Source
from trust_transfer.device.record import UNDECIDED
from trust_transfer.messages.numbers import State

DEVICE: Final = MODEL["Device"].id
FIRMWARE: Final = MODEL["Firmware Update"].id
REPORT: Final = MODEL["SUIT Report"]
TRANSFER: Final = MODEL["Trust Transfer"]
FALL_BACK: Final = MODEL["Fallback"]["Fall Back"].path()

_READABLE: Final[Mapping[Source, frozenset[int]]] = {
    Source.STRANGER: frozenset({TRANSFER.id}),
    Source.UPDATE_SESSION: frozenset({DEVICE, FIRMWARE, REPORT.id, TRANSFER.id}),
}
"""Objects whose reading is allowed to those who are not the current server."""

_UPDATE_SESSION: Final = frozenset({REPORT["Nonce"].path(), REPORT["Group Key"].path(), FALL_BACK})
"""What the next provider may write or execute in an update session, beside all of object 5."""

_DECIDED_BY_THE_STATE_TABLE: Final = frozenset(
    {
        TRANSFER["Transfer Message"].path(),
        TRANSFER["Start"].path(),
        TRANSFER["Cancel"].path(),
        TRANSFER["Acknowledge Report"].path(),
        FALL_BACK,
    }
)
"""Requests that always reach the state table: it answers *busy* where they do not fit."""


class TransferAccess:
    """Decides by who asks and by the state of the transfer."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def refused(self, caller: Caller, operation: Operation, path: Path) -> CoapError | None:
        answer = self._answer(caller, operation, path)
        return None if answer is None else error_of(Code(int(answer.code)), answer.diagnostic)

    def created(self, caller: Caller, path: Path) -> None:
        """The one server of such a device may do everything with what it creates."""

    def deleted(self, path: Path) -> None:
        """No rights are kept by instance."""

    def _answer(self, caller: Caller, operation: Operation, path: Path) -> Answer | None:
        source, state = caller.source, self._state()
        if operation is Operation.READ:
            return None if _may_read(source, path) else unauthorized("this account may not read that")
        if source is Source.UPDATE_SESSION:
            return None if path.object == FIRMWARE or path in _UPDATE_SESSION else _not_yours()
        if source is Source.STRANGER:
            return _not_yours()
        if state in UNDECIDED and path not in _DECIDED_BY_THE_STATE_TABLE:
            return refusal(f"only reads and Fall Back while {state.name.lower().replace('_', ' ')}")
        return None


def _may_read(source: Source, path: Path) -> bool:
    allowed = _READABLE.get(source)
    return allowed is None or path.object in allowed


def _not_yours() -> Answer:
    return unauthorized("only the current server's account may do that")
