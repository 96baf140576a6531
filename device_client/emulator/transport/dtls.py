"""A DTLS 1.2 client as bytes in, bytes out: pyOpenSSL behind two memory buffers (RFC 6347, RFC 7925).

It knows no socket and no clock: OpenSSL keeps the handshake's own retransmission timer, which the caller asks for
(`timeout`) and fires (`handle_timeout`). The server's certificate is judged before the device's second flight leaves:
a server that is not trusted learns nothing but an alert, not even that the device holds a key.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from OpenSSL.SSL import _ffi, _lib  # type: ignore[attr-defined]

from device_client.emulator.transport.channel import ChannelError, HandshakeRefused, ServerNotTrusted

if TYPE_CHECKING:
    from cryptography import x509

    from cose.keys import PrivateKey

MTU = 1200
"""Largest datagram a flight is cut into, bytes (RFC 7252 section 4.6 recommends at most 1,280)."""
MAX_DATAGRAM = 16384
CIPHERS = b"ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0"
"""AEAD suites only (RFC 7925 section 4.4); OpenSSL files CCM_8's short tag under security level 0."""

PSK_CIPHERS = b"PSK-AES128-CCM8:PSK-AES128-CCM:PSK-AES128-GCM-SHA256:@SECLEVEL=0"
"""RFC 7925 section 4.2 asks for the first one."""

CURVES = b"P-256:P-384"
SIGNATURES = b"ECDSA+SHA256:ECDSA+SHA384"
"""What servers use; OpenSSL would list a dozen of each in both of its hellos."""

_NO_ENCRYPT_THEN_MAC = 1 << 19
"""SSL_OP_NO_ENCRYPT_THEN_MAC, which pyOpenSSL does not name: AEAD suites need no RFC 7366."""
_RECORD_HEADER = 13
_ALERT, _FATAL, _BAD_CERTIFICATE = 21, 2, 42
_DTLS12 = 0xFEFD


VerifyServer = Callable[["Sequence[x509.Certificate]"], object]


@dataclass(frozen=True, slots=True)
class DtlsCredentials:
    """Who the device is in a handshake, and how it judges the server.

    `verify` gets the server's certificates, leaf first, and raises when they are not to be trusted.
    """

    certificate: x509.Certificate
    private_key: PrivateKey = field(repr=False)
    verify: VerifyServer
    chain: tuple[x509.Certificate, ...] = ()

    def context(self) -> SSL.Context:
        context = _context(CIPHERS)
        # OpenSSL only proves the possession of the key here; DtlsClient judges the path with `verify`.
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        context.use_certificate(self.certificate)
        for certificate in self.chain:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(self.private_key)
        return context


@dataclass(frozen=True, slots=True)
class PskCredentials:
    """A pre-shared key (RFC 7925 section 4.2): who knows it is the server."""

    identity: bytes
    key: bytes = field(repr=False)

    def context(self) -> SSL.Context:
        context = _context(PSK_CIPHERS)
        _lib.SSL_CTX_set_psk_client_callback(context._context, _give_key)
        return context

    @staticmethod
    def verify(chain: Sequence[x509.Certificate]) -> None:
        """No certificate comes with a pre-shared key."""


def _context(ciphers: bytes) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(_DTLS12)
    context.set_max_proto_version(_DTLS12)
    context.set_cipher_list(ciphers)
    context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_options(_NO_ENCRYPT_THEN_MAC)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    _lib.SSL_CTX_set1_curves_list(context._context, CURVES)
    _lib.SSL_CTX_set1_sigalgs_list(context._context, SIGNATURES)
    return context


@_ffi.callback(  # type: ignore[untyped-decorator]
    "unsigned int(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)",
    error=0,
    onerror=lambda *_: None,
)
def _give_key(ssl: Any, _hint: Any, identity: Any, identity_size: int, key: Any, size: int) -> int:
    """Called by OpenSSL; whatever goes wrong here gives it a key of length 0, which ends the handshake."""
    credentials = SSL.Connection._reverse_mapping[ssl].get_app_data()
    name = credentials.identity + b"\0"
    if len(name) > identity_size or len(credentials.key) > size:
        return 0
    _ffi.memmove(identity, name, len(name))
    _ffi.memmove(key, credentials.key, len(credentials.key))
    return len(credentials.key)


