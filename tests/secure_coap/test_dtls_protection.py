"""The protection of records after the handshake: keys, nonces, forgeries, repetitions, and the last flight."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from secure_coap.association import Address
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig, PskCredential
from secure_coap.channels.dtls.protection import RecordProtection, Secrets, prf
from secure_coap.channels.dtls.records import Alert, AlertLevel, ContentType, HandshakeType, split_records
from secure_coap.channels.dtls.session import DtlsSession
from secure_coap.channels.dtls.suites import Suite
from tests.secure_coap.dtls_link import SERVER, Link
from tests.secure_coap.pki import hierarchy

DEVICE: Address = ("198.51.100.7", 40_000)
DATA = ContentType.APPLICATION_DATA
SUITES = pytest.mark.parametrize("suite", Suite)
FINISHED = bytes.fromhex("16fefd 0001 000000000000 0028 0001000000000000") + bytes(32)


def pair(suite: Suite, *, sent: bytes = FINISHED) -> tuple[RecordProtection, RecordProtection]:
    """Client and server of one session."""
    secrets = Secrets(suite, bytes(48), b"c" * 32, b"s" * 32)
    return (
        RecordProtection(secrets, is_client=True, sent=sent),
        RecordProtection(secrets, is_client=False, sent=sent),
    )


def test_the_pseudorandom_function() -> None:
    """The vector that circulates since the working group's P_SHA256 (TLS list, 2009)."""
    output = prf(
        bytes.fromhex("9bbe436ba940f017b17652849a71db35"),
        b"test label",
        bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c"),
        100,
    )
    assert output.hex() == (
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17"
        "abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66"
    )


@SUITES
def test_both_directions(suite: Suite) -> None:
    client, server = pair(suite)
    for text in (b"", b"x", bytes(1200)):
        assert server.open(client.seal(DATA, text)) == (DATA, text)
        assert client.open(server.seal(DATA, text)) == (DATA, text)


@SUITES
def test_a_record_does_not_open_its_own_direction(suite: Suite) -> None:
    client, _ = pair(suite)
    assert client.open(client.seal(DATA, b"mirror")) is None


@SUITES
def test_every_changed_bit_is_noticed_and_harms_nothing(suite: Suite) -> None:
    client, server = pair(suite)
    record = client.seal(DATA, b"payload")
    for at in range(len(record)):
        if at in (11, 12):
            continue  # the length is the splitter's: a record is whole before it comes here
        changed = bytearray(record)
        changed[at] ^= 1
        assert server.open(bytes(changed)) is None
    assert server.open(record) == (DATA, b"payload")


def test_records_too_short_for_a_tag_are_ignored() -> None:
    _, server = pair(Suite.PSK_WITH_AES_128_CCM_8)
    for size in range(16):
        (record,) = split_records(b"\x17\xfe\xfd\x00\x01" + bytes(5) + b"\x09" + size.to_bytes(2, "big") + bytes(size))
        assert server.open(record.data) is None


@pytest.mark.parametrize("explicit", [1 << 48, (1 << 64) - 2])
def test_explicit_nonces_go_on_where_the_handshake_stopped(explicit: int) -> None:
    sent = FINISHED[:13] + explicit.to_bytes(8, "big") + FINISHED[21:]
    client, server = pair(Suite.PSK_WITH_AES_128_GCM_SHA256, sent=sent)
    nonces = [explicit]
    for number in range(1, 5):
        record = client.seal(DATA, b"")
        assert record[3:11] == b"\0\1" + number.to_bytes(6, "big")
        assert server.open(record) is not None
        nonces.append(int.from_bytes(record[13:21], "big"))
    assert nonces == [(explicit + step) % (1 << 64) for step in range(5)]


