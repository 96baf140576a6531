"""The responder's states: each consumes itself and yields the next (RFC 9528 sections 5.2 to 5.4).

first = Responder(…).receive(message_1)
message_2, waiting = first.answer(c_r)
session = waiting.receive(message_3)
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from secure_coap.edhoc.credentials import CredentialLookup, EdhocIdentity
from secure_coap.edhoc.curves import Curve, DhPrivateKey, DhPublicKey, fresh_key
from secure_coap.edhoc.errors import EdhocError, EdhocReason
from secure_coap.edhoc.kdf import (
    aad,
    expand,
    extract,
    mac_2_context,
    mac_3_context,
    prk_3e2m,
    prk_4e3m,
    th_2,
    th_next,
    xor,
)
from secure_coap.edhoc.messages import (
    Authenticated,
    Ead,
    Message1,
    eads,
    identifier,
    items,
    one_byte_string,
    refuse_critical,
    sequence,
)
from secure_coap.edhoc.numbers import CipherSuite, KdfLabel, Method
from secure_coap.edhoc.proof import Proof, static_secret
from secure_coap.edhoc.session import Session, key_3, look_up
from secure_coap.edhoc.suites import SUITES, Suite


@dataclass(frozen=True, slots=True)
class Responder:
    """`suites` in order of preference. `credential` gives ours for a method, or None for one that is not offered."""

    suites: tuple[CipherSuite, ...]
    credential: Callable[[Method, Suite], EdhocIdentity | None]
    lookup: CredentialLookup
    methods: Collection[Method] = tuple(Method)
    understood: tuple[int, ...] = ()
    make_key: Callable[[Curve], DhPrivateKey] = fresh_key

    def receive(self, message_1: bytes) -> GotMessage1:
        """Raises `EdhocError`; nothing is kept then, and nothing has been computed yet."""
        message = Message1.decode(message_1)
        suite = self._suite(message.suites)
        if message.method not in list(Method) or Method(message.method) not in self.methods:
            raise EdhocError(EdhocReason.METHOD, str(message.method))
        method = Method(message.method)
        own = self.credential(method, suite)
        if own is None:
            raise EdhocError(EdhocReason.METHOD, method.name)
        ead_1 = refuse_critical(message.ead, self.understood)
        return GotMessage1(self, method, suite, own, suite.curve.decode(message.g_x), message.c_i, ead_1, message_1)

    def _suite(self, offered: tuple[int, ...]) -> Suite:
        """The selected suite, unless an earlier one of the list is supported here, too (section 6.3)."""
        *preferred, selected = offered
        if selected not in self.suites or any(suite in self.suites for suite in preferred):
            raise EdhocError(EdhocReason.CIPHER_SUITE, suites=[int(suite) for suite in self.suites])
        return SUITES[CipherSuite(selected)]


@dataclass(frozen=True, slots=True)
class GotMessage1:
    """Message 1 is well-formed and can be answered; nobody is authenticated."""

    responder: Responder
    method: Method
    suite: Suite
    own: EdhocIdentity
    g_x: DhPublicKey
    c_i: bytes
    ead_1: tuple[Ead, ...]
    message_1: bytes

    def answer(self, c_r: bytes, ead_2: tuple[Ead, ...] = ()) -> tuple[bytes, WaitMessage3]:
        """Message 2, and the state that waits for message 3. `c_r` names the session to us and differs from C_I."""
        if c_r == self.c_i:
            raise ValueError("C_R must differ from C_I: choose another one")
        suite, own = self.suite, self.own
        y = self.responder.make_key(suite.curve)
        g_y = suite.curve.encode(y.public_key())
        th2 = th_2(g_y, self.message_1)
        prk_2e = extract(th2, suite.curve.agree(y, self.g_x))
        signs = self.method.responder_signs
        prk3 = prk_3e2m(prk_2e, th2, None if signs else static_secret(suite, own.private_key, self.g_x))
        id_cred, raw_ead = own.id_cred.encode(), eads(ead_2)
        context = mac_2_context(identifier(c_r), id_cred, th2, own.credential, raw_ead)
        proof = Proof(suite, signs, prk3, KdfLabel.MAC_2, context, id_cred, th2, own.credential, raw_ead)
        plaintext = identifier(c_r) + Authenticated(own.id_cred, proof.make(own.private_key), ead_2).encode()
        ciphertext = xor(plaintext, expand(prk_2e, KdfLabel.KEYSTREAM_2, th2, len(plaintext)))
        th3 = th_next(th2, plaintext, own.credential)
        waiting = WaitMessage3(self.responder, self.method, suite, own, y, self.c_i, c_r, prk3, th3)
        return sequence(g_y + ciphertext), waiting


@dataclass(frozen=True, slots=True)
class WaitMessage3:
    """Message 2 has been sent."""

    responder: Responder
    method: Method
    suite: Suite
    own: EdhocIdentity
    y: DhPrivateKey = field(repr=False)
    c_i: bytes
    c_r: bytes
    prk_3e2m: bytes = field(repr=False)
    th_3: bytes = field(repr=False)

    def receive(self, message_3: bytes) -> Session:
        """The session: the initiator is authenticated. Raises `EdhocError`."""
        suite = self.suite
        ciphertext = one_byte_string(message_3, "message 3")
        plaintext = suite.decrypt(*key_3(suite, self.prk_3e2m, self.th_3), ciphertext, aad(self.th_3))
        initiator = Authenticated.of_items(items(plaintext))
        ead_3 = refuse_critical(initiator.ead, self.responder.understood)
        peer = look_up(self.responder.lookup, initiator.id_cred, self.own)
        signs = self.method.initiator_signs
        prk4 = prk_4e3m(self.prk_3e2m, self.th_3, None if signs else static_secret(suite, self.y, peer.public_key))
        id_cred, raw_ead = initiator.id_cred.encode(), eads(initiator.ead)
        context = mac_3_context(id_cred, self.th_3, peer.credential, raw_ead)
        proof = Proof(suite, signs, prk4, KdfLabel.MAC_3, context, id_cred, self.th_3, peer.credential, raw_ead)
        proof.check(initiator.proof, peer.public_key)
        th4 = th_next(self.th_3, plaintext, peer.credential)
        return Session(suite, peer, self.c_i, self.c_r, ead_3, prk4, th4, self.y)
