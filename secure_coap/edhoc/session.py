"""A finished EDHOC session, and what its two sides have in common on the way there."""

from __future__ import annotations

from dataclasses import dataclass, field

from secure_coap.edhoc.credentials import CredentialLookup, EdhocIdentity, ResolvedCredential, UnknownCredential
from secure_coap.edhoc.curves import DhPrivateKey, DhPublicKey
from secure_coap.edhoc.errors import EdhocError, EdhocReason
from secure_coap.edhoc.exporter import Exporter
from secure_coap.edhoc.id_cred import IdCred
from secure_coap.edhoc.kdf import aad, expand
from secure_coap.edhoc.messages import Ead, eads, items, one_byte_string, read_eads, refuse_critical, sequence
from secure_coap.edhoc.numbers import KdfLabel
from secure_coap.edhoc.suites import HASH_LENGTH, Suite


@dataclass(slots=True)
class Session:
    """Both sides know each other. `c_i` and `c_r` name the session to its initiator and responder.

    The initiator has key confirmation only after message 4, or after the first message protected with an exported key.
    """

    suite: Suite
    peer: ResolvedCredential
    c_i: bytes
    c_r: bytes
    ead: tuple[Ead, ...]
    """What the peer added to the message that authenticated it."""
    prk_4e3m: bytes = field(repr=False)
    th_4: bytes = field(repr=False)
    responder_key: DhPrivateKey | DhPublicKey = field(repr=False)
    """The responder's ephemeral key: with it an initiator proves that it holds another one (RFC 6955)."""
    exporter: Exporter = field(init=False)

    def __post_init__(self) -> None:
        self.exporter = Exporter(expand(self.prk_4e3m, KdfLabel.PRK_OUT, self.th_4, HASH_LENGTH))

    def make_message_4(self, ead: tuple[Ead, ...] = ()) -> bytes:
        """The responder's confirmation."""
        return sequence(self.suite.encrypt(*self._key_4(), eads(ead), aad(self.th_4)))

    def take_message_4(self, data: bytes, understood: tuple[int, ...] = ()) -> tuple[Ead, ...]:
        """What the responder adds. Raises `EdhocError`."""
        plaintext = self.suite.decrypt(*self._key_4(), one_byte_string(data, "message 4"), aad(self.th_4))
        return refuse_critical(read_eads(items(plaintext)), understood)

    def _key_4(self) -> tuple[bytes, bytes]:
        return (
            expand(self.prk_4e3m, KdfLabel.K_4, self.th_4, self.suite.key_length),
            expand(self.prk_4e3m, KdfLabel.IV_4, self.th_4, self.suite.iv_length),
        )


def look_up(lookup: CredentialLookup, id_cred: IdCred, own: EdhocIdentity) -> ResolvedCredential:
    """The peer's credential. Raises `EdhocError`: CREDENTIAL, and REFLECTED when it is our own (section 9.1)."""
    if id_cred.names_a_url:  # security rule 24: nothing a peer names is fetched
        raise EdhocError(EdhocReason.CREDENTIAL, "credentials are not fetched")
    try:
        found = lookup(id_cred)
    except UnknownCredential as error:
        raise EdhocError(EdhocReason.CREDENTIAL, str(error)) from error
    except EdhocError:
        raise
    except Exception as error:  # whatever goes wrong while judging a peer refuses it
        raise EdhocError(EdhocReason.CREDENTIAL) from error
    if found.credential == own.credential:
        raise EdhocError(EdhocReason.REFLECTED)
    return found


def key_3(suite: Suite, prk_3e2m: bytes, th_3: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of message 3."""
    return (
        expand(prk_3e2m, KdfLabel.K_3, th_3, suite.key_length),
        expand(prk_3e2m, KdfLabel.IV_3, th_3, suite.iv_length),
    )
