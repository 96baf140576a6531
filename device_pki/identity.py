"""Who is at the other end of a secured session: proven by a certificate path, or by a pre-shared key."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import thumbprint
from device_pki.c509 import C509Certificate
from device_pki.fingerprints import fingerprint
from device_pki.keys import public_key
from device_pki.names import endpoint_name
from device_pki.path import VerifiedPath
from device_pki.roles import Role, profile


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """A peer with a verified certificate. It belongs to the session, never to a network address."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """The verified path, the peer's certificate first and the anchor last."""
    key_thumbprint: bytes
    """SHA-256 of the peer key's SubjectPublicKeyInfo, 32 octets."""
    endpoint: str | None
    """The endpoint name, for devices."""
    role: Role | None = None
    """The role the path was verified for."""
    native: C509Certificate | None = None
    """The peer's certificate when it is natively signed C509; `certificate` is its X.509 view then."""

    @classmethod
    def of(cls, path: VerifiedPath) -> PeerIdentity:
        """Return the identity that a verified path proves.

        It lives as long as its session, so the leaf is parsed anew: the one that was verified keeps every name, key
        and extension that was looked at, about 6 kB.
        """
        leaf = x509.load_der_x509_certificate(path.leaf.public_bytes(Encoding.DER))
        return cls(
            certificate=leaf,
            chain=(leaf, *path.chain[1:]),
            key_thumbprint=thumbprint(public_key(path.leaf)),
            endpoint=endpoint_name(path.leaf) if profile(path.role).named_device else None,
            role=path.role,
            native=None if path.native is None else replace(path.native, view=leaf),
        )

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate in the encoding that was signed, 32 octets."""
        return fingerprint(self.certificate if self.native is None else self.native.encoded)

    @property
    def anchor(self) -> x509.Certificate:
        """The trust anchor the path ended at."""
        return self.chain[-1]


@dataclass(frozen=True, slots=True)
class PskIdentity:
    """A peer that holds a pre-shared key with us (RFC 4279). The key itself is never kept here."""

    identity: str
    """The PSK identity both sides named in the handshake."""
    endpoint: str | None
    """The endpoint name the key was given to, for devices; never what the peer calls itself."""


@dataclass(frozen=True, slots=True)
class OscoreIdentity:
    """A peer that shares an OSCORE context with us which both were given (RFC 8613)."""

    context: str
    """The context's name in the store."""
    endpoint: str | None
    """The endpoint name the context was given to, for devices."""


@dataclass(frozen=True, slots=True)
class RawKeyIdentity:
    """A peer whose public key we know without a certificate (RFC 7250, a CWT Claims Set in EDHOC)."""

    key_thumbprint: bytes
    """SHA-256 of the key's SubjectPublicKeyInfo, 32 octets."""
    endpoint: str | None
    """The endpoint name the key was given to, for devices."""


Peer = PeerIdentity | PskIdentity | OscoreIdentity | RawKeyIdentity
"""The authenticated peer of one session. What only a certificate may do asks for a `PeerIdentity`."""
