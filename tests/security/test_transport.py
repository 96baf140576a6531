"""Security tests 30-35 and 38 at the transport, numbered as in the project's security rules."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
from cryptography import x509
from OpenSSL import SSL

from device_pki.identity import PeerIdentity
from secure_coap.association import Address
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig, PskCredential, psk
from secure_coap.channels.dtls.cookies import CookieListener
from secure_coap.channels.dtls.peer_check import PeerCheck
from secure_coap.channels.dtls.records import HANDSHAKE_HEADER, RECORD_HEADER, split_records
from secure_coap.engine import AddressProof
from secure_coap.engine.blocks import Block
from secure_coap.exchange import Response
from secure_coap.limits import Limits
from secure_coap.message import Message, MessageType
from secure_coap.numbers import Code, Option
from tests.secure_coap.dtls_link import SERVER, Link
from tests.secure_coap.pki import hierarchy
from tests.secure_coap.simulation import Bench

DEVICE: Address = ("198.51.100.7", 40_000)
VICTIM: Address = ("203.0.113.9", 5683)
_RANDOM = RECORD_HEADER + HANDSHAKE_HEADER + 2


KEY = bytes(range(16))


def by_certificate_or_key() -> DtlsServerConfig:
    own = hierarchy().server
    keys = {b"device-1": PskCredential(KEY, "device-1")}
    return DtlsServerConfig(own.chain, own.key, hierarchy().verify_device, psk=keys.get)


def client_of(kind: str) -> DtlsClientConfig:
    return hierarchy().client_config() if kind == "certificate" else DtlsClientConfig(psk=("device-1", KEY))


KINDS = pytest.mark.parametrize("kind", ["certificate", "key"])


def client_hello(link: Link, address: Address = DEVICE, kind: str = "certificate") -> bytes:
    """A real ClientHello without cookie."""
    client = link.connect(address, client_of(kind))
    ((_, hello),) = client.datagrams()
    del link.clients[address]
    return hello


def spoofed(hello: bytes, rng: random.Random) -> tuple[bytes, Address]:
    """The same hello with another random, from another address."""
    address = (f"198.18.{rng.randrange(256)}.{rng.randrange(256)}", rng.randrange(1024, 65536))
    return hello[:_RANDOM] + rng.randbytes(32) + hello[_RANDOM + 32 :], address


# --- 30 ---


@KINDS
def test_30_spoofed_client_hellos_leave_no_state_and_amplify_little(kind: str) -> None:
    link = Link(by_certificate_or_key())
    hello, rng, process = client_hello(link, kind=kind), random.Random(30), psutil.Process()

    def flood(count: int) -> None:
        for _ in range(count):
            datagram, address = spoofed(hello, rng)
            link.server.receive(datagram, address, link.now)
            replies = link.server.datagrams()
            assert len(replies) <= 1
            assert sum(len(reply) for _, reply in replies) <= 3 * len(datagram)

    link.server.receive(hello, VICTIM, link.now)
    assert len(link.server.datagrams()) == 1, "a hello without cookie is answered"
    flood(2_000)  # whatever is allocated once
    before = process.memory_info().rss
    flood(100_000)
    assert process.memory_info().rss - before <= 1 << 20
    assert link.server.events() == []
    assert link.server.next_timer(link.now) is None, "no handshake is in progress"


def test_30_garbage_gets_no_reply_at_all() -> None:
    link, rng = Link(hierarchy().server_config()), random.Random(31)
    hello = client_hello(link)
    for size in range(len(hello)):
        link.deliver(hello[:size], DEVICE, SERVER)
        link.deliver(rng.randbytes(size), DEVICE, SERVER)
    assert link.server.datagrams() == []
    assert link.server.events() == []


# --- 31 ---


def hello_with_cookie(link: Link, kind: str = "certificate") -> bytes:
    """A ClientHello whose cookie is good for DEVICE."""
    client = link.connect(DEVICE, client_of(kind))
    ((_, first),) = client.datagrams()
    link.server.receive(first, DEVICE, link.now)
    ((_, verify_request),) = link.server.datagrams()
    client.receive(verify_request, SERVER, link.now)
    ((_, second),) = client.datagrams()
    del link.clients[DEVICE]
    return second


def is_verify_request(datagram: bytes) -> bool:
    return datagram[0] == 22 and datagram[RECORD_HEADER] == 3


def test_31_a_cookie_is_good_for_its_address_only() -> None:
    link = Link(hierarchy().server_config())
    hello = hello_with_cookie(link)
    for address in (VICTIM, (DEVICE[0], DEVICE[1] + 1)):
        link.server.receive(hello, address, link.now)
        ((_, reply),) = link.server.datagrams()
        assert is_verify_request(reply)
    link.server.receive(hello, DEVICE, link.now)
    assert not any(is_verify_request(reply) for _, reply in link.server.datagrams())


def test_31_a_cookie_expires() -> None:
    link = Link(hierarchy().server_config())
    hello = hello_with_cookie(link)
    link.now += 121
    link.server.receive(hello, DEVICE, link.now)
    ((_, reply),) = link.server.datagrams()
    assert is_verify_request(reply)


def test_31_resumption_begins_with_a_cookie_and_is_a_full_handshake() -> None:
    """A hello that names a session gets the same treatment as any: cookie first, then certificates."""
    link = Link(hierarchy().server_config())
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    binding = link.opened()[0].channel_binding
    hello = client_hello(link, VICTIM)
    session_length = _RANDOM + 32
    named = bytearray(hello[:session_length] + b"\x20" + bytes(32) + hello[session_length + 1 :])
    for at, size in ((11, 2), (14, 3), (22, 3)):  # record length, message length, fragment length
        named[at : at + size] = (int.from_bytes(named[at : at + size], "big") + 32).to_bytes(size, "big")
    link.server.receive(bytes(named), VICTIM, link.now)
    ((_, reply),) = link.server.datagrams()
    assert is_verify_request(reply)
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    assert link.opened()[1].channel_binding != binding


# --- 32 ---


def fragment(kind: int, length: int, sequence: int, offset: int, body: bytes, size: int | None = None) -> bytes:
    """A handshake fragment in an unprotected record."""
    header = bytes((kind,)) + length.to_bytes(3, "big") + sequence.to_bytes(2, "big") + offset.to_bytes(3, "big")
    content = header + (len(body) if size is None else size).to_bytes(3, "big") + body
    return b"\x16\xfe\xfd" + bytes(6) + b"\x09\x09" + len(content).to_bytes(2, "big") + content


FRAGMENTS = {
    "empty": fragment(11, 500, 2, 0, b""),
    "no message": b"\x16\xfe\xfd" + bytes(10),
    "beyond the end": fragment(11, 10, 2, 5, bytes(10)),
    "longer than the record": fragment(11, 500, 2, 0, bytes(10), size=400),
    "enormous claim": fragment(11, 0xFFFFFF, 2, 0, bytes(10)),
    "mixed lengths": fragment(11, 500, 2, 0, bytes(10)) + fragment(11, 400, 2, 10, bytes(10)),
    "overlapping": fragment(11, 500, 2, 0, bytes(100)) + fragment(11, 500, 2, 50, bytes(100)),
    "mixed messages": fragment(11, 500, 2, 0, bytes(10)) + fragment(16, 500, 2, 10, bytes(10)),
    "fragmented hello": fragment(1, 500, 0, 0, bytes(100)),
}


@pytest.mark.parametrize("name", FRAGMENTS)
def test_32_strange_fragments_do_no_harm(name: str) -> None:
    """Sent into an open session, a handshake in progress and nothing: no reply, no growth, no time."""
    link = Link(hierarchy().server_config())
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    began = time.process_time()
    for _ in range(1000):
        link.deliver(FRAGMENTS[name], DEVICE, SERVER)
        link.deliver(FRAGMENTS[name], VICTIM, SERVER)
    assert time.process_time() - began < 1.0
    assert link.server.datagrams() == []
    link.say(DEVICE, b"unmoved")
    assert link.received() == [b"unmoved"]


@KINDS
@pytest.mark.parametrize("name", FRAGMENTS)
def test_32_strange_fragments_in_a_handshake_are_bounded(name: str, kind: str) -> None:
    link = Link(by_certificate_or_key())
    link.server.receive(hello_with_cookie(link, kind), DEVICE, link.now)
    link.server.datagrams()
    began = time.process_time()
    for _ in range(1000):
        link.deliver(FRAGMENTS[name], DEVICE, SERVER)
    assert time.process_time() - began < 1.0
    link.run()
    assert link.opened() == []
    assert sum(len(datagram) for _, _, datagram in link.sent) < 200, "at most an alert"


def test_32_a_handshake_may_not_send_for_ever() -> None:
    link = Link(hierarchy().server_config(), limits=Limits(handshake_bytes=4096))
    link.server.receive(hello_with_cookie(link), DEVICE, link.now)
    for number in range(100):
        link.deliver(fragment(11, 8000, 2, number * 50, bytes(50)), DEVICE, SERVER)
    link.run()
    assert link.closed() == ["handshake too large"]
    assert link.server.next_timer(link.now) is None


# --- 33 ---


def test_33_an_exception_in_verify_fails_the_handshake_on_either_side() -> None:
    def broken(chain: Sequence[x509.Certificate]) -> PeerIdentity:
        raise ZeroDivisionError

    for server_verify, client_verify in ((broken, None), (None, broken)):
        link = Link(hierarchy().server_config(verify=server_verify))
        link.connect(DEVICE, hierarchy().client_config(verify=client_verify))
        link.run()
        assert link.opened() == []


@pytest.mark.parametrize("callback", ["key_of_peer", "own_key"])
@pytest.mark.parametrize("error", [ZeroDivisionError, MemoryError, KeyboardInterrupt])
def test_33_an_exception_in_a_key_callback_fails_the_handshake(
    monkeypatch: pytest.MonkeyPatch, callback: str, error: type[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(self: PeerCheck, *_: object) -> bytes:
        raise error("never to be printed")

    link = Link(by_certificate_or_key())
    with monkeypatch.context() as patched:
        patched.setattr(PeerCheck, callback, broken)
        link.connect(DEVICE, client_of("key"))
        link.run()
    assert link.opened() == []
    assert link.server.next_timer(link.now) is None or callback == "own_key"
    assert "never to be printed" not in "".join(capfd.readouterr())
    link.connect(DEVICE, client_of("key"))
    link.run()
    assert len(link.opened()) == 1, "the next handshake is not affected"


def test_33_a_key_without_a_check_is_refused() -> None:
    """A connection of our context that nobody gave a `PeerCheck`."""
    link = Link(by_certificate_or_key())
    hello = hello_with_cookie(link, "key")
    connection, _ = link.server._listener.listen(hello, DEVICE, link.now)
    assert connection is not None
    with pytest.raises(TypeError, match="without a check"):
        psk._check_of(connection._ssl)


@pytest.mark.parametrize("key", [b"", bytes(1000)])
def test_33_a_lookup_that_gives_a_useless_key_fails_the_handshake(key: bytes) -> None:
    class Useless:
        endpoint = "device-1"

    useless = Useless()
    useless.key = key  # type: ignore[attr-defined]
    link = Link(DtlsServerConfig(psk=lambda _: useless))  # type: ignore[arg-type, return-value]
    link.connect(DEVICE, client_of("key"))
    link.run()
    assert link.opened() == []


def test_33_an_exception_in_the_cookie_callbacks_fails_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(hierarchy().server_config())
    hello, proven = client_hello(link), hello_with_cookie(link)

    def broken(self: CookieListener, argument: object) -> bool:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(CookieListener, "_cookie", broken)
        patched.setattr(CookieListener, "_accepts", broken)
        for datagram in (hello, proven):
            with suppress(ZeroDivisionError):
                link.server.receive(datagram, DEVICE, link.now)
    assert link.server.datagrams() == []
    assert link.server.next_timer(link.now) is None
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    assert len(link.opened()) == 1, "the next handshake is not affected"


def test_33_a_handshake_without_our_decision_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were OpenSSL ever content without asking us, the session must not open."""
    monkeypatch.setattr(PeerCheck, "see", lambda *_: True)
    link = Link(hierarchy().server_config())
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    assert link.opened() == []
    assert link.received() == []


