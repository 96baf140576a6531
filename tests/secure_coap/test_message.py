"""The message codec against RFC 7252's own examples, every truncation, and random messages."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_coap.errors import MessageFormatError
from secure_coap.message import Message, MessageType, decode, decode_uint, encode_uint
from secure_coap.numbers import Code, Option
from tests.secure_coap.strategies import messages

RFC_7252_APPENDIX_A = {
    "figure 16, request": (
        "40017d34bb74656d7065726174757265",
        Message(MessageType.CON, Code.GET, 0x7D34, options=((Option.URI_PATH, b"temperature"),)),
    ),
    "figure 16, response": (
        "60457d34ff32322e332043",
        Message(MessageType.ACK, Code.CONTENT, 0x7D34, payload=b"22.3 C"),
    ),
    "figure 17, request with token": (
        "41017d3520bb74656d7065726174757265",
        Message(MessageType.CON, Code.GET, 0x7D35, b"\x20", ((Option.URI_PATH, b"temperature"),)),
    ),
    "figure 17, response with token": (
        "61457d3520ff32322e332043",
        Message(MessageType.ACK, Code.CONTENT, 0x7D35, b"\x20", payload=b"22.3 C"),
    ),
}


@pytest.mark.parametrize("name", RFC_7252_APPENDIX_A)
def test_examples_of_the_standard(name: str) -> None:
    wire, message = RFC_7252_APPENDIX_A[name]
    assert message.encode().hex() == wire
    assert decode(bytes.fromhex(wire)) == message


@given(messages)
def test_round_trip(message: Message) -> None:
    assert decode(message.encode()) == message


@given(messages)
def test_no_truncation_is_misread(message: Message) -> None:
    """A prefix is refused, or is itself a whole message (cut in the payload or between options), never an error."""
    wire = message.encode()
    for length in range(len(wire)):
        with suppress(MessageFormatError):
            assert decode(wire[:length]).encode() == wire[:length]


@given(st.binary(max_size=64))
def test_random_bytes_never_break_the_decoder(data: bytes) -> None:
    with suppress(MessageFormatError):
        decode(data)


@pytest.mark.parametrize(
    ("wire", "resettable"),
    {
        "empty": ("", False),
        "header cut": ("400100", False),
        "version 2": ("80010001", False),
        "token cut": ("4401000101", True),
        "token length 9": ("490100010102030405060708090a", True),
        "empty message with token": ("4100000101", True),
        "empty message with payload": ("40000001ff01", True),
        "payload marker without payload": ("40010001ff", True),
        "reserved delta": ("40010001f0", True),
        "reserved length": ("400100010f", True),
        "extended delta cut": ("40010001d0", True),
        "extended length cut": ("400100010e00", True),
        "value cut": ("400100010401", True),
        "option number wraps": ("40010001e0fef2e0fef2", True),
        "option number wraps by one step": ("40010001e0fef210", True),
        "non-confirmable": ("50010001ff", False),
        "acknowledgement": ("60010001ff", False),
    }.values(),
)
def test_malformed(wire: str, resettable: bool) -> None:
    with pytest.raises(MessageFormatError) as caught:
        decode(bytes.fromhex(wire))
    assert caught.value.reset_mid == (1 if resettable else None)


def test_the_largest_option_number_is_readable() -> None:
    assert decode(bytes.fromhex("40010001e0fef2")).options == ((0xFFFF, b""),)


@pytest.mark.parametrize("options", [((4, b""), (3, b"")), ((0x10000, b""),), ((1, bytes(70_000)),)])
def test_options_that_cannot_be_written(options: tuple[tuple[int, bytes], ...]) -> None:
    with pytest.raises(ValueError, match="option"):
        Message(MessageType.CON, Code.GET, 1, options=options).encode()


@given(st.integers(0, 2**32))
def test_integers_are_shortest(value: int) -> None:
    assert decode_uint(encode_uint(value)) == value
    assert not encode_uint(value).startswith(b"\0")
