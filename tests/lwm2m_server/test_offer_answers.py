"""What a device answers to a TransferMessage is data: whatever it says, the offer ends or goes on."""

from __future__ import annotations

import pytest

from lwm2m_server.fleet.offer_delivery import _result_of
from lwm2m_server.protocol.errors import DeviceRefused
from secure_coap.errors import BadRequest, CoapError, InternalServerError, MethodNotAllowed, RequestEntityTooLarge
from trust_transfer.messages.numbers import Result


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (BadRequest("8 replay"), Result.REPLAY),
        (BadRequest("16"), Result.URI),
        (BadRequest("no number"), Result.MALFORMED),
        (BadRequest("0 none"), Result.MALFORMED),
        (BadRequest("21 not registered"), Result.MALFORMED),
        (BadRequest("99999 not registered"), Result.MALFORMED),
        (RequestEntityTooLarge("77"), Result.TOO_LARGE),
        (MethodNotAllowed(""), Result.BUSY),
        (InternalServerError("20 storage"), None),
    ],
)
def test_a_refusal_is_read_by_number_then_by_code(error: CoapError, result: Result | None) -> None:
    assert _result_of(DeviceRefused(error)) is result
