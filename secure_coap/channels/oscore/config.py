"""What an endpoint protected by OSCORE is configured with: EDHOC, contexts given beforehand, or both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from secure_coap.channels.oscore.contexts import ContextStore, PresharedContext
from secure_coap.edhoc import CipherSuite, CredentialResolver, Ead, EdhocIdentity, Method
from secure_coap.edhoc.suites import SUITES, Suite


def utc_now() -> datetime:
    """The time certificates are judged at."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class EdhocServerConfig:
    """Who we are and who may come. The first identity whose key fits a method and cipher suite is used for it.

    `static`: who we are by static Diffie-Hellman, where that is another identity. `suites` are in order of preference.
    `ead` goes into message 2; `understood` are the labels of critical EAD items the application acts on: it finds what
    came in `association.ead`.
    """

    identities: Sequence[EdhocIdentity]
    resolver: CredentialResolver
    methods: Collection[Method] = tuple(Method)
    suites: tuple[CipherSuite, ...] = (CipherSuite.P256_CCM_8, CipherSuite.P256_CCM_16)
    ead: tuple[Ead, ...] = ()
    understood: tuple[int, ...] = ()
    clock: Callable[[], datetime] = utc_now
    static: EdhocIdentity | None = None

    def identity_for(self, method: Method, suite: Suite) -> EdhocIdentity | None:
        """Ours for a method, or None when it is not offered."""
        signs = method.responder_signs
        candidates = self.identities if signs or self.static is None else (self.static,)
        return next((one for one in candidates if _fits(one, suite, signs=signs)), None)


def _fits(identity: EdhocIdentity, suite: Suite, *, signs: bool) -> bool:
    key = identity.private_key
    if not signs:
        return suite.curve.holds(key)
    ecdsa = suite in (SUITES[CipherSuite.P256_CCM_8], SUITES[CipherSuite.P256_CCM_16])
    return isinstance(key, ec.EllipticCurvePrivateKey if ecdsa else ed25519.Ed25519PrivateKey)


@dataclass(frozen=True, slots=True)
class EdhocClientConfig:
    """Who we are and which server is the right one.

    `suites` ends with the one that is tried first; those before it are preferred but believed to be unsupported.
    `combined`: message 3 rides with the first request (RFC 9668). `padded_to`: bytes of the first datagram; a server
    sends an unproven address three times as much and asks for an Echo before it sends more, so pad where it answers
    with a certificate by value. `ead_1` and `ead_3` go into those messages.
    """

    identity: EdhocIdentity
    resolver: CredentialResolver
    method: Method = Method.SIGNATURE_SIGNATURE
    suites: tuple[CipherSuite, ...] = (CipherSuite.P256_CCM_8,)
    combined: bool = True
    padded_to: int = 0
    ead_1: tuple[Ead, ...] = ()
    ead_3: tuple[Ead, ...] = ()
    understood: tuple[int, ...] = ()
    clock: Callable[[], datetime] = utc_now


@dataclass(frozen=True, slots=True)
class OscoreServerConfig:
    """How associations begin: by EDHOC, with contexts given beforehand, or both ways. Either may be left out, not
    both."""

    edhoc: EdhocServerConfig | None = None
    contexts: ContextStore | None = None

    def __post_init__(self) -> None:
        if self.edhoc is None and self.contexts is None:
            raise ValueError("OSCORE needs EDHOC or contexts")


@dataclass(frozen=True, slots=True)
class OscoreClientConfig:
    """How the association begins: by EDHOC, or with a context given beforehand and the store of its numbers."""

    edhoc: EdhocClientConfig | None = None
    context: PresharedContext | None = None
    contexts: ContextStore | None = None

    def __post_init__(self) -> None:
        if (self.edhoc is None) == (self.context is None) or (self.context is None) != (self.contexts is None):
            raise ValueError("OSCORE needs either EDHOC, or a context and its store")
