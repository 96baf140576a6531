"""Delivering a TransferMessage: first what the device needs to check it, then the message itself.

The endorser's certificate (33001/17), anchors that are not beneath the permanent one (33002/<i>/6) and the agreed
state's manifest (object 5, an ordered push) are public data; writing them again changes nothing.
"""

from __future__ import annotations

import re

import structlog
from cryptography.hazmat.primitives.serialization import Encoding

from lwm2m_server.fleet.books import Books
from lwm2m_server.fleet.definitions import TRANSFER
from lwm2m_server.fleet.truststores import install_anchors
from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.server.device import Device
from lwm2m_server.store import partners as partner_store
from lwm2m_server.store import transfers as store
from lwm2m_server.store.database import Database
from secure_coap.numbers.codes import Code
from trust_transfer.messages.numbers import Form, Result
from trust_transfer.provider import old
from trust_transfer.provider.duties import Deliver

log = structlog.get_logger()

_MESSAGE = TRANSFER["Transfer Message"]
_ENDORSER = TRANSFER["Endorser"]

_BY_CODE = {Code.REQUEST_ENTITY_TOO_LARGE: Result.TOO_LARGE, Code.METHOD_NOT_ALLOWED: Result.BUSY}
"""What a rejection's code says where its diagnostic text does not; registry.md, "Result"."""
_REJECTIONS = frozenset(Result) - {Result.NONE, Result.STORAGE}
_NUMBER = re.compile(r"\s*(\d{1,5})\b", re.ASCII)


class OfferDelivery:
    """Works off `Deliver` duties."""

    def __init__(self, database: Database, books: Books) -> None:
        self._database = database
        self._books = books

    async def deliver(self, duty: Deliver, endpoint: str, device: Device, links: str) -> bool:
        """Deliver one offer; True when the device has answered it, False when it has to be delivered again."""
        async with self._database.reading() as connection:
            messages = await store.find_messages(connection, endpoint=endpoint)
            transfer_id = next(message.transfer_id for message in messages if message.seq == duty.seq)
            transfer = await store.get_transfer(connection, transfer_id)
            assert transfer is not None, "a message belongs to a stored transfer"
            profile = await partner_store.get(connection, transfer.partner)
        try:
            if transfer.form == Form.ENDORSED:
                await device.write(_ENDORSER, profile.transfer_certificate.public_bytes(Encoding.DER))
            named = [one.certificate for one in profile.anchors if one.must_be_installed]
            await install_anchors(device, links, [anchor.public_bytes(Encoding.DER) for anchor in named])
        except DeviceRefused as refused:
            # The message's own answer says what is missing, in the words of the registry.
            log.warning("preparation_refused", endpoint=endpoint, error=str(refused))
        result = await _write_message(device, duty.message)
        if result is None:
            return False
        await self._books.change(endpoint, lambda book: old.delivered(book, duty.seq, result))
        log.info("offer_answered", endpoint=endpoint, seq=duty.seq, result=result.name)
        return result is not Result.BUSY


async def _write_message(device: Device, message: bytes) -> Result | None:
    """The Result of the answer; None when it says nothing about the message."""
    try:
        await device.write(_MESSAGE, message)
    except DeviceRefused as refused:
        return _result_of(refused)
    return Result.NONE


def _result_of(refused: DeviceRefused) -> Result | None:
    if refused.code.code_class == 5:
        return None
    number = _NUMBER.match(refused.diagnostic)
    if number is not None and int(number[1]) in _REJECTIONS:
        return Result(int(number[1]))
    if refused.code is Code.BAD_REQUEST:
        return Result.MALFORMED
    return _BY_CODE.get(refused.code)
