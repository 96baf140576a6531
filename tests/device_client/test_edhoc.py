"""The compact profile's association: EDHOC as initiator, then aiocoap's OSCORE, against the product's own stack."""

from __future__ import annotations

import pytest
from aiocoap.message import Message as AioMessage  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]
from aiocoap.numbers.types import ACK, CON, NON  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from device_client.emulator.transport.channel import ChannelError, HandshakeRefused, ServerNotTrusted
from device_client.emulator.transport.edhoc import EdhocClient
from device_client.emulator.transport.oscore import MAX_MESSAGES
from secure_coap.edhoc import Method
from secure_coap.message import Message, MessageType, decode
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from tests.device_client.oscore_server import EDHOC_OPTION, Server, client
from tests.device_client.pki import Pki, device_of

METHODS = [Method.SIGNATURE_SIGNATURE, Method.STATIC_STATIC]


def out(channel: EdhocClient) -> bytes:
    [datagram] = channel.datagrams()
    return datagram


def plain(code: AioCode, mid: int, token: bytes = b"t", *, kind: object = CON, **options: object) -> bytes:
    payload = options.pop("payload", b"")
    message = AioMessage(code=code, payload=payload, _mtype=kind, _mid=mid, _token=token, **options)
    return bytes(message.encode())


def connected(
    pki: Pki, method: Method = Method.SIGNATURE_SIGNATURE, *, combined: bool = True
) -> tuple[EdhocClient, Server]:
    """Both ends, once the first request has been answered."""
    device, server = device_of(pki), pki.sp1.server
    channel, _ = client(device, server, method, combined=combined)
    end = Server(server, device)
    channel.start()
    for _ in range(1 if combined else 2):
        assert not channel.established
        answer = end.take(out(channel))
        assert answer is not None and channel.receive(answer.encode()) == []
    assert channel.established and channel.timeout() is None
    channel.send(plain(AioCode.POST, 1, payload=b"</3/0>"))
    request = end.take(out(channel))
    assert request is not None and (request.code, request.payload) == (Code.POST, b"</3/0>")
    [response] = channel.receive(end.answer(request, Code.CREATED, b"yes"))
    assert AioMessage.decode(response).payload == b"yes"
    return channel, end


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("combined", [True, False])
def test_both_ends_agree_on_keys_and_each_other(pki: Pki, method: Method, combined: bool) -> None:
    channel, end = connected(pki, method, combined=combined)
    assert end.session is not None
    assert channel.channel_binding == end.session.exporter.channel_binding() != b""


def test_a_server_that_sends_requests_is_answered_and_told_of_changes(pki: Pki) -> None:
    channel, end = connected(pki)
    observe = Message(MessageType.CON, Code.GET, 77, b"obs", ((int(Option.OBSERVE), b""), (int(Option.URI_PATH), b"3")))
    datagram, binding = end.request(observe)
    [request] = channel.receive(datagram)
    inner = AioMessage.decode(request)
    assert (inner.opt.observe, inner.opt.uri_path, inner.token) == (0, ("3",), b"obs")
    numbers = []
    for mid, kind in ((77, ACK), (501, NON), (502, CON)):
        channel.send(plain(AioCode.CONTENT, mid, b"obs", kind=kind, observe=7, payload=b"21"))
        answer = end.response(out(channel), binding)
        assert answer.payload == b"21"
        numbers.append(int.from_bytes(answer.value(Option.OBSERVE) or b"", "big"))
    assert numbers == sorted(set(numbers))


def test_the_observe_option_inside_counts_and_not_the_one_outside(pki: Pki) -> None:
    channel, end = connected(pki)
    cancel = Message(MessageType.CON, Code.GET, 78, b"obs", ((int(Option.OBSERVE), b"\x01"),))
    datagram, _ = end.request(cancel)
    [request] = channel.receive(datagram)
    assert AioMessage.decode(request).opt.observe == 1
    get = Message(MessageType.CON, Code.GET, 79, b"get", ())
    outer = decode(end.request(get)[0])
    outer.options = ((int(Option.OBSERVE), b""), *outer.options)
    [request] = channel.receive(outer.encode())
    assert AioMessage.decode(request).opt.observe is None


def test_repeated_messages_are_the_same_datagrams(pki: Pki) -> None:
    channel, end = connected(pki)
    request = plain(AioCode.POST, 2, b"u")
    channel.send(request)
    first = out(channel)
    channel.send(request)
    assert out(channel) == first
    datagram, binding = end.request(Message(MessageType.CON, Code.GET, 80, b"get"))
    assert len(channel.receive(datagram)) == 1
    channel.send(plain(AioCode.CONTENT, 80, b"get", kind=ACK, payload=b"once"))
    answer = out(channel)
    # The server did not hear it: the same answer again, and nothing is done twice.
    assert channel.receive(datagram) == [] and out(channel) == answer
    assert end.response(answer, binding).payload == b"once"


def test_message_3_travels_with_the_first_request_only(pki: Pki) -> None:
    channel, end = connected(pki)
    channel.send(plain(AioCode.POST, 3, b"v"))
    assert decode(out(channel)).value(EDHOC_OPTION) is None
    end.waiting = None
    assert len(end.seen) == 1


def test_every_changed_byte_of_message_2_ends_the_handshake(pki: Pki) -> None:
    device, server = device_of(pki), pki.sp1.server
    end = Server(server, device)
    for position in range(4, 120):
        channel, _ = client(device, server)
        channel.start()
        answer = end.take(out(channel))
        assert answer is not None
        datagram = bytearray(answer.encode())
        if position >= len(datagram):
            break
        datagram[position] ^= 0x10
        try:
            channel.receive(bytes(datagram))
        except ChannelError:
            assert channel.closed and channel.datagrams() == []
        assert not channel.established