def test_33_a_session_without_a_check_is_refused() -> None:
    from secure_coap.channels.dtls.peer_check import verify_callback

    connection = SSL.Connection(SSL.Context(SSL.DTLS_METHOD), None)
    assert not verify_callback(connection, None, 0, 0, 1)  # type: ignore[arg-type]


# --- 34 ---


def large_get(token: bytes, *options: tuple[int, bytes]) -> Message:
    return Message(MessageType.CON, Code.GET, int.from_bytes(token, "big"), token, tuple(sorted(options)))


def unproven() -> Bench:
    return Bench(proof=AddressProof(b"secret"))


def answer_to(bench: Bench, question: Message) -> Message:
    """What a resource of 10,000 bytes answers."""
    sent = bench.feed(question)
    if not sent:
        exchange, _ = bench.arrived()
        sent = bench.respond(exchange, Response(Code.CONTENT, bytes(10_000)))
    (answer,) = sent
    return answer


@pytest.mark.parametrize(
    "options",
    [((Option.OBSERVE, b""),), ((Option.BLOCK2, Block(0, False, 6).encode()),), ((Option.BLOCK2, b"\x1e"),), ()],
    ids=["observe", "first block", "further block", "plain"],
)
def test_34_a_spoofed_get_brings_a_small_challenge(options: tuple[tuple[int, bytes], ...]) -> None:
    bench, question = unproven(), large_get(b"\0\1", *options)
    answer = answer_to(bench, question)
    assert answer.code == Code.UNAUTHORIZED
    assert len(answer.value(Option.ECHO) or b"") == 8
    assert len(answer.encode()) <= 3 * len(question.encode())


