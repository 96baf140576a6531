"""The DTLS channel with pre-shared keys, alone and beside certificates."""

from __future__ import annotations

import pytest

from device_pki.identity import PskIdentity
from secure_coap.association import Address
from secure_coap.channels.base import Received
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig, PskCredential
from secure_coap.channels.dtls.config import MAX_IDENTITY
from secure_coap.channels.dtls.session import DtlsSession
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
    assert session.cipher == "PSK-AES128-CCM8"


def test_data_both_ways() -> None:
    link = connected()
    link.say(DEVICE, b"up")
    assert link.received() == [b"up"]
    link.server.send(link.opened()[0], b"down", link.now)
    link.run()
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


def test_no_key_is_ever_shown() -> None:
    key = b"a key to be seen"
    association = connected().opened()[0]
    for item in (PskCredential(key, "endpoint-1"), DtlsClientConfig(psk=("device-1", key)), association.peer):
        assert key.decode() not in repr(item)
        assert key.hex() not in repr(item)
