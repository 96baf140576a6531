"""A book entry as bytes: deterministic CBOR with a version, each dataclass an array of its fields in order."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from cose import cbor
from trust_transfer.messages.numbers import Result
from trust_transfer.provider.book import (
    Arrival,
    BookEntry,
    Delivery,
    Departure,
    Expected,
    FellBack,
    Offer,
    ReleasedKey,
    Tenure,
)

VERSION = 1
MAX_ENTRY = 1 << 20


class EntryError(ValueError):
    """The stored entry cannot be used: it is damaged, or of another version of this software."""


def encode(entry: BookEntry) -> bytes:
    """The bytes to store."""
    return cbor.encode([VERSION, *_members(entry)])


def decode(data: bytes) -> BookEntry:
    """The entry of stored bytes; EntryError when they are not what `encode` wrote."""
    try:
        version, *members = cbor.decode(data, max_size=MAX_ENTRY)
        return _entry(version, members)
    except (ValueError, TypeError, LookupError) as error:
        raise EntryError(f"the book entry cannot be read: {error}") from error


def _members(value: Any) -> Any:
    if is_dataclass(value):
        return [_members(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, tuple):
        return [_members(one) for one in value]
    return value.value if isinstance(value, Enum) else value


def _entry(version: int, members: list[Any]) -> BookEntry:
    if version != VERSION:
        raise EntryError(f"entry version {version}, this software reads {VERSION}")
    endpoint, fingerprint, tenures, expected, provisional, released = members
    return BookEntry(
        endpoint=endpoint,
        fingerprint=fingerprint,
        tenures=tuple(_tenure(one) for one in tenures),
        expected=tuple(Expected(*one) for one in expected),
        provisional=tuple(provisional),
        released=tuple(ReleasedKey(*one) for one in released),
    )


def _tenure(members: list[Any]) -> Tenure:
    epoch, since, arrival, last_n, offers, fell_back, departure, factory_login, order_enrollment = members
    return Tenure(
        epoch=epoch,
        since=since,
        arrival=None if arrival is None else Arrival(*arrival),
        last_n=last_n,
        offers=tuple(_offer(one) for one in offers),
        fell_back=tuple(FellBack(*one) for one in fell_back),
        departure=None if departure is None else Departure(*departure),
        factory_login=factory_login,
        order_enrollment=order_enrollment,
    )


def _offer(members: list[Any]) -> Offer:
    n, transfer_id, message, not_before, not_after, delivery, result, cancel, settled = members
    return Offer(
        n=n,
        transfer_id=transfer_id,
        message=message,
        not_before=not_before,
        not_after=not_after,
        delivery=Delivery(delivery),
        result=Result(result),
        cancel=cancel,
        settled=settled,
    )
