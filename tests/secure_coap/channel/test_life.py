"""What an association lives through: new addresses, new keys, the end of its numbers, too many of them, and noise."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_coap.channels.oscore import EdhocClientConfig, OscoreAssociation, OscoreClientConfig
from secure_coap.edhoc import Ead, IdCred, ResolvedCredential
from secure_coap.message import Message, MessageType, decode
from secure_coap.numbers import Code, Option
from tests.secure_coap.channel.link import DEVICE, ROOM, SERVER, Link, answer, request
from tests.secure_coap.channel.parties import Parties, Party

ELSEWHERE = ("198.51.100.9", 5683)


def talking(parties: Parties | None = None, **limits: int) -> tuple[Link, OscoreAssociation]:
    """An association over which one request was made."""
    parties = parties or Parties()
    link = Link(parties.server_config(), limits=replace(ROOM, **limits))
    link.connect(parties.client_config())
    link.say(request())
    link.tell(answer(request()))
    (association,) = link.opened()
    assert isinstance(association, OscoreAssociation)
    return link, association


def is_proven(association: OscoreAssociation) -> bool:
    return association.proven


def test_the_address_follows_the_newest_request_and_has_to_be_proven() -> None:
    link, association = talking()
    assert is_proven(association)
    older, newer = (link.sealed(request(mid, bytes((mid,)))) for mid in (2, 3))
    link.passes = lambda datagram, source, destination: destination == SERVER
    link.deliver(newer, ELSEWHERE)
    assert association.remote == ELSEWHERE
    assert not is_proven(association)
    link.deliver(older, DEVICE)
    assert association.remote == ELSEWHERE
    assert len(link.received()) == 3
    assert link.server.seal(association, answer(request(3, b"\x03")).encode()) is not None


def test_numbers_end_and_the_association_with_them() -> None:
    link, association = talking(sequence_numbers=3)
    for mid in range(3):
        sealed = link.server.seal(association, request(mid, b"\x09").encode())
        assert (sealed is None) is (mid == 3)
    assert link.server.seal(association, request(9, b"\x09").encode()) is None
    link.run()
    assert link.closed() == ["sequence numbers are used up: agree on a new context"]


def test_one_peer_cannot_fill_the_table() -> None:
    parties = Parties()
    link = Link(parties.server_config(), limits=replace(ROOM, associations_per_peer=3))
    for port in range(1, 6):
        address = (DEVICE[0], port)
        link.connect(parties.client_config(), address)
        link.say(request(), address)
    assert len(link.opened()) == 5
    assert link.closed() == ["gave way to a newer association of the same peer"] * 2
    assert link.counters.evicted == 2


def test_when_all_places_are_taken_nobody_gets_in() -> None:
    parties = Parties()
    link = Link(parties.server_config(), limits=replace(ROOM, associations=1))
    link.connect(parties.client_config())
    link.say(request())
    other = (DEVICE[0], 1)
    link.connect(parties.client_config(), other)
    link.say(request(), other)
    assert len(link.opened()) == 1
    assert link.counters.no_room == 1


# --- new keys ---


def renewed(link: Link) -> list[str | None]:
    """Run a key update as far as messages get."""
    outcome: list[str | None] = []
    link.clients[DEVICE].renew(outcome.append, link.now)
    link.run()
    return outcome


def test_both_contexts_serve_until_the_new_one_is_used() -> None:
    link, association = talking()
    old = link.sealed(request(2, b"\x02"))
    waiting = request(3, b"\x03")
    link.say(waiting)
    former = association.context
    assert renewed(link) == [None]
    assert association.context is former, "the server has not seen message 3"
    link.deliver(old)
    link.tell(answer(waiting))
    assert link.client_received()[-1].payload == b"hi"
    link.say(request(4, b"\x04"))
    assert association.context is not former
    assert association.former is None
    assert len(link.opened()) == 1
    received = len(link.received())
    link.deliver(old)
    assert len(link.received()) == received
    link.tell(request(700, b"\x05"))
    assert link.client_received()[-1].code is Code.POST


def test_an_answer_to_a_request_from_before_the_key_update_still_opens() -> None:
    link, association = talking()
    asked = request(300, b"\x70")
    link.tell(asked, association)
    assert renewed(link) == [None]
    link.say(request(4, b"\x04"))
    link.say(Message(MessageType.NON, Code.CONTENT, 9, b"\x70", (), b"late"))
    assert link.received()[-1].payload == b"late"


def test_a_key_update_that_gets_lost_changes_nothing() -> None:
    link, association = talking()
    former = association.context
    link.passes = lambda datagram, source, destination: False
    outcome = renewed(link)
    client = link.clients[DEVICE]
    while not outcome:
        due = client.next_timer(link.now)
        assert due is not None
        link.now = due
        client.timer(link.now)
        link.run()
    assert outcome[0] is not None
    link.passes = lambda datagram, source, destination: True
    link.say(request(5, b"\x05"))
    assert association.context is former
    assert link.received()[-1].mid == 5


def test_another_peer_cannot_renew_an_association() -> None:
    parties, other = Parties(), Party("other", b"\x09")
    config = parties.server_config()
    assert config.edhoc is not None
    known = config.edhoc.resolver

    class Both:
        def resolve(self, id_cred: IdCred, now: datetime) -> ResolvedCredential:
            return (other.known() if id_cred.kid == other.kid else known).resolve(id_cred, now)

    config = replace(config, edhoc=replace(config.edhoc, resolver=Both()))
    link = Link(config)
    link.connect(parties.client_config())
    link.say(request())
    (association,) = link.opened()
    client = link.clients[DEVICE]
    client._config = OscoreClientConfig(EdhocClientConfig(other.identity(), parties.server.known(), combined=False))
    outcome = renewed(link)
    assert outcome and outcome[0] is not None
    assert association.peer == parties.device.peer
    link.say(request(5, b"\x05"))
    assert link.received()[-1].mid == 5


def test_a_refused_message_3_of_a_key_update_leaves_the_keys_of_before() -> None:
    link, association = talking()
    former, binding = association.context, association.channel_binding
    assert renewed(link) == [None]
    assert link.server.edhoc is not None
    link.now += ROOM.handshake_time + 1
    link.server.timer(link.now)
    assert len(link.server.edhoc) == 0, "the server has forgotten message 2"
    link.say(request(5, b"\x05"))
    assert link.client_received()[-1].type is MessageType.RST
    link.say(request(6, b"\x06"))
    assert link.received()[-1].mid == 6
    assert association.context is former
    assert link.client_association().channel_binding == association.channel_binding == binding


def test_renewing_is_the_clients_and_one_at_a_time() -> None:
    link, _ = talking()
    link.passes = lambda datagram, source, destination: False
    assert renewed(link) == []
    with pytest.raises(ValueError, match="one handshake at a time"):
        link.clients[DEVICE].renew(lambda _: None, link.now)


# --- what the peer adds ---


def test_external_authorization_data_reaches_both_applications() -> None:
    parties = Parties()
    server, client = parties.server_config(), parties.client_config()
    assert server.edhoc is not None and client.edhoc is not None
    voucher, first, last = Ead(7, b"voucher"), Ead(8, b"first"), Ead(9, b"last", critical=True)
    server = replace(server, edhoc=replace(server.edhoc, ead=(voucher,), understood=(9,)))
    client = replace(client, edhoc=replace(client.edhoc, ead_1=(first,), ead_3=(last,)))
    link = Link(server)
    link.connect(client)
    link.say(request())
    (association,), ours = link.opened(), link.client_association()
    assert isinstance(association, OscoreAssociation) and isinstance(ours, OscoreAssociation)
    assert association.ead == (first, last)
    assert ours.ead == (voucher,)


def test_critical_data_nobody_understands_ends_the_session() -> None:
    parties = Parties()
    client = parties.client_config()
    assert client.edhoc is not None
    client = replace(client, edhoc=replace(client.edhoc, ead_3=(Ead(9, critical=True),)))
    link = Link(parties.server_config())
    link.connect(client)
    link.say(request())
    assert not link.opened()
    assert "CRITICAL_EAD" not in link.client_failure()
    assert link.counters.handshakes_failed == 1


# --- noise ---


@given(st.binary(max_size=120))
def test_no_datagram_breaks_a_server(datagram: bytes) -> None:
    link, association = _TALKING
    link.deliver(datagram)
    link.deliver(datagram, ELSEWHERE)
    assert link.server.seal(association, request(1, b"\x01").encode()) is not None


@given(st.binary(max_size=80), st.sampled_from([Code.POST, Code.FETCH, Code.CHANGED, Code.CONTENT]), st.booleans())
def test_no_protected_message_breaks_either_side(option: bytes, code: Code, combined: bool) -> None:
    link, _ = _TALKING
    options = [(int(Option.OSCORE), option)] + ([(int(Option.EDHOC), b"")] if combined else [])
    message = Message(MessageType.CON, code, 5, b"\x01", tuple(options), option[::-1])
    link.deliver(message.encode())
    link.deliver(message.encode(), SERVER, DEVICE)
    assert len(link.received()) == 1


@given(st.binary(min_size=1, max_size=120), st.sampled_from([b"\xf5", b"\x05", b"\x41\x80", b""]))
def test_nothing_posted_to_edhoc_breaks_a_server(body: bytes, prefix: bytes) -> None:
    link, _ = _TALKING
    path = tuple((int(Option.URI_PATH), segment) for segment in (b".well-known", b"edhoc"))
    posted = Message(MessageType.CON, Code.POST, 5, b"", path, prefix + body)
    (reply,) = link.deliver(posted.encode(), ELSEWHERE)
    assert not decode(reply).code.is_success


_TALKING = talking()
