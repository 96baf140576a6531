"""How the measured device judges servers, and SP1's server the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cryptography import x509

from device_pki.encodings import Certificate
from device_pki.identity import PeerIdentity
from device_pki.path import verify_path
from device_pki.roles import Role

Check = Callable[[Sequence[Certificate]], PeerIdentity]
"""The identity a chain proves, leaf first; raises PathError."""


def server_check(anchors: Sequence[x509.Certificate], role: Role, host: str) -> Check:
    """A server in this role at `host`, beneath one of the anchors."""
    return lambda chain: PeerIdentity.of(
        verify_path(chain[0], chain[1:], anchors=anchors, role=role, now=datetime.now(UTC), host=host)
    )


def device_check(anchors: Sequence[x509.Certificate], role: Role) -> Check:
    """A device with a certificate of this role beneath one of the anchors."""
    return lambda chain: PeerIdentity.of(
        verify_path(chain[0], chain[1:], anchors=anchors, role=role, now=datetime.now(UTC))
    )
