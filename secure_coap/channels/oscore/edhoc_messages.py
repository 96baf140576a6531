"""EDHOC's messages in CoAP (RFC 9528 appendix A.2, RFC 9668)."""

from __future__ import annotations

from typing import Final

from cose import cbor
from secure_coap.edhoc import EdhocError, EdhocReason
from secure_coap.edhoc.messages import identifier, items, read_identifier
from secure_coap.engine.rng import Rng
from secure_coap.message import Message, MessageType
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option

PATH: Final = (b".well-known", b"edhoc")
"""The resource that takes them."""
TRUE: Final = b"\xf5"
"""Stands before message 1, where the others have the receiver's identifier."""
_BYTES: Final = 0x40
"""Major type of a byte string."""


def is_for_edhoc(message: Message) -> bool:
    """Whether a request is a POST to the resource."""
    return message.code == Code.POST and tuple(message.values(Option.URI_PATH)) == PATH


def split_identifier(payload: bytes) -> tuple[bytes, bytes]:
    """The identifier before a message, and the message. Raises `EdhocError` MALFORMED."""
    match items(payload):
        case [(int() | bytes()) as first, _, *_]:
            return read_identifier(first), payload[len(cbor.encode(first)) :]
    raise EdhocError(EdhocReason.MALFORMED, "neither message 1 nor an identifier and a message")


def split_combined(payload: bytes) -> tuple[bytes, bytes]:
    """Message 3, a byte string, and the OSCORE ciphertext behind it. Raises `EdhocError` MALFORMED."""
    head = payload[0] - _BYTES if payload else -1
    if 0 <= head < 24:
        end = 1 + head
    elif head in (24, 25):
        size = 1 << (head - 24)
        end = 1 + size + int.from_bytes(payload[1 : 1 + size], "big")
    else:
        raise EdhocError(EdhocReason.MALFORMED, "no message 3 before the request")
    if end >= len(payload):
        raise EdhocError(EdhocReason.MALFORMED, "nothing behind message 3")
    return payload[:end], payload[end:]


def complaint(error: EdhocError, rng: Rng) -> Message | None:
    """An initiator's error message, as a request that needs no answer; None where the responder is not to be told."""
    if error.error_message is None or error.session is None:
        return None
    mid = int.from_bytes(rng.randbytes(2), "big")
    options = tuple((int(Option.URI_PATH), segment) for segment in PATH)
    return Message(MessageType.NON, Code.POST, mid, b"", options, identifier(error.session) + error.error_message)
