"""What an update waits for (draft-ietf-suit-update-management, suit-parameter-wait-info)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from cose import cbor
from suit import decoding
from suit.errors import SuitError, SuitReason
from suit.numbers import WaitEvent
from suit.versions import VersionMatch

MAX_MATCHES: Final = 8
_SIGNED: Final = frozenset({WaitEvent.AUTHORIZATION, WaitEvent.POWER, WaitEvent.NETWORK})


@dataclass(frozen=True, slots=True)
class OtherDevice:
    """Another device and the versions it must have."""

    device: bytes
    versions: tuple[VersionMatch, ...]


WaitInfo: TypeAlias = Mapping[WaitEvent, int | OtherDevice]
"""Every event must have happened. Times in seconds, days since Sunday."""


def decode_wait(data: bytes) -> WaitInfo:
    """From its encoding. Raises SuitError MALFORMED."""
    fields = decoding.known_keys(
        decoding.mapping(decoding.decode(data, "wait info"), "wait info"), WaitEvent, "wait info"
    )
    if not fields:
        raise SuitError(SuitReason.MALFORMED, "waiting for nothing")
    return {event: _parse(event, value) for event, value in fields.items()}


def encode_wait(events: WaitInfo) -> bytes:
    """The encoded map."""
    return cbor.encode({int(event): _item(value) for event, value in events.items()})


def _parse(event: WaitEvent, value: Any) -> int | OtherDevice:
    if event is WaitEvent.OTHER_DEVICE_VERSION:
        match value:
            case [bytes(device), list(versions)] if 1 <= len(versions) <= MAX_MATCHES:
                return OtherDevice(device, tuple(VersionMatch.from_item(one) for one in versions))
        raise SuitError(SuitReason.MALFORMED, "another device is an array of its name and versions")
    if event in _SIGNED:
        return decoding.signed(value, f"wait event {event.name}")
    return decoding.integer(value, f"wait event {event.name}")


def _item(value: int | OtherDevice) -> Any:
    return [value.device, [one.item for one in value.versions]] if isinstance(value, OtherDevice) else value
