"""Every method with every suite; and every way of going wrong ends the session, keeps nothing, and says why."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from hypothesis import given
from hypothesis import strategies as st

from device_pki.identity import PskIdentity
from secure_coap.edhoc import EdhocError, EdhocReason, Initiator, Responder, UnknownCredential
from secure_coap.edhoc.credentials import CredentialPrivateKey, EdhocIdentity, ResolvedCredential, ccs, ccs_key
from secure_coap.edhoc.id_cred import IdCred
from secure_coap.edhoc.initiator import WaitMessage2
from secure_coap.edhoc.messages import Ead, Message1, items, sequence
from secure_coap.edhoc.numbers import CipherSuite, Method
from secure_coap.edhoc.responder import WaitMessage3
from secure_coap.edhoc.session import Session

X25519_SUITES = (CipherSuite.X25519_CCM_8, CipherSuite.X25519_CCM_16)
METHODS = list(Method)
NOBODY = PskIdentity("peer", None)


def private_key(suite: CipherSuite, *, signs: bool) -> CredentialPrivateKey:
    if suite not in X25519_SUITES:
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate() if signs else x25519.X25519PrivateKey.generate()


@dataclass
class Parties:
    """Both sides, and the credentials each knows."""

    method: Method
    suite: CipherSuite
    own: dict[str, EdhocIdentity]
    understood: tuple[int, ...] = ()

    @classmethod
    def new(cls, method: Method = Method.SIGNATURE_SIGNATURE, suite: CipherSuite = CipherSuite.P256_CCM_8) -> Parties:
        keys = {
            "i": private_key(suite, signs=method.initiator_signs),
            "r": private_key(suite, signs=method.responder_signs),
        }
        own = {
            name: EdhocIdentity(key, ccs(name, name.encode(), key.public_key()), IdCred.of_kid(name.encode()))
            for name, key in keys.items()
        }
        return cls(method, suite, own)

    def lookup(self, id_cred: IdCred) -> ResolvedCredential:
        for own in self.own.values():
            if own.id_cred == id_cred:
                return ResolvedCredential(own.credential, ccs_key(own.credential), NOBODY)
        raise UnknownCredential

    def initiator(self) -> Initiator:
        return Initiator(self.method, (self.suite,), self.own["i"], self.lookup, b"\x0a", self.understood)

    def responder(self) -> Responder:
        return Responder((self.suite,), lambda *_: self.own["r"], self.lookup, understood=self.understood)

    def up_to_message_2(self) -> tuple[WaitMessage2, bytes, WaitMessage3]:
        message_1, wait_2 = self.initiator().start()
        message_2, wait_3 = self.responder().receive(message_1).answer(b"\x2b")
        return wait_2, message_2, wait_3

    def run(self) -> tuple[Session, Session]:
        wait_2, message_2, wait_3 = self.up_to_message_2()
        message_3, ours = wait_2.receive(message_2)
        return ours, wait_3.receive(message_3)


@pytest.mark.parametrize("suite", CipherSuite)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_with_every_suite(method: Method, suite: CipherSuite) -> None:
    parties = Parties.new(method, suite)
    ours, theirs = parties.run()
    assert ours.exporter.oscore() == theirs.exporter.oscore()
    assert ours.peer.credential == parties.own["r"].credential
    assert theirs.peer.credential == parties.own["i"].credential
    assert ours.take_message_4(theirs.make_message_4()) == ()
    again, _ = parties.run()
    assert again.exporter.oscore() != ours.exporter.oscore()


@pytest.mark.parametrize("method", METHODS)
def test_every_changed_byte_of_every_message_is_refused(method: Method) -> None:
    parties = Parties.new(method)
    wait_2, message_2, wait_3 = parties.up_to_message_2()
    for changed in _changed(message_2):
        with pytest.raises(EdhocError):
            wait_2.receive(changed)
    message_3, ours = wait_2.receive(message_2)
    for changed in _changed(message_3):
        with pytest.raises(EdhocError):
            wait_3.receive(changed)
    theirs = wait_3.receive(message_3)
    for changed in _changed(theirs.make_message_4()):
        with pytest.raises(EdhocError):
            ours.take_message_4(changed)


def test_every_changed_byte_of_message_1_is_noticed_by_its_sender() -> None:
    parties = Parties.new()
    message_1, wait_2 = parties.initiator().start()
    for changed in _changed(message_1):
        with pytest.raises((EdhocError, ValueError)):
            wait_2.receive(parties.responder().receive(changed).answer(b"\x2b")[0])


def _changed(data: bytes) -> list[bytes]:
    return [data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :] for at in range(len(data))] + [
        data[:at] for at in range(len(data))
    ]


def test_messages_in_another_order_or_reflected() -> None:
    parties = Parties.new(Method.STATIC_STATIC)
    message_1, wait_2 = parties.initiator().start()
    message_2, wait_3 = parties.responder().receive(message_1).answer(b"\x2b")
    for wrong in (message_1, b"", message_2 + message_2):
        with pytest.raises(EdhocError):
            wait_2.receive(wrong)
    for wrong in (message_1, message_2, b""):
        with pytest.raises(EdhocError):
            wait_3.receive(wrong)
    g_x = Message1.decode(message_1).g_x
    with pytest.raises(EdhocError) as caught:
        wait_2.receive(sequence(g_x + bytes(20)))
    assert caught.value.reason is EdhocReason.REFLECTED


def test_a_message_3_of_another_session_is_refused() -> None:
    parties = Parties.new()
    first, second = parties.up_to_message_2(), parties.up_to_message_2()
    message_3, _ = first[0].receive(first[1])
    with pytest.raises(EdhocError) as caught:
        second[2].receive(message_3)
    assert caught.value.reason is EdhocReason.AUTHENTICATION


def test_our_own_credential_from_the_peer() -> None:
    parties = Parties.new(Method.STATIC_STATIC)
    parties.own["r"] = parties.own["i"]
    with pytest.raises(EdhocError) as caught:
        parties.run()
    assert caught.value.reason is EdhocReason.REFLECTED


def test_an_unknown_credential_is_told_by_its_code() -> None:
    parties = Parties.new()
    wait_2, message_2, _ = parties.up_to_message_2()
    del parties.own["r"]
    with pytest.raises(EdhocError) as caught:
        wait_2.receive(message_2)
    assert caught.value.reason is EdhocReason.CREDENTIAL
    assert caught.value.error_message is not None
    assert items(caught.value.error_message) == [3, True]


def test_a_lookup_that_breaks_refuses() -> None:
    parties = Parties.new()
    message_1, _ = parties.initiator().start()

    def broken(_: IdCred) -> ResolvedCredential:
        raise ZeroDivisionError

    initiator = Initiator(parties.method, (parties.suite,), parties.own["i"], broken, b"\x0a")
    message_1, wait_2 = initiator.start()
    message_2, _ = parties.responder().receive(message_1).answer(b"\x2b")
    with pytest.raises(EdhocError) as caught:
        wait_2.receive(message_2)
    assert caught.value.reason is EdhocReason.CREDENTIAL


def test_keys_of_the_wrong_kind() -> None:
    parties = Parties.new(Method.SIGNATURE_SIGNATURE, CipherSuite.X25519_CCM_8)
    parties.own["r"] = EdhocIdentity(x25519.X25519PrivateKey.generate(), b"\xa0", IdCred.of_kid(b"r"))
    message_1, _ = parties.initiator().start()
    with pytest.raises(EdhocError) as caught:
        parties.responder().receive(message_1).answer(b"\x2b")
    assert caught.value.reason is EdhocReason.CREDENTIAL_KIND


def test_suites_are_agreed_on_after_an_error() -> None:
    parties = Parties.new(suite=CipherSuite.P256_CCM_16)
    initiator = Initiator(parties.method, (CipherSuite.X25519_CCM_8,), parties.own["i"], parties.lookup, b"\x0a")
    message_1, wait_2 = initiator.start()
    with pytest.raises(EdhocError) as caught:
        parties.responder().receive(message_1)
    assert caught.value.error_message is not None
    with pytest.raises(EdhocError) as told:
        wait_2.receive(caught.value.error_message)
    assert told.value.reason is EdhocReason.PEER
    assert told.value.error_message is None
    message_1, wait_2 = initiator.selecting(told.value.suites).start()
    message_2, _ = parties.responder().receive(message_1).answer(b"\x2b")
    wait_2.receive(message_2)
    with pytest.raises(EdhocError):
        initiator.selecting((17,))


def test_a_suite_both_have_is_not_passed_over() -> None:
    parties = Parties.new()
    both = Responder(tuple(CipherSuite), lambda *_: parties.own["r"], parties.lookup)
    suites = (CipherSuite.P256_CCM_16, CipherSuite.P256_CCM_8)
    message_1, _ = Initiator(parties.method, suites, parties.own["i"], parties.lookup, b"\x0a").start()
    with pytest.raises(EdhocError) as caught:
        both.receive(message_1)
    assert caught.value.reason is EdhocReason.CIPHER_SUITE


def test_external_authorization_data() -> None:
    parties = Parties.new()
    note, padding, demand = Ead(7, b"note"), Ead(0, b"\x00"), Ead(9, b"x", critical=True)
    message_1, wait_2 = parties.initiator().start((note, padding))
    got = parties.responder().receive(message_1)
    assert got.ead_1 == (note,)
    message_2, wait_3 = got.answer(b"\x2b", (note,))
    message_3, ours = wait_2.receive(message_2, (padding, note))
    assert ours.ead == (note,)
    assert wait_3.receive(message_3).ead == (note,)
    demanding, _ = parties.initiator().start((demand,))
    with pytest.raises(EdhocError) as caught:
        parties.responder().receive(demanding)
    assert caught.value.reason is EdhocReason.CRITICAL_EAD
    parties.understood = (9,)
    assert parties.responder().receive(demanding).ead_1 == (demand,)


def test_identifiers_must_differ() -> None:
    parties = Parties.new()
    message_1, _ = parties.initiator().start()
    with pytest.raises(ValueError, match="differ"):
        parties.responder().receive(message_1).answer(b"\x0a")


@given(st.binary(max_size=200))
def test_whatever_comes_ends_in_an_edhoc_error(data: bytes) -> None:
    parties = _PARTIES
    wait_2, _, wait_3 = _WAITING
    for take in (parties.responder().receive, wait_2.receive, wait_3.receive):
        with pytest.raises(EdhocError):
            take(data)


_PARTIES = Parties.new()
_WAITING = _PARTIES.up_to_message_2()


def test_nothing_shows_a_secret() -> None:
    wait_2, _, wait_3 = Parties.new().up_to_message_2()
    for state in (wait_2, wait_3):
        assert "private" not in repr(state).lower()
        assert "prk" not in repr(state)