def test_34_the_shortest_request_brings_no_more_than_three_times_its_bytes() -> None:
    bench = unproven()
    question = Message(MessageType.CON, Code.GET, 1)
    answer = answer_to(bench, question)
    assert answer.code == Code.UNAUTHORIZED
    assert len(answer.encode()) <= 3 * len(question.encode())


def test_34_a_late_answer_is_the_only_one() -> None:
    bench, question = unproven(), Message(MessageType.CON, Code.POST, 1, b"t")
    bench.feed(question)
    exchange, _ = bench.arrived()
    assert bench.wait(30) == []
    (answer,) = bench.respond(exchange, Response(Code.CHANGED))
    assert (answer.type, answer.mid, answer.token) == (MessageType.ACK, 1, b"t")
    assert bench.wait(300) == []
    assert bench.feed(question) in ([answer], []), "repeated to who asks again, or forgotten by now"


def test_34_the_challenge_proves_the_address_and_nothing_else_does() -> None:
    bench = unproven()
    echo = answer_to(bench, large_get(b"\0\1")).value(Option.ECHO) or b""
    other = AddressProof(b"secret").challenge(("192.0.2.1", 5684), bench.now)
    for wrong in (other, bytes(8), echo[:7]):
        assert answer_to(bench, large_get(wrong[:2], (Option.ECHO, wrong))).code == Code.UNAUTHORIZED
    answer = answer_to(bench, large_get(b"\0\2", (Option.ECHO, echo)))
    assert (answer.code, len(answer.payload)) == (Code.CONTENT, 1024)
    assert answer_to(bench, large_get(b"\0\3")).code == Code.CONTENT, "proven from now on"


