"""The DTLS channel with pre-shared keys, alone and beside certificates."""

from __future__ import annotations

import pytest

from device_pki.identity import PskIdentity
from secure_coap.association import Address
from secure_coap.channels.base import Closed, Received
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig, PskCredential
from secure_coap.channels.dtls.config import MAX_IDENTITY
from secure_coap.channels.dtls.guesses import Guesses
from secure_coap.channels.dtls.session import DtlsSession
from secure_coap.channels.dtls.suites import Suite
from secure_coap.limits import Limits
from tests.secure_coap.dtls_link import SERVER, Link
from tests.secure_coap.pki import hierarchy

DEVICE: Address = ("198.51.100.7", 40_000)
OTHER: Address = ("198.51.100.8", 40_000)
KEY = bytes(range(16))
CREDENTIALS = {b"device-1": PskCredential(KEY, "endpoint-1"), "gerät".encode(): PskCredential(KEY[::-1], "endpoint-2")}
BY_KEY = DtlsServerConfig(psk=CREDENTIALS.get)


def by_both() -> DtlsServerConfig:
    server = hierarchy().server
    return DtlsServerConfig(server.chain, server.key, hierarchy().verify_device, psk=CREDENTIALS.get)


def connected(config: DtlsServerConfig = BY_KEY, identity: str = "device-1", key: bytes = KEY) -> Link:
    link = Link(config)
    link.connect(DEVICE, DtlsClientConfig(psk=(identity, key)))
    link.run()
    return link


def test_both_sides_know_each_other() -> None:
    link = connected()
    (server_side,), client_side = link.opened(), link.client_association(DEVICE)
    assert server_side.peer == PskIdentity("device-1", "endpoint-1")
    assert client_side.peer == PskIdentity("device-1", None)
    assert len(server_side.channel_binding) == 12
    assert server_side.channel_binding == client_side.channel_binding


def test_an_identity_is_utf_8() -> None:
    link = connected(identity="gerät", key=KEY[::-1])
    assert [association.peer for association in link.opened()] == [PskIdentity("gerät", "endpoint-2")]


def test_the_mandatory_suite_is_preferred() -> None:
    (session,) = connected().opened()
    assert isinstance(session, DtlsSession)
    assert session.suite is Suite.PSK_WITH_AES_128_CCM_8


def test_data_both_ways() -> None:
    link = connected()
    link.say(DEVICE, b"up")
    assert link.received() == [b"up"]
    link.tell(link.opened()[0], b"down")
    assert [event.datagram for event in link.client_events[DEVICE] if isinstance(event, Received)] == [b"down"]


@pytest.mark.parametrize("length", [16, 17, 32, 64])
def test_keys_of_16_to_64_bytes(length: int) -> None:
    link = Link(DtlsServerConfig(psk=lambda identity: PskCredential(bytes(length), "endpoint-1")))
    link.connect(DEVICE, DtlsClientConfig(psk=("device-1", bytes(length))))
    link.run()
    assert len(link.opened()) == 1


def test_keys_and_certificates_on_one_socket() -> None:
    link = connected(by_both())
    link.connect(OTHER, hierarchy().client_config())
    link.run()
    assert [association.peer and association.peer.endpoint for association in link.opened()] == [
        "endpoint-1",
        "device-1",
    ]


def test_a_client_with_both_is_served_by_certificate() -> None:
    link, device = Link(by_both()), hierarchy().device
    link.connect(DEVICE, DtlsClientConfig(device.chain, device.key, hierarchy().verify_server, psk=("device-1", KEY)))
    link.run()
    assert [association.peer and association.peer.endpoint for association in link.opened()] == ["device-1"]


def test_without_keys_a_key_is_refused_and_without_certificates_a_certificate() -> None:
    link = connected(hierarchy().server_config())
    assert "alert" in link.client_failure(DEVICE)
    link = Link(BY_KEY)
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    assert "alert" in link.client_failure(DEVICE)


# --- refusals ---


def answers(identity: str, key: bytes) -> list[int]:
    """The sizes of everything the server sends to somebody who tries."""
    link = connected(identity=identity, key=key)
    assert link.opened() == []
    return [len(datagram) for source, _, datagram in link.sent if source == SERVER]