@given(st.permutations(range(120)), st.data())
def test_whatever_the_order_each_record_counts_once(order: list[int], data: st.DataObject) -> None:
    client, server = pair(Suite.PSK_WITH_AES_128_CCM_8)
    records = [client.seal(DATA, bytes((number,))) for number in range(120)]
    again = data.draw(st.lists(st.sampled_from(range(120)), max_size=40))
    seen: list[int] = []
    highest = -1
    for number in (*order, *again):
        opened = server.open(records[number])
        fresh = number not in seen and number > highest - 64
        assert (opened is not None) is fresh
        if opened is not None:
            seen.append(number)
        highest = max(highest, number)


# --- in a session ---


def by_key() -> Link:
    link = Link(DtlsServerConfig(psk=lambda identity: PskCredential(bytes(16), "endpoint-1")))
    link.connect(DEVICE, DtlsClientConfig(psk=("device-1", bytes(16))))
    return link


def sessions(link: Link) -> tuple[DtlsSession, DtlsSession]:
    client, (server,) = link.client_association(DEVICE), link.opened()
    assert isinstance(client, DtlsSession) and isinstance(server, DtlsSession)
    return client, server


def seal(session: DtlsSession, content_type: int, plaintext: bytes) -> bytes:
    assert session._protection is not None
    return session._protection.seal(content_type, plaintext)


@pytest.mark.parametrize("by_certificate", [True, False])
def test_a_lost_last_flight_is_sent_again(by_certificate: bool) -> None:
    link = by_key()
    if by_certificate:
        link = Link(hierarchy().server_config())
        link.connect(DEVICE, hierarchy().client_config())
    link.passes = lambda datagram, source, destination: destination == SERVER or datagram[0] == ContentType.HANDSHAKE
    link.run()
    assert len(link.opened()) == 1
    assert link.client_events[DEVICE] == [], "the flight that begins with ChangeCipherSpec was lost"
    link.passes = lambda *_: True
    _, _, last = next(sent for sent in reversed(link.sent) if sent[1] == SERVER)
    link.deliver(last, DEVICE, SERVER)
    link.run()
    link.say(DEVICE, b"at last")
    assert link.received() == [b"at last"]
    link.deliver(last, DEVICE, SERVER)
    assert link.server.datagrams() == [], "who sent data has the flight"


def test_nothing_of_openssl_stays_in_an_open_session() -> None:
    link = by_key()
    link.run()
    gc.collect()
    connections = SSL.Connection._reverse_mapping
    before = len(connections)
    gc.disable()
    try:
        for port in range(20):
            link.connect((DEVICE[0], port), DtlsClientConfig(psk=("device-1", bytes(16))))
            link.run()
        assert len(connections) == before, "not even until the next garbage collection"
    finally:
        gc.enable()
    assert len(link.opened()) == 21


@pytest.mark.parametrize("message", [HandshakeType.HELLO_REQUEST, HandshakeType.CLIENT_HELLO])
def test_renegotiation_is_declined(message: HandshakeType) -> None:
    link = by_key()
    link.run()
    client, _ = sessions(link)
    link.deliver(seal(client, ContentType.HANDSHAKE, bytes((message,)) + bytes(11)), DEVICE, SERVER)
    ((_, answer),) = link.server.datagrams()
    assert client._protection is not None
    assert client._protection.open(answer) == (
        ContentType.ALERT,
        bytes((AlertLevel.WARNING, Alert.NO_RENEGOTIATION)),
    )
    assert link.closed() == []
    link.say(DEVICE, b"unmoved")
    assert link.received() == [b"unmoved"]


def test_a_fatal_alert_ends_the_session_and_other_warnings_do_not() -> None:
    link = by_key()
    link.run()
    client, _ = sessions(link)
    for harmless in (b"\x01\x5a", b"", b"\x02", b"\x02\x28\x00"):
        link.deliver(seal(client, ContentType.ALERT, harmless), DEVICE, SERVER)
        link.run()
        assert link.closed() == []
    link.deliver(seal(client, ContentType.ALERT, b"\x02\x28"), DEVICE, SERVER)
    link.run()
    assert link.closed() == ["session failed: alert 40 of the peer"]


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Secrets(Suite.PSK_WITH_AES_128_CCM, b"secret", b"", b""))
