"""Objects 33001 (Trust Transfer) and 33003 (Fallback): the record seen from outside, requests turned into events."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from cose import cbor
from device_client.emulator.life.host import TransferHost
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Content
from objects.arguments import integer
from trust_transfer.device.actions import Answer, refusal, rejection
from trust_transfer.device.events import (
    AccountWritten,
    CancelReceived,
    EndorserReceived,
    FallBackRequested,
    MinimumWritten,
    ReportAcknowledged,
    Source,
    StartRequested,
    TransferMessageReceived,
)
from trust_transfer.device.minimum import Minimum
from trust_transfer.device.record import UNDECIDED
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.transfer_message import TransferOrder
from trust_transfer.messages.values import DEFAULT_LIMITS

NONCE_SIZE: Final = 16


class Nonce:
    """The challenge of resource 33001/14: made at each read, used once, gone at a restart."""

    def __init__(self) -> None:
        self.value: bytes | None = None

    def fresh(self) -> bytes:
        self.value = secrets.token_bytes(NONCE_SIZE)
        return self.value

    def forget(self) -> None:
        self.value = None


def transfer_object(host: TransferHost, nonce: Nonce) -> DeviceObject:
    """Object 33001."""

    def order(read: Callable[[TransferOrder], Content | None]) -> Callable[[], Content | None]:
        return lambda: None if host.record.order is None else read(host.record.order)

    def read_minimum() -> bytes:
        return host.record.minimum.encode()

    def write_minimum(content: Content, source: Source) -> Answer:
        assert isinstance(content, bytes)
        try:
            return host.handle(MinimumWritten(Minimum.decode(content), source))
        except MessageError as error:
            return rejection(error.result, error.detail)

    return DeviceObject.single(
        "Trust Transfer",
        readers={
            "State": lambda: int(host.record.state),
            "Result": lambda: int(host.record.result),
            "Transfer Id": order(lambda o: o.transfer_id),
            "Sequence": lambda: host.record.sequence,
            "Not Before": order(lambda o: o.not_before),
            "Not After": order(lambda o: o.not_after),
            "Update URI": order(lambda o: o.destination.update_uri),
            "Update First": order(lambda o: o.destination.update_first),
            "Attestation URI": order(lambda o: o.destination.ra_uri),
            "Agreed State": order(lambda o: cbor.encode(o.destination.agreed_state.to_cbor())),
            "Report": lambda: host.record.report,
            "Nonce": nonce.fresh,
            "Authorities": lambda: dict(enumerate(host.record.authority_thumbprints)),
            "Minimum": read_minimum,
        },
        writers={
            "Transfer Message": lambda raw, source: host.handle(TransferMessageReceived(_bytes(raw), source)),
            "Endorser": lambda der, source: host.handle(EndorserReceived(_bytes(der), source)),
            "Minimum": write_minimum,
        },
        made_by_reading={"Nonce"},
        executors={
            "Start": lambda _, source: host.handle(StartRequested(source)),
            "Cancel": lambda args, source: host.handle(CancelReceived(integer(args, 0), source)),
            "Acknowledge Report": lambda args, source: host.handle(ReportAcknowledged(integer(args, 0), source)),
        },
    )


def fallback_object(host: TransferHost) -> DeviceObject:
    """Object 33003. The limits are those of the accepted message, else the ones a message without limits means."""

    def limits() -> tuple[int, int]:
        order = host.record.order
        chosen = DEFAULT_LIMITS if order is None else order.limits
        return chosen.attempts, chosen.deadline

    def attempts() -> int | None:
        return None if host.record.attempt is None else host.record.attempt.attempts

    def last_time() -> int | None:
        return None if host.record.attempt is None else host.record.attempt.counted_at

    def cause() -> int | None:
        returning = host.record.state in UNDECIDED or host.record.state is State.FELL_BACK
        return int(host.record.result) if returning or host.record.result >= Result.RESET else None

    def fixed(_: Content, source: Source) -> Answer:
        return refusal("limits come with the transfer message")

    return DeviceObject.single(
        "Fallback",
        readers={
            "Fallback URI": lambda: host.record.fallback_uri,
            "Attempts Allowed": lambda: limits()[0],
            "Deadline": lambda: limits()[1],
            "Cause": cause,
            "Attempts": attempts,
            "Last Time": last_time,
        },
        writers={
            "Fallback URI": lambda uri, source: host.handle(AccountWritten(fallback_uri=str(uri), source=source)),
            "Attempts Allowed": fixed,
            "Deadline": fixed,
        },
        executors={"Fall Back": lambda _, source: host.handle(FallBackRequested(source))},
    )


def _bytes(content: Content) -> bytes:
    assert isinstance(content, bytes)
    return content