def test_an_unknown_identity_fails_exactly_as_a_wrong_key() -> None:
    wrong_key = answers("device-1", bytes(16))
    assert answers("device-2", KEY) == wrong_key
    assert answers("x" * MAX_IDENTITY, KEY) == wrong_key


@pytest.mark.parametrize("then", [None, PskCredential(bytes(16), "endpoint-1"), PskCredential(KEY, "endpoint-2")])
def test_a_key_withdrawn_or_changed_during_the_handshake_opens_nothing(then: PskCredential | None) -> None:
    answers = iter([PskCredential(KEY, "endpoint-1"), then])
    link = connected(DtlsServerConfig(psk=lambda _: next(answers)))
    assert link.opened() == []
    assert link.closed() == ["the pre-shared key was withdrawn during the handshake"]


def test_an_exception_of_the_second_lookup_opens_nothing() -> None:
    answers = iter([PskCredential(KEY, "endpoint-1")])
    link = connected(DtlsServerConfig(psk=lambda _: next(answers)))
    assert link.opened() == []


def test_an_exception_of_the_lookup_fails_the_handshake() -> None:
    def broken(identity: bytes) -> PskCredential:
        raise ZeroDivisionError("secret")

    link = connected(DtlsServerConfig(psk=broken))
    assert link.opened() == []
    assert link.closed() == ["pre-shared key lookup failed"]
    assert "alert" in link.client_failure(DEVICE)


@pytest.mark.parametrize("key", [b"", bytes(15), bytes(65)])
def test_a_key_of_another_length_is_refused_before_it_is_used(key: bytes) -> None:
    with pytest.raises(ValueError, match=f"16 to 64 random bytes, this one has {len(key)}"):
        PskCredential(key, "endpoint-1")
    with pytest.raises(ValueError, match="16 to 64"):
        DtlsClientConfig(psk=("device-1", key))


@pytest.mark.parametrize("identity", ["", "x" * 129, "é" * 65, "a\0b"])
def test_what_cannot_be_an_identity_is_refused(identity: str) -> None:
    with pytest.raises(ValueError, match="1 to 128 bytes"):
        DtlsClientConfig(psk=(identity, KEY))


def test_a_configuration_is_complete() -> None:
    for config in (DtlsServerConfig, DtlsClientConfig):
        with pytest.raises(ValueError, match="certificates or pre-shared keys"):
            config()
        with pytest.raises(ValueError, match="all of chain"):
            config(hierarchy().device.chain)


# --- sessions of one peer ---


def test_one_peer_has_a_few_sessions_and_the_longest_silent_one_gives_way() -> None:
    link = Link(by_both(), limits=Limits(associations_per_peer=2))
    hosts = [(f"198.51.100.{number}", 1) for number in range(3)]
    link.connect(OTHER, hierarchy().client_config())
    link.connect(DEVICE, DtlsClientConfig(psk=("gerät", KEY[::-1])))
    for address in hosts[:2]:
        link.connect(address, DtlsClientConfig(psk=("device-1", KEY)))
    link.run()
    first, second = (item for item in link.opened() if item.remote in hosts)
    assert isinstance(first, DtlsSession) and isinstance(second, DtlsSession)
    first.heard_at, second.heard_at = 2000.0, 1000.0
    link.connect(hosts[2], DtlsClientConfig(psk=("device-1", KEY)))
    link.run()
    closed = [event.association for event in link.server_events if isinstance(event, Closed)]
    assert closed == [second]
    assert isinstance(link.client_events[second.remote][-1], Closed), "it is told"
    assert len(link.opened()) == 5
    assert link.counters.evicted == 1


def test_a_session_that_ended_takes_no_place() -> None:
    link = Link(BY_KEY, limits=Limits(associations_per_peer=1))
    for port in range(5):
        address = (DEVICE[0], port)
        link.connect(address, DtlsClientConfig(psk=("device-1", KEY)))
        link.run()
        link.clients[address].close(link.client_association(address), "done")
        link.run()
    assert set(link.closed()) == {"closed by the peer"}
    assert link.counters.evicted == 0


# --- guessing ---


