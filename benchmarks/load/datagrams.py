"""The datagrams of many devices, built once and patched in place (RFC 7252, LwM2M 1.1 transport 6.4)."""

from __future__ import annotations

from typing import Final

from secure_coap.message import Message, MessageType
from secure_coap.numbers import Code, ContentFormat, Option

LINKS: Final = b'</>;rt="oma.lwm2m";ct="60 110 112",</1/0>,</3/0>,</4/0>,</5/0>,</3303/0>'
"""What a device of the benchmarks announces: five object instances."""
MESSAGE_ID: Final = slice(2, 4)
TOKEN: Final = slice(4, 8)
"""Where the four bytes of token are: they are the device's number."""


PIGGYBACKED: Final = 0x64
"""The first byte of a response in an acknowledgement, with four bytes of token."""
SEPARATE: Final = 0x44
"""The first byte of a confirmable response, likewise."""
EMPTY_ACKNOWLEDGEMENT: Final = b"\x60\x00"
"""How the promise of a separate response begins."""


def registration(device: int, lifetime: int) -> bytearray:
    """A Register of device number `device`; the message id is to be patched in."""
    message = Message(
        MessageType.CON,
        Code.POST,
        0,
        device.to_bytes(4),
        (
            (Option.URI_PATH, b"rd"),
            (Option.CONTENT_FORMAT, bytes([ContentFormat.LINK_FORMAT])),
            (Option.URI_QUERY, b"b=U"),
            (Option.URI_QUERY, b"ep=urn:dev:ops:bench-%06d" % device),
            (Option.URI_QUERY, b"lt=%d" % lifetime),
            (Option.URI_QUERY, b"lwm2m=1.1"),
        ),
        LINKS,
    )
    return bytearray(message.encode())


def update(device: int, handle: bytes) -> bytearray:
    """An Update of the registration `handle` that changes nothing."""
    path = ((Option.URI_PATH, b"rd"), (Option.URI_PATH, handle))
    return bytearray(Message(MessageType.CON, Code.POST, 0, device.to_bytes(4), path).encode())


def handle(datagram: bytes) -> bytes | None:
    """The handle in a 2.01's Location-Path `/rd/<handle>`; None if it is anything else."""
    if datagram[1] != Code.CREATED or datagram[8:11] != b"\x82rd" or len(datagram) < 12:
        return None
    length, start = datagram[11], 12
    if length == 13:
        length, start = datagram[12] + 13, 13
    found = datagram[start : start + length]
    return found if len(found) == length > 0 else None
