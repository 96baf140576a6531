"""What a DTLS endpoint is configured with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from device_pki.identity import PeerIdentity

Verify = Callable[[Sequence[x509.Certificate]], PeerIdentity]
"""Decides about a peer's chain, leaf first. Any exception refuses the peer (security rule 33: fail closed)."""


@dataclass(frozen=True, slots=True)
class DtlsServerConfig:
    """Our certificate chain (leaf first, without the anchor), its key, and who may connect.

    A client certificate is always demanded. `verify` runs inside the handshake, before any application data.
    """

    certificate_chain: Sequence[x509.Certificate]
    private_key: ec.EllipticCurvePrivateKey
    verify: Verify


@dataclass(frozen=True, slots=True)
class DtlsClientConfig:
    """Our certificate chain (leaf first, without the anchor), its key, and which server is the right one.

    `verify` checks path, role and host name of the server.
    """

    certificate_chain: Sequence[x509.Certificate]
    private_key: ec.EllipticCurvePrivateKey
    verify: Verify