def guess(link: Link, port: int, host: str = DEVICE[0], identity: str = "device-1") -> None:
    link.connect((host, port), DtlsClientConfig(psk=(identity, bytes(16))))
    link.run()


def gets_in(link: Link, address: Address) -> bool:
    before = len(link.opened())
    link.connect(address, DtlsClientConfig(psk=("device-1", KEY)))
    link.run()
    return len(link.opened()) > before


def test_after_five_wrong_keys_a_source_waits_a_minute() -> None:
    link = Link(BY_KEY)
    for port in range(4):
        guess(link, port)
    assert gets_in(link, DEVICE), "four are forgiven"
    guess(link, 5, identity="nobody")
    assert not gets_in(link, (DEVICE[0], 6))
    assert gets_in(link, OTHER), "another source is not affected"
    link.now += 59
    assert not gets_in(link, (DEVICE[0], 7))
    link.now += 2
    assert gets_in(link, (DEVICE[0], 8))
    assert link.counters.hellos_paused == 2


def test_guesses_a_minute_apart_do_not_add_up() -> None:
    link = Link(BY_KEY)
    for port in range(10):
        guess(link, port)
        link.server.timer(link.now + 31)
        link.now += 20
    assert gets_in(link, DEVICE)


@pytest.mark.parametrize(
    ("hosts", "outsider"),
    [
        ([f"2001:db8:1:2::{number}" for number in range(5)], "2001:db8:1:3::1"),
        ([f"::ffff:198.51.100.{number}" for number in (7, 7, 7, 7, 7)], "::ffff:198.51.100.8"),
    ],
    ids=["an IPv6 network is one source", "a mapped IPv4 address is itself"],
)
def test_what_counts_as_one_source(hosts: list[str], outsider: str) -> None:
    link = Link(BY_KEY)
    for port, host in enumerate(hosts):
        guess(link, port, host)
    assert not gets_in(link, (hosts[0], 9))
    assert gets_in(link, (outsider, 9))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_no_one_source(host: str) -> None:
    link = Link(BY_KEY)
    for port in range(20):
        guess(link, port, host)
    assert gets_in(link, (host, 20))


def test_one_handshake_is_one_guess_however_often_it_repeats_itself() -> None:
    link = Link(BY_KEY)
    guess(link, 1)
    _, _, last = next(sent for sent in reversed(link.sent) if sent[1] == SERVER)
    for _ in range(20):
        link.deliver(last, (DEVICE[0], 1), SERVER)
    assert gets_in(link, DEVICE)


def test_forged_records_in_a_handshake_that_finishes_are_no_guess() -> None:
    """Off the path, somebody sends protected rubbish in a device's name while it logs in."""
    link, rubbish = Link(BY_KEY), b"\x16\xfe\xfd\0\1" + bytes(5) + b"\x09\0\x28" + bytes(40)

    def forging(datagram: bytes, source: Address, destination: Address) -> bool:
        if destination == SERVER:
            link.deliver(datagram, source, SERVER)
            link.deliver(rubbish, source, SERVER)
        return destination != SERVER

    for port in range(20):
        link.passes = forging
        assert gets_in(link, (DEVICE[0], port))


def test_guesses_are_told_apart_for_the_operator_only() -> None:
    link = Link(BY_KEY)
    guess(link, 1)
    guess(link, 2, identity="nobody")
    link.now += 31
    link.server.timer(link.now)
    link.run()
    counters = link.counters
    assert (counters.wrong_keys, counters.unknown_identities, counters.handshakes_failed) == (1, 1, 2)
    assert link.closed() == ["no proof of the key"] * 2


def test_memory_of_guesses_is_bounded() -> None:
    guesses = Guesses(Limits())
    for number in range(20_000):
        guesses.add(str(number), 1000.0)
    assert len(guesses._times) == 10_000
    guesses.add("another", 2000.0)
    assert len(guesses._times) == 1


def test_no_key_is_ever_shown() -> None:
    key = b"a key to be seen"
    association = connected().opened()[0]
    for item in (PskCredential(key, "endpoint-1"), DtlsClientConfig(psk=("device-1", key)), association.peer):
        assert key.decode() not in repr(item)
        assert key.hex() not in repr(item)