def test_34_a_challenge_expires() -> None:
    bench = unproven()
    echo = answer_to(bench, large_get(b"\0\1")).value(Option.ECHO) or b""
    bench.now += 241
    assert answer_to(bench, large_get(b"\0\2", (Option.ECHO, echo))).code == Code.UNAUTHORIZED


def test_34_an_unsafe_request_tells_its_outcome_without_the_payload() -> None:
    bench = unproven()
    bench.feed(Message(MessageType.CON, Code.POST, 1, b"t"))
    exchange, _ = bench.arrived()
    (answer,) = bench.respond(exchange, Response(Code.CREATED, bytes(500), location_path=("rd", "5")))
    assert (answer.code, answer.payload) == (Code.CREATED, b"")
    assert answer.options == ((Option.LOCATION_PATH, b"rd"), (Option.LOCATION_PATH, b"5"))


# --- 35 ---


def first_block(mid: int, tag: bytes, *options: tuple[int, bytes], payload: bytes = bytes(1024)) -> Message:
    block = (int(Option.BLOCK1), Block(0, True, 6).encode())
    return Message(
        MessageType.CON, Code.PUT, mid, b"t", tuple(sorted((block, (int(Option.REQUEST_TAG), tag), *options))), payload
    )


def test_35_ten_thousand_first_blocks_stay_within_the_budget() -> None:
    bench = Bench()
    for number in range(10_000):
        (answer,) = bench.feed(first_block(number, number.to_bytes(4, "big")))
        assert answer.code == Code.CONTINUE
        assert bench.budget.used <= 4 * 1024
    block = (int(Option.BLOCK1), Block(1, False, 6).encode())
    orphan = Message(MessageType.CON, Code.PUT, 60_000, b"t", (block, (int(Option.REQUEST_TAG), bytes(4))), b"x")
    assert bench.feed(orphan)[0].code == Code.REQUEST_ENTITY_INCOMPLETE
    assert bench.nothing_arrived()


