"""Any message through OSCORE and back; every changed byte, every replay and every mix-up refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_coap.message import Message, MessageType, decode
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from secure_coap.oscore import (
    OscoreAlgorithm,
    OscoreError,
    OscoreReason,
    SecurityContext,
    protect_request,
    protect_response,
    unprotect_request,
    unprotect_response,
)
from secure_coap.oscore.option import MAX_SEQUENCE, OscoreOption
from secure_coap.oscore.replay import WINDOW, ReplayWindow

SECRET, SALT = bytes(range(16)), b"salt"
OPTIONS = st.lists(
    st.tuples(
        st.sampled_from([Option.URI_HOST, Option.URI_PATH, Option.URI_QUERY, Option.CONTENT_FORMAT, Option.ACCEPT]).map(
            int
        ),
        st.binary(min_size=1, max_size=2),
    ),
    max_size=6,
).map(lambda found: tuple(sorted(found, key=lambda one: one[0])))


def pair(algorithm: OscoreAlgorithm = OscoreAlgorithm.AES_CCM_16_64_128) -> tuple[SecurityContext, SecurityContext]:
    """Client and server."""
    client = SecurityContext.derive(SECRET, SALT, sender_id=b"c", recipient_id=b"s", algorithm=algorithm)
    server = SecurityContext.derive(SECRET, SALT, sender_id=b"s", recipient_id=b"c", algorithm=algorithm)
    return client, server


def request(*options: tuple[int, bytes], payload: bytes = b"on") -> Message:
    path = (int(Option.URI_PATH), b"light")
    return Message(MessageType.CON, Code.PUT, 7, b"tok", tuple(sorted((path, *options))), payload)


def response(*options: tuple[int, bytes]) -> Message:
    return Message(MessageType.ACK, Code.CONTENT, 7, b"tok", options, b"lit")


@pytest.mark.parametrize("algorithm", OscoreAlgorithm)
def test_every_algorithm(algorithm: OscoreAlgorithm) -> None:
    client, server = pair(algorithm)
    protected, binding = protect_request(request(), client)
    assert (protected.code, protected.value(Option.URI_PATH)) == (Code.POST, None)
    inner, bound = unprotect_request(protected, server)
    assert (inner, bound) == (request(), binding)
    answer = protect_response(response(), server, bound)
    assert unprotect_response(answer, client, binding) == (response(), None)


@given(OPTIONS, st.binary(max_size=60))
def test_any_request_both_ways(options: tuple[tuple[int, bytes], ...], payload: bytes) -> None:
    client, server = pair()
    plain = Message(MessageType.NON, Code.FETCH, 1, b"", options, payload)
    protected, _ = protect_request(plain, client)
    assert unprotect_request(decode(protected.encode()), server)[0] == plain
    assert payload not in protected.encode() or len(payload) < 3


def test_every_changed_byte_is_refused_and_moves_nothing() -> None:
    client, server = pair()
    protected, binding = protect_request(request(), client)
    raw = bytearray(protected.payload)
    for at in range(len(raw)):
        changed = replace(protected, payload=bytes(raw[:at]) + bytes((raw[at] ^ 1,)) + bytes(raw[at + 1 :]))
        with pytest.raises(OscoreError) as caught:
            unprotect_request(changed, server)
        assert caught.value.reason is OscoreReason.DECRYPTION
        assert caught.value.code is Code.BAD_REQUEST
    _, bound = unprotect_request(protected, server)
    answer = protect_response(response(), server, bound)
    for at in range(len(answer.payload)):
        changed = replace(answer, payload=answer.payload[:at])
        with pytest.raises(OscoreError):
            unprotect_response(changed, client, binding)


def test_a_replay_and_a_message_of_another_context() -> None:
    client, server = pair()
    protected, _ = protect_request(request(), client)
    unprotect_request(protected, server)
    with pytest.raises(OscoreError) as caught:
        unprotect_request(protected, server)
    assert caught.value.reason is OscoreReason.REPLAY
    with pytest.raises(OscoreError):
        unprotect_request(protected, client)  # reflected
    with pytest.raises(OscoreError):
        unprotect_request(request(), server)


def test_a_response_belongs_to_its_request() -> None:
    client, server = pair()
    first, own = protect_request(request(), client)
    second, other = protect_request(request(), client)
    _, bound = unprotect_request(first, server)
    answer = protect_response(response(), server, bound)
    with pytest.raises(OscoreError):
        unprotect_response(answer, client, other)
    with pytest.raises(OscoreError) as caught:
        unprotect_response(response(), client, own)
    assert caught.value.reason is OscoreReason.UNEXPECTED
    unprotect_request(second, server)


def test_notifications_are_ordered_by_their_own_numbers() -> None:
    client, server = pair()
    observe = (int(Option.OBSERVE), b"")
    protected, binding = protect_request(request(observe), client)
    assert protected.code is Code.FETCH
    _, bound = unprotect_request(protected, server)
    notes = [protect_response(response((int(Option.OBSERVE), b"\x05")), server, bound) for _ in range(3)]
    latest = None
    for number, note in enumerate(notes):
        inner, latest = unprotect_response(note, client, binding, latest)
        assert latest == number
        assert int.from_bytes(inner.value(Option.OBSERVE) or b"", "big") == number + 1
    with pytest.raises(OscoreError) as caught:
        unprotect_response(notes[0], client, binding, latest)
    assert caught.value.reason is OscoreReason.REPLAY


def test_a_second_response_has_a_nonce_of_its_own() -> None:
    client, server = pair()
    protected, binding = protect_request(request(), client)
    _, bound = unprotect_request(protected, server)
    first, second = (protect_response(response(), server, bound, own_iv=own) for own in (False, True))
    assert first.payload != second.payload
    assert unprotect_response(second, client, binding)[1] == 0


def test_numbers_that_are_not_reserved_are_not_used() -> None:
    client, _ = pair()
    client.reserved = 2
    protect_request(request(), client)
    protect_request(request(), client)
    with pytest.raises(OscoreError) as caught:
        protect_request(request(), client)
    assert caught.value.reason is OscoreReason.EXHAUSTED
    client.reserved, client.sequence = MAX_SEQUENCE + 10, MAX_SEQUENCE + 1
    with pytest.raises(OscoreError):
        client.next_sequence()


@given(st.lists(st.integers(0, 100), max_size=80))
def test_the_window_takes_each_number_once(numbers: list[int]) -> None:
    window, taken = ReplayWindow(), set[int]()
    for number in numbers:
        expected = number not in taken and number > max(taken, default=-1) - WINDOW
        assert window.is_new(number) == expected
        if expected:
            window.accept(number)
            taken.add(number)


OPTION_VALUES = st.builds(
    OscoreOption,
    st.integers(0, MAX_SEQUENCE).map(lambda n: n.to_bytes(max(1, (n.bit_length() + 7) // 8), "big")) | st.just(b""),
    st.none() | st.binary(max_size=7),
    st.none() | st.binary(max_size=20),
)


@given(OPTION_VALUES)
def test_option_values_both_ways(option: OscoreOption) -> None:
    assert OscoreOption.decode(option.encode()) == option


@given(st.binary(max_size=40))
def test_any_option_value_is_read_or_refused(value: bytes) -> None:
    try:
        option = OscoreOption.decode(value)
    except OscoreError as error:
        assert error.reason is OscoreReason.MALFORMED
        assert error.code is Code.BAD_OPTION
    else:
        assert option.encode() == value


def test_identifiers_that_cannot_be() -> None:
    for sender, recipient in ((b"a", b"a"), (b"a", bytes(8))):
        with pytest.raises(ValueError, match="identifiers"):
            SecurityContext.derive(SECRET, SALT, sender_id=sender, recipient_id=recipient)
