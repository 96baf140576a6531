"""What a DTLS endpoint is configured with: certificates, pre-shared keys, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from device_pki.identity import PeerIdentity

MIN_KEY: Final = 16
"""Bytes of a pre-shared key (security rule 30: at least 128 bits)."""
MAX_KEY: Final = 64
MAX_IDENTITY: Final = 128
"""Bytes of a PSK identity in UTF-8 (RFC 4279 section 5.3)."""

Verify = Callable[[Sequence[x509.Certificate]], PeerIdentity]
"""Decides about a peer's chain, leaf first. Any exception refuses the peer (security rule 33: fail closed)."""


@dataclass(frozen=True, slots=True)
class PskCredential:
    """The key that belongs to a PSK identity, and the endpoint name it was given to. One key for one device."""

    key: bytes = field(repr=False)
    endpoint: str

    def __post_init__(self) -> None:
        check_key(self.key)


PskLookup = Callable[[bytes], PskCredential | None]
"""Finds the credential of an identity, as it came (UTF-8, at most 128 bytes). Called inside the handshake: no I/O."""


@dataclass(frozen=True, slots=True)
class DtlsServerConfig:
    """Our certificate chain (leaf first, without the anchor), its key, and who may connect; or where keys are found.

    A peer that does not use a pre-shared key must show a certificate. `verify` and `psk` run inside the handshake,
    before any application data. Certificates or `psk` may be left out, not both.
    """

    certificate_chain: Sequence[x509.Certificate] = ()
    private_key: ec.EllipticCurvePrivateKey | None = None
    verify: Verify | None = None
    psk: PskLookup | None = None

    def __post_init__(self) -> None:
        _check_complete(self)


@dataclass(frozen=True, slots=True)
class DtlsClientConfig:
    """Our certificate chain (leaf first, without the anchor), its key, and which server is the right one.

    `verify` checks path, role and host name of the server. `psk` is our identity and the key we share with the
    server. Certificates or `psk` may be left out, not both; given both, the server chooses.
    """

    certificate_chain: Sequence[x509.Certificate] = ()
    private_key: ec.EllipticCurvePrivateKey | None = None
    verify: Verify | None = None
    psk: tuple[str, bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_complete(self)
        if self.psk is not None:
            identity, key = self.psk
            check_identity(identity)
            check_key(key)


def check_identity(identity: str) -> None:
    """Raises ValueError for what cannot be a PSK identity."""
    if not 0 < len(identity.encode()) <= MAX_IDENTITY or "\0" in identity:
        raise ValueError(f"a PSK identity has 1 to {MAX_IDENTITY} bytes of UTF-8, none of them zero")


def check_key(key: bytes) -> None:
    """Raises ValueError, which never shows the key."""
    if not MIN_KEY <= len(key) <= MAX_KEY:
        raise ValueError(f"a pre-shared key has {MIN_KEY} to {MAX_KEY} random bytes, this one has {len(key)}")


def _check_complete(config: DtlsServerConfig | DtlsClientConfig) -> None:
    parts = (bool(config.certificate_chain), config.private_key is not None, config.verify is not None)
    if any(parts) and not all(parts):
        raise ValueError("certificates need all of chain, private key and verify")
    if not any(parts) and config.psk is None:
        raise ValueError("DTLS needs certificates or pre-shared keys")