def test_35_a_lying_size_neither_reserves_nor_exceeds() -> None:
    bench = Bench()
    assert (
        bench.feed(first_block(0, b"a", (Option.SIZE1, b"\xff\xff\xff\xff")))[0].code == Code.REQUEST_ENTITY_TOO_LARGE
    )
    assert bench.budget.used == 0
    answer, number = bench.feed(first_block(1, b"b", (Option.SIZE1, b"\1")))[0], 0
    while answer.code == Code.CONTINUE:
        number += 1
        block = (int(Option.BLOCK1), Block(number, True, 6).encode())
        options = (block, (int(Option.SIZE1), b"\1"), (int(Option.REQUEST_TAG), b"b"))
        (answer,) = bench.feed(Message(MessageType.CON, Code.PUT, 1 + number, b"t", options, bytes(1024)))
        assert bench.budget.used <= 64 * 1024
    assert (answer.code, number) == (Code.REQUEST_ENTITY_TOO_LARGE, 64)
    assert bench.budget.used == 0


def test_35_two_bodies_are_not_mixed() -> None:
    bench = Bench()
    bench.feed(first_block(0, b"a"))
    block = (int(Option.BLOCK1), Block(1, False, 6).encode())
    for mid, tag in enumerate((b"b", b""), start=1):
        mixed = Message(MessageType.CON, Code.PUT, mid, b"t", (block, (int(Option.REQUEST_TAG), tag)), b"x")
        assert bench.feed(mixed)[0].code == Code.REQUEST_ENTITY_INCOMPLETE
    assert bench.nothing_arrived()


# --- 38 ---

MESSAGES = [
    Message(MessageType.CON, Code.GET, 1, b"12345678", ((Option.URI_PATH, b"rd"), (Option.ACCEPT, b"\x2d\x16"))),
    Message(MessageType.CON, Code.POST, 2, b"t", ((Option.URI_QUERY, b"ep=device-1"),), b"</1/0>,</3/0>"),
    Message(MessageType.CON, Code.PUT, 3, b"", ((Option.BLOCK1, b"\x0e"), (Option.REQUEST_TAG, b"tag")), bytes(40)),
    Message(MessageType.NON, Code.GET, 4, b"t", ((Option.URI_PATH, bytes(300)),)),
    Message(MessageType.ACK, Code.CONTENT, 5, b"t", ((Option.ETAG, b"e"), (Option.BLOCK2, b"\x06")), b"payload"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: f"{message.type.name} {message.code.name}")
def test_38_every_truncation_is_reset_or_silence(message: Message) -> None:
    """Or, where the prefix is itself a message, its normal treatment: never an exception, never more than one reply."""
    wire = message.encode()
    for length in range(len(wire)):
        bench = Bench()
        bench.receive(wire[:length])
        replies = bench.sent()
        assert len(replies) <= 1
        assert all(reply.type is MessageType.RST or reply.code.code_class in (2, 4) for reply in replies)
        if message.type is not MessageType.CON:
            assert all(reply.type is not MessageType.ACK for reply in replies)


@pytest.mark.parametrize(
    "wire",
    ["40010001e0fef2e0fef2", "40010001e0fef210", "4801000100", "490100010102030405060708", "40010001ff", "40010001f1"],
    ids=["option wrap", "wrap by one", "cut token", "reserved token length", "empty payload", "reserved delta"],
)
def test_38_malformed_messages_are_reset_and_nothing_more(wire: str) -> None:
    bench = Bench()
    bench.receive(bytes.fromhex(wire))
    assert bench.sent() == [Message.empty(MessageType.RST, 1)]
    assert bench.nothing_arrived()
    bench.receive(bytes((int(wire[:2], 16) | 0x10,)) + bytes.fromhex(wire)[1:])
    assert bench.sent() == [], "a non-confirmable one is ignored"


def test_records_are_whole() -> None:
    """The helper above forges records that are at least cut as intended."""
    assert all(list(split_records(datagram)) for datagram in FRAGMENTS.values())
