"""The initiator's states: each consumes itself and yields the next (RFC 9528 sections 5.2 to 5.4).

message_1, waiting = Initiator(…).start()
message_3, session = waiting.receive(message_2)
"""

from __future__ import annotations

from collections.abc import Callable
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
    decode_plaintext_2,
    eads,
    identifier,
    one_byte_string,
    refuse_critical,
    sequence,
)
from secure_coap.edhoc.numbers import CipherSuite, KdfLabel, Method
from secure_coap.edhoc.proof import Proof, static_secret
from secure_coap.edhoc.session import Session, key_3, look_up
from secure_coap.edhoc.suites import SUITES, Suite


@dataclass(frozen=True, slots=True)
class Initiator:
    """`suites`: those this side prefers over the last one, which it selects. `c_i` names the session to this side.

    `lookup` judges the responder; `understood` are labels of critical EAD items the application acts on.
    """

    method: Method
    suites: tuple[CipherSuite, ...]
    credential: EdhocIdentity
    lookup: CredentialLookup
    c_i: bytes
    understood: tuple[int, ...] = ()
    make_key: Callable[[Curve], DhPrivateKey] = fresh_key

    def start(self, ead_1: tuple[Ead, ...] = ()) -> tuple[bytes, WaitMessage2]:
        """Message 1, and the state that waits for message 2."""
        suite = SUITES[self.suites[-1]]
        x = self.make_key(suite.curve)
        message = Message1(self.method, self.suites, suite.curve.encode(x.public_key()), self.c_i, ead_1).encode()
        return message, WaitMessage2(self, suite, x, message)

    def selecting(self, supported: tuple[int, ...]) -> Initiator:
        """Again, with a suite the responder has said it supports. Raises `EdhocError` CIPHER_SUITE without one."""
        known = [suite for suite in CipherSuite if suite in supported]
        if not known:
            raise EdhocError(EdhocReason.CIPHER_SUITE)
        preferred = tuple(suite for suite in self.suites if suite not in known)
        return Initiator(
            self.method,
            (*preferred, known[0]),
            self.credential,
            self.lookup,
            self.c_i,
            self.understood,
            self.make_key,
        )


@dataclass(frozen=True, slots=True)
class WaitMessage2:
    """Message 1 has been sent. An error leaves the session ended; nothing of it is used again."""

    initiator: Initiator
    suite: Suite
    x: DhPrivateKey = field(repr=False)
    message_1: bytes

    def receive(self, message_2: bytes, ead_3: tuple[Ead, ...] = ()) -> tuple[bytes, Session]:
        """Message 3, and the session: the responder is authenticated. Raises `EdhocError`."""
        suite = self.suite
        g_y_ciphertext = one_byte_string(message_2, "message 2")
        size = len(suite.curve.encode(self.x.public_key()))
        g_y, ciphertext_2 = g_y_ciphertext[:size], g_y_ciphertext[size:]
        peer_key = suite.curve.decode(g_y)
        if g_y == suite.curve.encode(self.x.public_key()):
            raise EdhocError(EdhocReason.REFLECTED)
        th2 = th_2(g_y, self.message_1)
        prk_2e = extract(th2, suite.curve.agree(self.x, peer_key))
        if not ciphertext_2:
            raise EdhocError(EdhocReason.MALFORMED, "message 2")
        plaintext_2 = xor(ciphertext_2, expand(prk_2e, KdfLabel.KEYSTREAM_2, th2, len(ciphertext_2)))
        c_r, responder = decode_plaintext_2(plaintext_2)
        try:
            return self._answer(c_r, responder, plaintext_2, prk_2e, th2, peer_key, ead_3)
        except EdhocError as error:
            error.session = c_r
            raise

    def _answer(  # noqa: PLR0917 - what message 2 was found to say
        self,
        c_r: bytes,
        responder: Authenticated,
        plaintext_2: bytes,
        prk_2e: bytes,
        th2: bytes,
        peer_key: DhPublicKey,
        ead_3: tuple[Ead, ...],
    ) -> tuple[bytes, Session]:
        method, own, suite = self.initiator.method, self.initiator.credential, self.suite
        ead_2 = refuse_critical(responder.ead, self.initiator.understood)
        peer = look_up(self.initiator.lookup, responder.id_cred, own)
        g_rx = None if method.responder_signs else static_secret(suite, self.x, peer.public_key)
        prk3 = prk_3e2m(prk_2e, th2, g_rx)
        id_cred_r, raw_ead_2 = responder.id_cred.encode(), eads(responder.ead)
        context_2 = mac_2_context(identifier(c_r), id_cred_r, th2, peer.credential, raw_ead_2)
        Proof(
            suite, method.responder_signs, prk3, KdfLabel.MAC_2, context_2, id_cred_r, th2, peer.credential, raw_ead_2
        ).check(responder.proof, peer.public_key)
        if c_r == self.initiator.c_i:
            raise EdhocError(EdhocReason.MALFORMED, "both sides chose the same identifier")

        th3 = th_next(th2, plaintext_2, peer.credential)
        g_iy = None if method.initiator_signs else static_secret(suite, own.private_key, peer_key)
        prk4 = prk_4e3m(prk3, th3, g_iy)
        id_cred_i, raw_ead_3 = own.id_cred.encode(), eads(ead_3)
        context_3 = mac_3_context(id_cred_i, th3, own.credential, raw_ead_3)
        proof = Proof(
            suite, method.initiator_signs, prk4, KdfLabel.MAC_3, context_3, id_cred_i, th3, own.credential, raw_ead_3
        ).make(own.private_key)
        plaintext_3 = Authenticated(own.id_cred, proof, ead_3).encode()
        message_3 = sequence(suite.encrypt(*key_3(suite, prk3, th3), plaintext_3, aad(th3)))
        th4 = th_next(th3, plaintext_3, own.credential)
        return message_3, Session(suite, peer, self.initiator.c_i, c_r, ead_2, prk4, th4, peer_key)
