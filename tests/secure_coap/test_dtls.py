"""The DTLS channel: mutual certificates, refusals, several handshakes from one address."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from device_pki.identity import PeerIdentity
from device_pki.path import PathError, PathReason
from secure_coap.association import Address
from secure_coap.channels.base import Closed, Received
from secure_coap.channels.dtls import DtlsClientConfig
from secure_coap.channels.dtls.handshake import MTU
from secure_coap.channels.dtls.records import split_records
from secure_coap.channels.dtls.session import DtlsSession
from secure_coap.channels.dtls.suites import Suite
from secure_coap.limits import Limits
from tests.secure_coap.dtls_link import SERVER, Link
from tests.secure_coap.pki import Identity, hierarchy, new_key

DEVICE: Address = ("198.51.100.7", 40_000)
OTHER: Address = ("198.51.100.8", 40_000)


def connected(link: Link | None = None) -> Link:
    link = link or Link(hierarchy().server_config())
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    return link


def test_both_sides_know_each_other() -> None:
    link = connected()
    (server_side,), client_side = link.opened(), link.client_association(DEVICE)
    assert server_side.peer is not None
    assert isinstance(client_side.peer, PeerIdentity)
    assert server_side.peer.endpoint == "device-1"
    assert client_side.peer.certificate == hierarchy().server.chain[0]
    assert len(server_side.channel_binding) == 12
    assert server_side.channel_binding == client_side.channel_binding

    assert server_side.remote == DEVICE


def test_the_mandatory_suite_is_preferred() -> None:
    link = connected()
    (session,) = link.opened()
    assert isinstance(session, DtlsSession)
    assert session.suite is Suite.ECDHE_ECDSA_WITH_AES_128_CCM_8


def test_data_both_ways() -> None:
    link = connected()
    link.say(DEVICE, b"up")
    assert link.received() == [b"up"]
    link.tell(link.opened()[0], b"down")
    assert [event.datagram for event in link.client_events[DEVICE] if isinstance(event, Received)] == [b"down"]


def test_a_chain_beneath_a_p384_root() -> None:
    big = hierarchy("big", ec.SECP384R1)
    link = Link(big.server_config())
    link.connect(DEVICE, big.client_config())
    link.run()
    assert len(link.opened()) == 1


def test_handshake_datagrams_respect_the_mtu() -> None:
    link = connected()
    assert max(len(datagram) for _, _, datagram in link.sent) <= MTU


def test_each_handshake_has_its_own_binding() -> None:
    link = connected()
    link.connect(OTHER, hierarchy().client_config(device=hierarchy().other_device))
    link.run()
    first, second = link.opened()
    assert first.channel_binding != second.channel_binding
    assert second.peer is not None
    assert second.peer.endpoint == "device-2"


# --- refusals ---


def refusing(error: Exception) -> object:
    def verify(chain: Sequence[x509.Certificate]) -> PeerIdentity:
        raise error

    return verify


def test_a_stranger_is_refused_with_an_alert_before_any_data() -> None:
    link = Link(hierarchy().server_config())
    link.connect(DEVICE, hierarchy("stranger").client_config(verify=hierarchy().verify_server))
    link.run()
    assert link.opened() == []
    (reason,) = link.closed()
    assert "no path to an anchor" in reason
    assert "alert" in link.client_failure(DEVICE)


def test_a_false_server_is_refused_by_the_device() -> None:
    link = Link(hierarchy("stranger").server_config(verify=hierarchy().verify_device))
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    assert "no path to an anchor" in link.client_failure(DEVICE)
    assert "alert" in link.closed()[0]


def test_a_device_certificate_does_not_make_a_server() -> None:
    hall = hierarchy()
    link = Link(type(hall.server_config())(hall.device.chain, hall.device.key, hall.verify_device))
    link.connect(DEVICE, hall.client_config())
    link.run()
    assert "certificate refused" in link.client_failure(DEVICE)


def test_a_key_that_is_not_the_certificates_does_not_configure() -> None:
    with pytest.raises(Exception, match="mismatch"):
        Link(type(hierarchy().server_config())(hierarchy().server.chain, new_key(), hierarchy().verify_device))


@pytest.mark.parametrize("error", [PathError(PathReason.REVOKED), KeyError("x"), RecursionError(), AssertionError()])
def test_any_exception_of_verify_refuses(error: Exception) -> None:
    link = Link(hierarchy().server_config(verify=refusing(error)))  # type: ignore[arg-type]
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    assert link.opened() == []
    assert link.closed()[0].startswith("certificate refused")
    assert "alert" in link.client_failure(DEVICE)


def test_more_than_four_certificates_are_not_even_looked_at() -> None:
    from datetime import UTC, datetime, timedelta

    from device_pki import issue

    validity = issue.Validity.lasting(datetime.now(UTC), timedelta(days=1))
    key = new_key()
    issuer = issue.Issuer(issue.root_ca(key, "long root", validity), key)
    chain: list[x509.Certificate] = []
    for depth in range(6):
        key = new_key()
        certificate = issue.intermediate_ca(issuer, key.public_key(), f"CA {depth}", validity)
        chain.insert(0, certificate)
        issuer = issue.Issuer(certificate, key)
    leaf_key = new_key()
    leaf = issue.factory_device(issuer, leaf_key.public_key(), "deep", validity)
    looked: list[object] = []
    link = Link(hierarchy().server_config(verify=looked.append))  # type: ignore[arg-type]
    link.connect(DEVICE, hierarchy().client_config(device=Identity((leaf, *chain), leaf_key)))
    link.run()
    assert looked == []
    assert "more than 4 certificates" in link.closed()[0]


# --- one address, several associations ---


def test_a_rebooted_device_gets_in_again_from_the_same_port() -> None:
    link = connected()
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    first, second = link.opened()
    assert first is not second
    closed = [event for event in link.server_events if isinstance(event, Closed)]
    assert [(event.association, event.opened) for event in closed] == [(first, True)]
    link.say(DEVICE, b"again")
    assert link.received() == [b"again"]


def test_an_unfinished_handshake_leaves_the_session_alone() -> None:
    link = connected()
    old_client = link.clients[DEVICE]
    old_association = link.client_association(DEVICE)
    link.passes = lambda datagram, source, destination: destination == SERVER  # the newcomer hears nothing
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    link.deliver(old_client.seal(old_association, b"still here") or b"", DEVICE, SERVER)
    link.run()
    assert link.received() == [b"still here"]
    assert len(link.opened()) == 1
    assert link.closed() == []


def test_a_refused_newcomer_leaves_the_session_alone() -> None:
    link = connected()
    old_client, old_association = link.clients[DEVICE], link.client_association(DEVICE)
    link.connect(DEVICE, hierarchy("stranger").client_config(verify=hierarchy().verify_server))
    link.run()
    link.deliver(old_client.seal(old_association, b"still here") or b"", DEVICE, SERVER)
    link.run()
    assert link.received() == [b"still here"]


def test_records_of_a_replaced_session_vanish() -> None:
    link = connected()
    old_client, old_association = link.clients[DEVICE], link.client_association(DEVICE)
    link.connect(DEVICE, hierarchy().client_config())
    link.run()
    link.deliver(old_client.seal(old_association, b"from the past") or b"", DEVICE, SERVER)
    link.say(DEVICE, b"now")
    assert link.received() == [b"now"]


def test_a_session_does_not_follow_its_records_to_another_address() -> None:
    link = connected()
    link.deliver(link.clients[DEVICE].seal(link.client_association(DEVICE), b"moved") or b"", OTHER, SERVER)
    link.run()
    assert link.received() == []


# --- the end of a session ---


def test_close_notify_ends_both_sides() -> None:
    link = connected()
    link.clients[DEVICE].close(link.client_association(DEVICE), "done")
    link.run()
    assert link.closed() == ["closed by the peer"]
    link = connected()
    link.server.close(link.opened()[0], "dropped")
    link.run()
    assert isinstance(link.client_events[DEVICE][-1], Closed)
    assert link.closed() == ["dropped"]


def test_sending_into_a_closed_session_is_nothing() -> None:
    link = connected()
    (association,) = link.opened()
    link.server.close(association, "dropped")
    assert link.server.seal(association, b"late") is None
    link.server.close(association, "twice")
    link.run()
    assert link.closed() == ["dropped"]


@pytest.mark.parametrize("content_type", [20, 21, 22, 23])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_forged_records_do_not_end_a_session(content_type: int, epoch: int) -> None:
    link = connected()
    for body in (b"", b"\x02\x28", b"\x01", bytes(40), bytes(300)):
        header = bytes((content_type, 0xFE, 0xFD)) + epoch.to_bytes(2, "big") + bytes(5) + b"\x63"
        forged = header + len(body).to_bytes(2, "big") + body
        link.deliver(forged, DEVICE, SERVER)
        link.deliver(forged, SERVER, DEVICE)
    link.say(DEVICE, b"unmoved")
    assert link.received() == [b"unmoved"]
    assert link.closed() == []


def test_replayed_records_are_delivered_once() -> None:
    link = connected()
    link.say(DEVICE, b"once")
    _, _, datagram = next(sent for sent in reversed(link.sent) if sent[1] == SERVER)
    link.deliver(datagram, DEVICE, SERVER)
    link.run()
    assert link.received() == [b"once"]


# --- bounds ---


def stalled(link: Link, address: Address, config: DtlsClientConfig) -> None:
    """A handshake that proves its address and then says nothing more."""
    link.connect(address, config)
    link.passes = lambda datagram, source, destination: all(
        record.client_random is not None or destination != SERVER for record in split_records(datagram)
    )
    link.run()


def test_half_open_handshakes_of_one_source_are_bounded_and_give_way() -> None:
    link = Link(hierarchy().server_config(), limits=Limits(half_open_per_source=3))
    for port in range(3):
        stalled(link, (DEVICE[0], port), hierarchy().client_config())
    link.passes = lambda *_: True
    connected(link)
    assert link.opened() == [], "all places of this source are taken"
    link.connect(OTHER, hierarchy().client_config())
    link.run()
    assert len(link.opened()) == 1, "another source is not affected"
    link.now += 6
    connected(link)
    assert len(link.opened()) == 2, "a stalled handshake gave way"


def test_half_open_handshakes_in_all_are_bounded() -> None:
    link = Link(hierarchy().server_config(), limits=Limits(half_open=2))
    for number in range(2):
        stalled(link, (f"198.51.100.{number}", 1), hierarchy().client_config())
    link.passes = lambda *_: True
    connected(link)
    assert link.opened() == []


def test_a_handshake_ends_after_its_time() -> None:
    link = Link(hierarchy().server_config())
    stalled(link, DEVICE, hierarchy().client_config())
    assert link.server.next_timer(link.now) is not None
    link.now += 31
    link.server.timer(link.now)
    link.run()
    assert link.closed() == ["handshake took too long"]
    assert link.server.next_timer(link.now) is None


def test_a_client_gives_up_after_its_time() -> None:
    link = Link(hierarchy().server_config())
    client = link.connect(DEVICE, hierarchy().client_config())
    link.now += 31
    client.timer(link.now)
    link.passes = lambda *_: False
    link.run()
    assert "took too long" in link.client_failure(DEVICE)


def test_associations_are_bounded() -> None:
    link = connected(Link(hierarchy().server_config(), limits=Limits(associations=1)))
    link.connect(OTHER, hierarchy().client_config())
    link.run()
    assert len(link.opened()) == 1
