"""Who may register, and under which name.

The identity belongs to the session: a verified certificate, a pre-shared key, or, without security, nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from device_pki.identity import OscoreIdentity, PeerIdentity, RawKeyIdentity
from lwm2m_server.protocol.registration import Register
from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.server.revocation import DeviceRevocation
from lwm2m_server.settings import EndpointRule
from secure_coap.association import Association
from secure_coap.errors import BadRequest, Forbidden

NOBODY: Final = ""
"""The owner of what was registered without security."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a session's peer is."""

    owner: str
    """The name that was proven."""
    credential: bytes
    """Digest of what proved it."""


_OSCORE: Final = b"oscore\0"
"""What no PSK identity begins with: a context and a key of the same name are two credentials."""
_ANONYMOUS: Final = Identity(NOBODY, b"")


def identity_of(association: Association) -> Identity:
    """The identity behind an association."""
    peer = association.peer
    if peer is None:
        return _ANONYMOUS
    if isinstance(peer, PeerIdentity):
        credential = peer.fingerprint
    elif isinstance(peer, RawKeyIdentity):
        credential = peer.key_thumbprint
    elif isinstance(peer, OscoreIdentity):
        credential = sha256(_OSCORE + peer.context.encode()).digest()
    else:
        credential = sha256(peer.identity.encode()).digest()
    return Identity(peer.endpoint or credential.hex(), credential)


class Admission(Protocol):
    """Decides about registrations. Every method raises `CoapError` to refuse, with the code the device shall see.

    An answer may be awaited: then it is decided by what is stored.
    """

    def check(self, association: Association) -> None:
        """Whether the session may use the registration interface at all, now."""

    def admit(self, asked: Register, association: Association) -> str | Awaitable[str]:
        """The endpoint name this registration is for."""

    def keeps(self, registration: Registration, association: Association) -> bool | Awaitable[bool]:
        """Whether a registration may go on; False ends it."""

    def takes_orders(self, association: Association) -> bool:
        """Whether a device is given over this session what waits in its queue."""


class EndpointAdmission:
    """The plain rule: every verified peer may register, under its own name.

    Whoever may choose a name, without security or by the rule, may choose any that is no other identity's: none that is
    registered under one, and none that a key is stored for (`protects`).
    """

    def __init__(
        self,
        protects: Callable[[str], bool],
        rule: EndpointRule = EndpointRule.CERTIFICATE,
        revocation: DeviceRevocation | None = None,
    ) -> None:
        self._protects = protects
        self._rule = rule
        self._revocation = revocation

    def check(self, association: Association) -> None:
        """Whoever got a session may use it, as long as the certificate counts that it was opened with."""
        peer = association.peer
        if self._revocation is None or not isinstance(peer, PeerIdentity):
            return
        refusal = self._revocation.refusal(peer)
        if refusal is not None:
            refusal.answer(peer)

    def admit(self, asked: Register, association: Association) -> str:
        """Everyone with a name."""
        return self.name(asked.endpoint, association)

    def name(self, asked: str | None, association: Association) -> str:
        """The name of the identity; without security, or if any name will do, the one the device gives.

        Raises `Forbidden`, `BadRequest`.
        """
        peer = association.peer
        own = None if peer is None else peer.endpoint
        if peer is not None and self._rule is EndpointRule.CERTIFICATE:
            if own is None or asked not in {None, own}:
                raise Forbidden("ep is not the name of the identity")
            return own
        name = asked or own
        if name is None:
            raise BadRequest("ep is missing")
        if name != own and self._protects(name):
            raise Forbidden("this name is for a device with a key")
        return name

    def keeps(self, registration: Registration, association: Association) -> bool:
        """A registration goes on as long as its device says so."""
        return True

    def takes_orders(self, association: Association) -> bool:
        """Every registered device is."""
        return True
