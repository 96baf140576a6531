"""What is out of order, replayed, changed, cut or reflected: refused with the standard's code, nothing kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from secure_coap.channels.oscore import (
    MemoryContexts,
    OscoreAssociation,
    OscoreClientConfig,
    OscoreServerConfig,
    PresharedContext,
)
from secure_coap.channels.oscore.identifiers import Identifiers
from secure_coap.edhoc.messages import SMALL, items
from secure_coap.edhoc.numbers import ErrorCode
from secure_coap.message import Message, MessageType, decode
from secure_coap.numbers import Code, Option
from secure_coap.numbers.parameters import STANDARD
from tests.secure_coap.channel.link import DEVICE, ROOM, SERVER, Link, answer, request
from tests.secure_coap.channel.parties import Parties

ELSEWHERE = ("198.51.100.9", 5683)
SECRET = bytes(range(16))
LATER = STANDARD.exchange_lifetime + 1


def linked(*, combined: bool = True) -> Link:
    """A server and a client that has been given message 2."""
    parties = Parties()
    link = Link(parties.server_config())
    link.connect(parties.client_config(combined=combined))
    return link


def talking() -> Link:
    """An association over which one request was made."""
    link = linked()
    link.say(request())
    link.tell(answer(request()))
    return link


def refused(replies: list[bytes]) -> Message:
    """The one reply, which is an error without protection."""
    (reply,) = replies
    message = decode(reply)
    assert message.value(Option.OSCORE) is None
    assert not message.code.is_success
    return message


def changed(datagram: bytes) -> Iterator[bytes]:
    """One bit of each byte flipped, and everything cut off behind it."""
    for at in range(len(datagram)):
        yield datagram[:at] + bytes((datagram[at] ^ 1,)) + datagram[at + 1 :]
        yield datagram[:at]


def half_open(link: Link) -> int:
    """Sessions that wait for message 3."""
    assert link.server.edhoc is not None
    return len(link.server.edhoc)


# --- order ---


def test_message_3_without_a_session() -> None:
    link = linked()
    client = link.sealed(request())
    link.restart()
    for datagram in (client, posted(b"\x05" + decode(client).payload)):
        error = refused(link.deliver(datagram))
        assert error.code is Code.BAD_REQUEST
        assert items(error.payload)[0] == ErrorCode.UNSPECIFIED
    assert not link.opened()


def test_a_request_before_any_handshake() -> None:
    link = talking()
    datagram = link.sealed(request(mid=2, token=b"\x02"))
    link.restart()
    assert refused(link.deliver(datagram)).code is Code.UNAUTHORIZED
    assert link.counters.unknown_contexts == 1
    assert not link.opened()


@pytest.mark.parametrize("payload", [b"", b"\xf5", b"\xf5\x03", b"\x05", b"\xff", b"\x05\x40", b"\x58\x20" + bytes(32)])
def test_what_is_no_message(payload: bytes) -> None:
    link = Link(Parties().server_config())
    assert refused(link.deliver(posted(payload))).code is Code.BAD_REQUEST
    assert half_open(link) == 0


def test_a_message_2_is_nobodys_message_3() -> None:
    link = linked()
    (message_2,) = [decode(datagram).payload for source, _, datagram in link.sent if source == SERVER]
    for payload in (message_2, b"\xf5" + message_2, b"\x05" + message_2):
        assert refused(link.deliver(posted(payload))).code is Code.BAD_REQUEST
    assert not link.opened()


def posted(payload: bytes, mid: int = 77) -> bytes:
    options = tuple((int(Option.URI_PATH), segment) for segment in (b".well-known", b"edhoc"))
    return Message(MessageType.CON, Code.POST, mid, b"", options, payload).encode()


# --- replays ---


def test_message_1_again_gets_the_same_message_2() -> None:
    link = linked()
    first, second = link.sent[0][2], link.sent[1][2]
    assert link.deliver(first) == [second]
    assert half_open(link) == 1


@pytest.mark.parametrize("combined", [True, False])
def test_message_3_again_changes_nothing(combined: bool) -> None:
    link = linked(combined=combined)
    link.say(request())
    reply = link.tell(answer(request()))
    message_3 = next(one for source, _, one in link.sent[2:] if source == DEVICE)
    assert link.deliver(message_3) == ([reply] if combined else [link.sent[3][2]])
    link.now += LATER
    link.server.timer(link.now)
    if combined:
        assert refused(link.deliver(message_3)).code is Code.UNAUTHORIZED
        assert link.counters.replays == 1
    assert len(link.opened()) == 1
    assert len(link.received()) == 1


def test_a_request_again_gets_the_same_answer_and_is_not_carried_out() -> None:
    link = talking()
    datagram = link.say(request(mid=2, token=b"\x02"))
    before = len(link.received())
    assert link.deliver(datagram) == []
    reply = link.tell(answer(request(mid=2, token=b"\x02")))
    assert link.deliver(datagram) == [reply]
    assert link.deliver(datagram, ELSEWHERE) == [reply]
    link.now += LATER
    link.server.timer(link.now)
    assert refused(link.deliver(datagram)).code is Code.UNAUTHORIZED
    assert len(link.received()) == before
    assert link.opened()[0].remote == DEVICE


def test_after_a_restart_edhocs_contexts_are_gone() -> None:
    link = talking()
    recorded = [datagram for source, _, datagram in link.sent if source == DEVICE]
    link.restart()
    for datagram in recorded[1:]:
        refused(link.deliver(datagram))
    assert not link.opened()
    assert not link.received()


def test_after_a_restart_old_requests_of_a_stored_context_get_an_echo_and_nothing_else() -> None:
    link, config = stored()
    link.connect(config)
    recorded = [link.say(request(mid, bytes((mid,)))) for mid in range(1, 4)]
    assert len(link.received()) == 3
    link.restart()
    for datagram in (*recorded, *recorded):
        (reply,) = link.deliver(datagram)
        assert decode(reply).value(Option.OSCORE)
    assert not link.received()
    assert link.counters.freshness_asked == 6
    link.say(request(4, b"\x04"))
    echo = decode(link.client_events[DEVICE][-1].datagram).value(Option.ECHO)  # type: ignore[union-attr]
    assert echo is not None
    fresh = request(5, b"\x05")
    proven = replace(fresh, options=(*fresh.options, (int(Option.ECHO), echo)))
    accepted = link.say(proven)
    assert len(link.received()) == 1
    link.now += LATER
    link.server.timer(link.now)
    for datagram in (*recorded, accepted):
        assert refused(link.deliver(datagram)).code is Code.UNAUTHORIZED
    assert len(link.received()) == 1


def test_an_echo_proves_the_address_it_comes_from() -> None:
    link, config = stored()
    link.connect(config)
    link.say(request())
    link.restart()
    link.say(request(2, b"\x02"))
    (challenge,) = link.deliver(link.sealed(request(3, b"\x03")), ELSEWHERE)
    link.deliver(challenge, SERVER, DEVICE)
    echo = link.client_received()[-1].value(Option.ECHO)
    assert echo is not None
    fresh = request(4, b"\x04")
    proven = link.sealed(replace(fresh, options=(*fresh.options, (int(Option.ECHO), echo))))
    assert decode(link.deliver(proven)[0]).value(Option.OSCORE), "it was another address's: asked again"
    link.deliver(link.sealed(replace(fresh, mid=5, options=(*fresh.options, (int(Option.ECHO), echo)))), ELSEWHERE)
    (association,) = link.opened()
    assert association.remote == ELSEWHERE
    assert isinstance(association, OscoreAssociation)
    assert association.proven


def test_nothing_is_answered_before_numbers_are_stored() -> None:
    link, config = stored()
    link.connect(config)
    link.restart()
    link.stores = False
    link.say(request())
    assert link.received() == []
    assert link.opened() == []
    (reservation,) = link.server.reservations()
    link.server.reserved(reservation, link.now, stored=False)
    assert link.received() == []
    link.stores = True
    link.deliver(link.sealed(request()))
    assert len(link.received()) == 1


def stored() -> tuple[Link, OscoreClientConfig]:
    theirs = PresharedContext("device", SECRET, b"\x01", b"\x02", endpoint="device")
    ours = PresharedContext("server", SECRET, b"\x02", b"\x01")
    link = Link(OscoreServerConfig(contexts=MemoryContexts([theirs])))
    return link, OscoreClientConfig(context=ours, contexts=MemoryContexts([ours]))


def test_an_old_notification_is_no_news_though_time_has_passed() -> None:
    link = talking()
    asked = Message(MessageType.CON, Code.GET, 9, b"\x09", ((int(Option.OBSERVE), b""),))
    link.say(asked)
    first = Message(MessageType.ACK, Code.CONTENT, 9, b"\x09", ((int(Option.OBSERVE), b"\x01"),), b"1")
    link.tell(first)
    news = [
        link.tell(Message(MessageType.CON, Code.CONTENT, mid, b"\x09", ((int(Option.OBSERVE), b"\x02"),), b"2"))
        for mid in (20, 21)
    ]
    received = len(link.client_received())
    link.now += 1000
    for datagram in news:
        acknowledgement = link.deliver(datagram, SERVER, DEVICE)
        assert [decode(one).type for one in acknowledgement] == [MessageType.ACK]
    assert len(link.client_received()) == received


# --- changes ---


def test_every_changed_byte_of_message_1_opens_nothing() -> None:
    parties = Parties()
    link = Link(parties.server_config())
    link.passes = lambda datagram, source, destination: False
    link.connect(parties.client_config())
    original = link.sent[0][2]
    for datagram in changed(original):
        link.deliver(datagram)
    assert not link.opened()
    link.now += ROOM.handshake_time + 1
    link.server.timer(link.now)
    assert half_open(link) == 0


def test_every_changed_byte_of_message_2_fails_the_client() -> None:
    parties = Parties()
    link = Link(parties.server_config())
    link.connect(parties.client_config())
    message_2 = decode(link.sent[1][2])
    for payload in changed(message_2.payload):
        link.passes = lambda datagram, source, destination: False
        client = link.connect(parties.client_config())
        mid = decode(link.sent[-1][2]).mid
        link.deliver(replace(message_2, mid=mid, payload=payload).encode(), SERVER, DEVICE)
        assert "PEER" not in link.client_failure()
        assert client.next_timer(link.now) is None


@pytest.mark.parametrize("combined", [True, False])
def test_every_changed_byte_of_message_3_opens_nothing(combined: bool) -> None:
    parties, position, length = Parties(), 0, 1
    while position < length:
        link = Link(parties.server_config())
        link.passes = lambda datagram, source, destination: not is_message_3(datagram)
        link.connect(parties.client_config(combined=combined))
        original = link.sealed(request()) if combined else link.sent[-1][2]
        beginning = original.index(message_3_of(original))
        length = len(message_3_of(original))
        at = beginning + position
        link.deliver(original[:at] + bytes((original[at] ^ 1,)) + original[at + 1 :])
        assert not link.opened()
        assert not link.received()
        assert half_open(link) in (0, 1)
        position += 1
    assert position > 15


def is_message_3(datagram: bytes) -> bool:
    """Sent to the resource with an identifier in front."""
    message = decode(datagram)
    return message.code is Code.POST and bool(message.payload) and message.payload[:1] != b"\xf5"


def message_3_of(datagram: bytes) -> bytes:
    """Message 3 of method 3 with a key identifier: 18 bytes in a string of its own."""
    payload = decode(datagram).payload
    return payload[:19] if payload[0] == 0x52 else payload[1:20]


def test_every_changed_byte_of_a_request_is_refused() -> None:
    link = talking()
    received = len(link.received())
    original = link.sealed(request(mid=2, token=b"\x02"))
    option = original.index(decode(original).value(Option.OSCORE) or b"")
    everything = list(changed(original))
    for datagram in everything[2 * option :]:
        refused(link.deliver(datagram))
    assert len(link.received()) == received
    assert link.counters.undecryptable > 10
    for datagram in everything[: 2 * option]:  # type, code, Message ID and token are not protected: it counts once
        link.deliver(datagram)
    assert [message.payload for message in link.received()[received:]] == [b"hi"]


def test_every_changed_byte_of_a_response_is_refused() -> None:
    link = talking()
    link.say(request(mid=2, token=b"\x02"))
    link.passes = lambda datagram, source, destination: False
    original = link.tell(answer(request(mid=2, token=b"\x02")))
    before = len(link.client_received())
    head = 4 + 1
    for datagram in changed(original):
        link.deliver(datagram, SERVER, DEVICE)
    assert len(link.client_received()) - before <= head
    for message in link.client_received()[before:]:
        assert message.payload in (b"hi", b"")


# --- reflections ---


def test_our_own_messages_come_back() -> None:
    link = talking()
    for source, _, datagram in list(link.sent):
        if source == DEVICE:
            link.deliver(datagram, SERVER, DEVICE)
        else:
            link.deliver(datagram, DEVICE, SERVER)
    assert len(link.received()) == 1
    assert len(link.client_received()) == 1


def test_message_1_comes_back_to_its_sender() -> None:
    parties = Parties()
    link = Link(parties.server_config())
    link.passes = lambda datagram, source, destination: False
    link.connect(parties.client_config())
    message_1 = decode(link.sent[0][2])
    link.deliver(replace(message_1, type=MessageType.ACK, code=Code.CHANGED, options=()).encode(), SERVER, DEVICE)
    assert "expected" in link.client_failure()


# --- bounds ---


def test_strangers_get_few_places_and_then_an_echo() -> None:
    parties = Parties()
    link = Link(parties.server_config(), limits=replace(ROOM, half_open=100, half_open_per_source=10))
    link.passes = lambda datagram, source, destination: source == SERVER
    link.connect(parties.client_config())
    message_1 = link.sent[0][2]
    for number in range(2_000):
        replies = link.deliver(message_1, (f"198.51.{number >> 8}.{number & 0xFF}", 5683))
        assert sum(map(len, replies)) <= 3 * len(message_1)
    assert half_open(link) == 50
    assert link.counters.cookies == 1_950
    link.now += ROOM.handshake_time + 1
    link.server.timer(link.now)
    assert half_open(link) == 0


def test_one_source_gets_ten_places() -> None:
    parties = Parties()
    link = Link(parties.server_config(), limits=replace(ROOM, half_open_per_source=10))
    link.connect(parties.client_config())
    message_1 = link.sent[0][2]
    for port in range(1, 30):
        link.deliver(message_1, (DEVICE[0], port))
    assert half_open(link) == 10
    for port in range(1, 30):
        challenge = decode(link.deliver(message_1, (DEVICE[0], 100 + port))[0]).value(Option.ECHO)
        assert challenge is not None
        again = decode(message_1)
        options = tuple(sorted((*again.options, (int(Option.ECHO), challenge))))
        proven = link.deliver(replace(again, options=options).encode(), (DEVICE[0], 100 + port))
        assert decode(proven[0]).code is Code.SERVICE_UNAVAILABLE
    assert half_open(link) == 10


def test_a_session_belongs_to_its_address() -> None:
    link = linked()
    datagram = link.sealed(request())
    assert refused(link.deliver(datagram, ELSEWHERE)).code is Code.BAD_REQUEST
    link.deliver(datagram)
    assert len(link.opened()) == 1


def test_identifiers_do_not_run_out_and_rest_before_they_are_used_again() -> None:
    link = linked()
    identifiers = Identifiers(link.rng, lambda identifier: identifier == SMALL[0])
    taken = [identifiers.take(b"", 0.0) for _ in range(40_000)]
    assert len(set(taken)) == len(taken)
    assert {len(one) for one in taken} == {1, 2, 3}
    assert sum(one in SMALL for one in taken[:24]) == 24
    assert SMALL[0] not in taken
    for one in taken:
        identifiers.release(one, 0.0)
    assert len(identifiers.take(b"", 10.0)) == 3
    assert identifiers.take(b"", 1000.0) in SMALL


def test_a_peer_whose_tokens_repeat_never_gets_an_answer_for_another_request() -> None:
    link = talking()
    (association,) = link.opened()
    link.say(request(2, b"\x02", b"first"))
    link.say(request(3, b"\x02", b"second"))
    late = Message(MessageType.CON, Code.CHANGED, 500, b"\x02", (), b"to the first")
    assert link.server.seal(association, late.encode()) is None
    received = len(link.client_received())
    link.tell(answer(request(3, b"\x02"), b"to the second"))
    assert [message.payload for message in link.client_received()[received:]] == [b"to the second"]


def test_an_error_without_protection_only_rejects() -> None:
    link = talking()
    link.passes = lambda datagram, source, destination: False
    link.say(request(2, b"\x02"))
    spoofed: list[Callable[[], Message]] = [
        lambda: Message(MessageType.NON, Code.UNAUTHORIZED, 9, b"\x02"),
        lambda: Message(MessageType.ACK, Code.UNAUTHORIZED, 9, b"\x02"),
        lambda: Message(MessageType.ACK, Code.CONTENT, 2, b"\x02", (), b"a lie"),
    ]
    before = len(link.client_received())
    for make in spoofed:
        link.deliver(make().encode(), SERVER, DEVICE)
    assert len(link.client_received()) == before
    link.deliver(Message(MessageType.ACK, Code.UNAUTHORIZED, 2, b"\x02").encode(), SERVER, DEVICE)
    assert [message.type for message in link.client_received()[before:]] == [MessageType.RST]
