"""Whatever is said to a DTLS server, in whatever order: it opens nothing for it, and serves the next one."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secure_coap.association import Address
from secure_coap.channels.base import Opened
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig, PskCredential
from tests.secure_coap.dtls_link import SERVER, Link
from tests.secure_coap.pki import hierarchy

DEVICE: Final[Address] = ("198.51.100.7", 40_000)
FORGER: Final[Address] = ("198.51.100.8", 40_000)
KEY: Final = bytes(range(16))
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def new_link() -> Link:
    own = hierarchy().server
    keys = {b"device-1": PskCredential(KEY, "device-1")}
    return Link(DtlsServerConfig(own.chain, own.key, hierarchy().verify_device, psk=keys.get))


def recorded(config: DtlsClientConfig) -> list[bytes]:
    """What a client says in a good handshake and after it, to a server that is gone now."""
    link = new_link()
    link.connect(DEVICE, config)
    link.run()
    link.say(DEVICE, b"data")
    return [datagram for _, destination, datagram in link.sent if destination == SERVER]


@pytest.fixture(scope="module", params=["certificate", "key"])
def spoken(request: pytest.FixtureRequest) -> list[bytes]:
    by_key = DtlsClientConfig(psk=("device-1", KEY))
    return recorded(by_key if request.param == "key" else hierarchy().client_config())


def still_serves(link: Link) -> bool:
    link.connect(DEVICE, DtlsClientConfig(psk=("device-1", KEY)))
    link.run()
    link.say(DEVICE, b"honest")
    return b"honest" in link.received()


@FEW
@given(data=st.data())
def test_a_handshake_replayed_in_pieces(spoken: list[bytes], data: st.DataObject) -> None:
    """Repeated, reordered, cut, with changed bits, and each piece from one of two addresses."""
    link = new_link()
    for _ in range(data.draw(st.integers(1, 25))):
        datagram = bytearray(data.draw(st.sampled_from(spoken)))
        if data.draw(st.booleans()):
            for at in data.draw(st.lists(st.integers(0, len(datagram) - 1), max_size=3)):
                datagram[at] ^= data.draw(st.integers(1, 255))
        cut = data.draw(st.one_of(st.just(len(datagram)), st.integers(0, len(datagram))))
        link.deliver(bytes(datagram[:cut]), data.draw(st.sampled_from([FORGER, DEVICE])), SERVER)
    link.run()
    assert [event for event in link.server_events if isinstance(event, Opened)] == []
    assert link.received() == []
    assert still_serves(link)


@FEW
@given(data=st.data())
def test_a_good_handshake_among_rubbish(data: st.DataObject) -> None:
    """Somebody forges protected and unknown records in the device's name while it logs in: it gets in all the same."""
    link = new_link()
    rubbish = st.builds(
        lambda kind, epoch, number, body: (
            bytes((kind, 0xFE, 0xFD)) + epoch.to_bytes(2) + number.to_bytes(6) + len(body).to_bytes(2) + body
        ),
        st.integers(0, 255),
        st.integers(1, 0xFFFF),
        st.integers(0, (1 << 48) - 1),
        st.binary(max_size=80),
    )

    def forged(datagram: bytes, source: Address, destination: Address) -> bool:
        if destination == SERVER:
            for piece in data.draw(st.lists(rubbish, max_size=3)):
                link.deliver(piece, source, SERVER)
        return True

    link.passes = forged
    assert still_serves(link)
