"""TLS with mutual certificates for CoAP over TCP (RFC 8323 section 9), by OpenSSL on memory buffers.

The verdict about a peer is the same as over DTLS: `PeerCheck` takes it inside the handshake.
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Final

from OpenSSL import SSL

from device_pki.identity import Peer
from secure_coap.channels.dtls.config import DtlsClientConfig, DtlsServerConfig
from secure_coap.channels.dtls.peer_check import PeerCheck, verify_callback

_SUITES_OF_1_2: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-CCM"
)
_OPTIONS: Final = SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE
_PROTOCOL: Final = b"coap"  # RFC 8323 section 8.2
_BINDING: Final = b"EXPORTER-Channel-Binding"  # tls-exporter of RFC 9266
_READ: Final = 1 << 16


class TlsFailed(Exception):
    """The handshake or the connection has ended; the text says why."""


def make_context(config: DtlsServerConfig | DtlsClientConfig) -> SSL.Context:
    """TLS 1.2 or 1.3, certificates on both sides. Raises ValueError without certificates of our own."""
    if config.private_key is None or config.verify is None:
        raise ValueError("TLS needs certificate chain, private key and verify")
    server = isinstance(config, DtlsServerConfig)
    context = SSL.Context(SSL.TLS_SERVER_METHOD if server else SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_cipher_list(_SUITES_OF_1_2)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify_callback)
    leaf, *intermediates = config.certificate_chain
    context.use_certificate(leaf)
    for certificate in intermediates:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(config.private_key)
    context.check_privatekey()
    if server:
        context.set_alpn_select_callback(_select_protocol)
    else:
        context.set_alpn_protos([_PROTOCOL])
    return context


def _select_protocol(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
    """Who offers protocols must offer ours; who offers none is on a port of ours."""
    if _PROTOCOL in offered:
        return _PROTOCOL
    raise TlsFailed("none of the protocols offered is CoAP")


class TlsSession:
    """Feed it the peer's bytes; take what to send. `peer` is known once it is `open`."""

    def __init__(self, context: SSL.Context, config: DtlsServerConfig | DtlsClientConfig) -> None:
        self._check = PeerCheck(config, random.SystemRandom())
        self._connection = SSL.Connection(context, None)
        self._connection.set_app_data(self._check)
        if isinstance(config, DtlsServerConfig):
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()
        self.open = False
        self.channel_binding = b""

    @property
    def peer(self) -> Peer | None:
        """Who was verified."""
        return self._check.peer if self.open else None

    def begin(self) -> None:
        """Send the first flight, if it is ours."""
        self._advance()

    def feed(self, data: bytes) -> bytes:
        """What the peer's bytes hold for us. Raises `TlsFailed`; `take` still has what to tell the peer."""
        self._connection.bio_write(data)
        if not self.open:
            self._advance()
        return self._read() if self.open else b""

    def _advance(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            refusal = self._check.error
            raise TlsFailed(f"certificate refused: {refusal}" if refusal else f"handshake failed: {error}") from None
        if self._check.peer is None:
            raise TlsFailed("handshake ended without a verified peer")
        self.channel_binding = self._connection.export_keying_material(_BINDING, 32)
        self.open = True

    def _read(self) -> bytes:
        received = bytearray()
        while True:
            try:
                received += self._connection.recv(_READ)
            except SSL.WantReadError:
                return bytes(received)
            except SSL.ZeroReturnError:
                raise TlsFailed("closed by the peer") from None
            except SSL.Error as error:
                raise TlsFailed(f"connection failed: {error}") from None

    def write(self, data: bytes) -> None:
        """Protect bytes for the peer; nothing is sent before the handshake has finished."""
        if self.open:
            self._connection.sendall(data)

    def close(self) -> None:
        """Say goodbye."""
        with suppress(SSL.Error):
            self._connection.shutdown()

    def take(self) -> bytes:
        """What to send."""
        output = bytearray()
        while True:
            try:
                output += self._connection.bio_read(_READ)
            except SSL.WantReadError:
                return bytes(output)
