"""The decision about a peer, by its certificates or by a pre-shared key, taken inside the handshake.

Certificates: OpenSSL walks the chain the peer sent and calls us once for each certificate and each of its own
findings. Its store is empty, so it always finds something; we collect the certificates by depth and, on its last call
(depth 0, nothing left to find), ask `verify`. Refusing there makes OpenSSL end the handshake with an alert, before any
application data. A chain OpenSSL accepts without that last call leaves `peer` empty, and the session then refuses to
open.

Keys: the server is told an identity and answers with a key; whoever finishes the handshake holds it. An identity we
do not know gets a random key, so that it fails exactly as a wrong key does: the client's Finished cannot be decrypted,
and DTLS drops what it cannot decrypt. Nobody learns which identities exist.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography import x509
from OpenSSL import SSL, crypto

from device_pki.identity import Peer, PskIdentity
from secure_coap.channels.dtls.config import (
    MAX_IDENTITY,
    MIN_KEY,
    DtlsClientConfig,
    DtlsServerConfig,
    PskCredential,
)
from secure_coap.engine.rng import Rng

MAX_CHAIN: Final = 4
MAX_CHAIN_BYTES: Final = 8 * 1024  # security rule 21


class ChainRefused(Exception):
    """The chain is too long or too large to be looked at."""


class PeerCheck:
    """One handshake's decision, and what it was taken from."""

    def __init__(self, config: DtlsServerConfig | DtlsClientConfig, rng: Rng) -> None:
        self._config = config
        self._rng = rng
        self._by_depth: dict[int, bytes] = {}
        self.peer: Peer | None = None
        """Who it is, if the handshake finishes."""
        self.error: Exception | None = None
        self.key_used = False
        """Whether a pre-shared key was asked for."""
        self._given: tuple[bytes, PskCredential] | None = None
        """The identity a client named and the credential found for it."""

    # --- certificates ---

    def see(self, certificate: crypto.X509, depth: int, ok: int) -> bool:
        """OpenSSL's verify callback. Every exception refuses the peer (security rule 33)."""
        try:
            return self._see(certificate, depth, ok)
        except Exception as error:
            self.peer, self.error = None, error
            return False

    def _see(self, certificate: crypto.X509, depth: int, ok: int) -> bool:
        if depth >= MAX_CHAIN:
            raise ChainRefused(f"more than {MAX_CHAIN} certificates")
        if depth not in self._by_depth:
            self._by_depth[depth] = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        if depth == 0 and ok:
            encoded = [self._by_depth[depth] for depth in sorted(self._by_depth)]
            if sum(map(len, encoded)) > MAX_CHAIN_BYTES:
                raise ChainRefused(f"more than {MAX_CHAIN_BYTES} bytes")
            if self._config.verify is None:
                raise ChainRefused("certificates are not accepted here")
            leaf, *others = encoded
            self.peer = self._config.verify([x509.load_der_x509_certificate(leaf), *map(_shared, others)])
        return True

    # --- pre-shared keys ---

    def key_of_peer(self, identity: bytes) -> bytes:
        """The server's answer to the identity a client names. Every exception fails the handshake."""
        self.key_used = True
        decoy = self._rng.randbytes(MIN_KEY)
        try:
            credential = self._find(identity)
        except Exception as error:
            self.error = error
            raise
        if credential is None:
            return decoy
        self.peer = PskIdentity(identity.decode(), credential.endpoint)
        self._given = identity, credential
        return credential.key

    @property
    def still_holds(self) -> bool:
        """Whether the key that was used is still good: the peer may take its time with the handshake."""
        try:
            return self._given is None or self._find(self._given[0]) == self._given[1]
        except Exception:
            return False

    def _find(self, identity: bytes) -> PskCredential | None:
        if not isinstance(self._config, DtlsServerConfig) or self._config.psk is None:
            raise TypeError("pre-shared keys are not accepted here")
        if len(identity) > MAX_IDENTITY or not _is_text(identity):
            return None
        return self._config.psk(identity)

    def own_key(self) -> tuple[bytes, bytes]:
        """The client's identity and key; its peer is whoever holds that key too."""
        if not isinstance(self._config, DtlsClientConfig) or self._config.psk is None:
            raise TypeError("no pre-shared key to offer")
        identity, key = self._config.psk
        self.key_used = True
        self.peer = PskIdentity(identity, endpoint=None)
        return identity.encode(), key


@lru_cache(maxsize=256)
def _shared(der: bytes) -> x509.Certificate:
    """One object for the CA certificate that thousands of sessions present."""
    return x509.load_der_x509_certificate(der)


def _is_text(identity: bytes) -> bool:
    try:
        identity.decode()
    except UnicodeDecodeError:
        return False
    return True


def verify_callback(connection: SSL.Connection, certificate: crypto.X509, _error: int, depth: int, ok: int) -> bool:
    """The one callback of all contexts: the connection's application data is its `PeerCheck`."""
    check = connection.get_app_data()
    return isinstance(check, PeerCheck) and check.see(certificate, depth, ok)