def test_every_changed_byte_of_a_protected_message_is_dropped(pki: Pki) -> None:
    channel, end = connected(pki)
    datagram, _ = end.request(Message(MessageType.CON, Code.GET, 81, b"get", ((int(Option.URI_PATH), b"3"),), b"x"))
    for position in range(7, len(datagram)):
        for flip in (0x01, 0x80):
            forged = bytearray(datagram)
            forged[position] ^= flip
            assert channel.receive(bytes(forged)) == []
    assert len(channel.receive(datagram)) == 1


def test_a_server_that_is_not_trusted_learns_nothing(pki: Pki) -> None:
    device = device_of(pki)
    channel, _ = client(device, pki.sp2.server)
    channel.start()
    answer = Server(pki.sp1.server, device).take(out(channel))
    assert answer is not None
    with pytest.raises(ServerNotTrusted, match="a stranger"):
        channel.receive(answer.encode())
    assert channel.datagrams() == [] and channel.closed


@pytest.mark.parametrize("combined", [True, False])
def test_a_server_that_does_not_take_the_device_is_understood(pki: Pki, combined: bool) -> None:
    device, server = device_of(pki), pki.sp1.server
    channel, _ = client(device, server, combined=combined)
    channel.start()
    answer = Server(server, device).take(out(channel))
    assert answer is not None
    channel.receive(answer.encode())
    if combined:
        channel.send(plain(AioCode.GET, 9))
    third = decode(out(channel))
    refusal = Message(MessageType.ACK, Code.BAD_REQUEST, third.mid, third.token, payload=b"\x03\xf5")
    with pytest.raises(HandshakeRefused, match="does not know the device"):
        channel.receive(refusal.encode())


def test_a_server_that_lost_its_keys_ends_the_association_and_a_forged_error_does_not(pki: Pki) -> None:
    channel, _ = connected(pki)
    channel.send(plain(AioCode.POST, 4, b"w"))
    sent = decode(out(channel))
    for code, token in ((Code.BAD_REQUEST, sent.token), (Code.UNAUTHORIZED, b"other"), (Code.CONTENT, sent.token)):
        assert channel.receive(Message(MessageType.ACK, code, sent.mid, token).encode()) == []
    with pytest.raises(ChannelError, match="does not know this association"):
        channel.receive(Message(MessageType.ACK, Code.UNAUTHORIZED, sent.mid, sent.token).encode())


def test_requests_without_protection_are_not_heard(pki: Pki) -> None:
    channel, _ = connected(pki)
    assert channel.receive(Message(MessageType.CON, Code.GET, 90, b"x").encode()) == []
    assert channel.datagrams() == []


def test_a_server_may_ask_where_the_device_is(pki: Pki) -> None:
    device, server = device_of(pki), pki.sp1.server
    channel, _ = client(device, server)
    end = Server(server, device, echo=b"12345678")
    channel.start()
    for _ in range(2):
        answer = end.take(out(channel))
        assert answer is not None
        channel.receive(answer.encode())
    assert channel.established


@pytest.mark.parametrize("size", [0, 70, 90, 112, 500])
def test_the_first_datagram_is_as_long_as_the_answer_needs(pki: Pki, size: int) -> None:
    device, server = device_of(pki), pki.sp1.server
    channel, _ = client(device, server, padded_to=size)
    channel.start()
    first = out(channel)
    assert size <= len(first) <= max(size, 65) + 4
    answer = Server(server, device).take(first)
    assert answer is not None and channel.receive(answer.encode()) == [] and channel.established


def test_silence_is_answered_by_growing_pauses_and_an_end(pki: Pki) -> None:
    channel, clock = client(device_of(pki), pki.sp1.server)
    channel.start()
    first = out(channel)
    for pause in (2.0, 4.0, 8.0, 16.0):
        assert channel.timeout() == pause
        channel.handle_timeout()
        assert channel.datagrams() == []
        clock.now += pause
        channel.handle_timeout()
        assert out(channel) == first
    clock.now += 32.0
    with pytest.raises(ChannelError, match="does not answer"):
        channel.handle_timeout()


def test_keys_are_used_so_often_and_no_more(pki: Pki) -> None:
    channel, _ = connected(pki)
    assert channel._protection is not None
    channel._protection._left = 1
    channel.send(plain(AioCode.POST, 5, b"y"))
    assert MAX_MESSAGES == 1 << 20
    with pytest.raises(ChannelError, match="used up"):
        channel.send(plain(AioCode.POST, 6, b"z"))


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=300, deadline=None)
def test_nothing_a_stranger_sends_breaks_it(pki: Pki, datagram: bytes, handshake: bool) -> None:
    if handshake:
        channel, _ = client(device_of(pki), pki.sp1.server)
        channel.start()
    else:
        channel, _ = connected_once(pki)
    try:
        assert channel.receive(b"\x40" + datagram) == [] or len(datagram) == 3
    except ChannelError:
        assert handshake


_CONNECTED: list[tuple[EdhocClient, Server]] = []


def connected_once(pki: Pki) -> tuple[EdhocClient, Server]:
    """One association for all examples: nothing forged may harm it."""
    if not _CONNECTED:
        _CONNECTED.append(connected(pki))
    return _CONNECTED[0]