class DtlsClient:
    """One association, from the first ClientHello to its end; never reused."""

    def __init__(self, credentials: DtlsCredentials | PskCredentials) -> None:
        self._verify = credentials.verify
        self._connection = SSL.Connection(credentials.context(), None)
        self._connection.set_app_data(credentials)
        self._connection.set_ciphertext_mtu(MTU)
        self._connection.set_connect_state()
        self._trusted = False
        self._next_plain_record = 0
        self._out: list[bytes] = []
        self.established = False
        self.closed = False
        self.channel_binding = b""
        """tls-unique (RFC 5929): the first Finished of the handshake, which is the client's own."""

    def start(self) -> None:
        """Produce the first ClientHello."""
        self._handshake()

    def receive(self, datagram: bytes) -> list[bytes]:
        """Take one datagram; return the application messages in it, in order.

        Raises ChannelError when the association failed or the server closed it. Records that do not authenticate are
        dropped silently (RFC 6347 section 4.1.2.7).
        """
        if self.closed or not 0 < len(datagram) <= MAX_DATAGRAM:
            return []
        self._connection.bio_write(datagram)
        if not self.established:
            self._handshake()
        return self._read() if self.established else []

    def send(self, plaintext: bytes) -> None:
        """Protect one application message; take the datagram with `datagrams`."""
        if self.closed or not self.established:
            raise ChannelError("no DTLS association: connect first")
        self._connection.send(plaintext)
        self._collect()

    def datagrams(self) -> list[bytes]:
        """What is to be sent now, each at most MTU bytes unless one record is larger."""
        out, self._out = self._out, []
        return out

    def timeout(self) -> float | None:
        """Seconds until `handle_timeout` is due; None when no flight is waiting for an answer."""
        return None if self.closed else self._connection.DTLSv1_get_timeout()

    def handle_timeout(self) -> None:
        """Repeat the last flight. Raises ChannelError when OpenSSL has given up."""
        if self.closed:
            return
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(ChannelError("the server does not answer the handshake"), error)
        self._collect()

    def close(self) -> None:
        """Say goodbye (close_notify) when there is an association; idempotent."""
        if self.established and not self.closed:
            # A broken association has nobody to say goodbye to.
            with contextlib.suppress(SSL.Error):
                self._connection.shutdown()
            self._collect()
        self.closed = True

    def _handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._judge_server()
            self._collect()
            return
        except SSL.Error as error:
            self._collect()
            self._fail(HandshakeRefused(f"the server ended the handshake: {_reason(error)}"), error)
        self._judge_server()
        self._collect()
        self.established = True
        self.channel_binding = self._connection.get_finished() or b""

    def _judge_server(self) -> None:
        """Check the server's chain as soon as it is known; what OpenSSL wrote since then has not left the device."""
        if self._trusted:
            return
        try:
            chain = self._connection.get_peer_cert_chain(as_cryptography=True)
            if chain is None:
                return
            self._verify(chain)
        except Exception as error:
            self._output()
            self._out.append(self._plain_alert())
            self._fail(ServerNotTrusted(f"the server is not trusted: {error}"), error)
        self._trusted = True

    def _read(self) -> list[bytes]:
        messages: list[bytes] = []
        try:
            while True:
                messages.append(self._connection.recv(MAX_DATAGRAM))
        except SSL.WantReadError:
            self._collect()
        except SSL.ZeroReturnError as error:
            self._fail(ChannelError("the server closed the association"), error)
        except SSL.Error as error:
            self._fail(ChannelError(f"the association failed: {_reason(error)}"), error)
        return messages

    def _collect(self) -> None:
        """Cut OpenSSL's output, a stream of records, into datagrams."""
        datagram = b""
        for record in _records(self._output()):
            if record[3:5] == b"\0\0":
                self._next_plain_record = int.from_bytes(record[5:11], "big") + 1
            if datagram and len(datagram) + len(record) > MTU:
                self._out.append(datagram)
                datagram = b""
            datagram += record
        if datagram:
            self._out.append(datagram)

    def _output(self) -> bytes:
        try:
            return self._connection.bio_read(MAX_DATAGRAM * 4)
        except SSL.WantReadError:
            return b""

    def _plain_alert(self) -> bytes:
        """A fatal alert of epoch 0: pyOpenSSL offers no way to send one in the middle of a handshake."""
        header = bytes([_ALERT]) + _DTLS12.to_bytes(2, "big") + b"\0\0" + self._next_plain_record.to_bytes(6, "big")
        return header + b"\0\2" + bytes([_FATAL, _BAD_CERTIFICATE])

    def _fail(self, error: ChannelError, cause: Exception) -> None:
        self.closed = True
        raise error from cause


def _records(stream: bytes) -> list[bytes]:
    records, position = [], 0
    while position < len(stream):
        end = position + _RECORD_HEADER + int.from_bytes(stream[position + 11 : position + 13], "big")
        records.append(stream[position:end])
        position = end
    return records


def _reason(error: SSL.Error) -> str:
    """OpenSSL's own words, without its internal function names."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(str(entry[-1]) for entry in entries) or "no reason given"
