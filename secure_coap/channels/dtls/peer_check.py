"""The decision about a peer's certificates, taken inside the handshake.

OpenSSL walks the chain the peer sent and calls us once for each certificate and each of its own findings. Its store
is empty, so it always finds something; we collect the certificates by depth and, on its last call (depth 0, nothing
left to find), ask `verify`. Refusing there makes OpenSSL end the handshake with an alert, before any application
data. A chain OpenSSL accepts without that last call leaves `identity` empty, and the session then refuses to open.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from device_pki.identity import PeerIdentity
from secure_coap.channels.dtls.config import Verify

MAX_CHAIN: Final = 4
MAX_CHAIN_BYTES: Final = 8 * 1024  # security rule 21


class ChainRefused(Exception):
    """The chain is too long or too large to be looked at."""


class PeerCheck:
    """One handshake's decision."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self._by_depth: dict[int, x509.Certificate] = {}
        self.identity: PeerIdentity | None = None
        self.error: Exception | None = None

    def see(self, certificate: crypto.X509, depth: int, ok: int) -> bool:
        """OpenSSL's verify callback. Every exception refuses the peer (security rule 33)."""
        try:
            return self._see(certificate, depth, ok)
        except Exception as error:
            self.identity, self.error = None, error
            return False

    def _see(self, certificate: crypto.X509, depth: int, ok: int) -> bool:
        if depth >= MAX_CHAIN:
            raise ChainRefused(f"more than {MAX_CHAIN} certificates")
        self._by_depth[depth] = certificate.to_cryptography()
        if depth == 0 and ok:
            chain = [self._by_depth[depth] for depth in sorted(self._by_depth)]
            if sum(len(item.public_bytes(Encoding.DER)) for item in chain) > MAX_CHAIN_BYTES:
                raise ChainRefused(f"more than {MAX_CHAIN_BYTES} bytes")
            self.identity = self._verify(chain)
        return True


def verify_callback(connection: SSL.Connection, certificate: crypto.X509, _error: int, depth: int, ok: int) -> bool:
    """The one callback of all contexts: the connection's application data is its `PeerCheck`."""
    check = connection.get_app_data()
    return isinstance(check, PeerCheck) and check.see(certificate, depth, ok)
