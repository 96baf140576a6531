"""Pre-shared keys in the handshake (RFC 4279), through OpenSSL's callbacks.

pyOpenSSL does not wrap them, so this file and `context.py` are the two that touch its private binding. A callback
finds its handshake as the certificate callback does: the connection's application data is its `PeerCheck`.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL

from secure_coap.channels.dtls.peer_check import PeerCheck

_lib, _ffi = SSL._lib, SSL._ffi  # type: ignore[attr-defined]


def accept_keys(context: SSL.Context) -> None:
    """The server asks each handshake's `PeerCheck` for the key of the client's identity; no hint is sent."""
    _lib.SSL_CTX_set_psk_server_callback(context._context, _server_callback)


def offer_key(context: SSL.Context) -> None:
    """The client names the identity of its `PeerCheck` and uses its key."""
    _lib.SSL_CTX_set_psk_client_callback(context._context, _client_callback)


def _check_of(ssl: Any) -> PeerCheck:
    check = SSL.Connection._reverse_mapping[ssl].get_app_data()
    if not isinstance(check, PeerCheck):
        raise TypeError("a handshake without a check")
    return check


def _refuse(*_: object) -> None:
    """Called by cffi for an exception of a callback. What it returns would be the callback's result: None means 0."""


@_ffi.callback(  # type: ignore[untyped-decorator]
    "unsigned int(SSL *, const char *, unsigned char *, unsigned int)", error=0, onerror=_refuse
)
def _server_callback(ssl: Any, identity: Any, key: Any, size: int) -> int:
    """OpenSSL refuses a key of length 0, so every exception fails the handshake (security rule 33)."""
    return _give(_check_of(ssl).key_of_peer(_ffi.string(identity)), key, size)


@_ffi.callback(  # type: ignore[untyped-decorator]
    "unsigned int(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)",
    error=0,
    onerror=_refuse,
)
def _client_callback(ssl: Any, _hint: Any, identity: Any, identity_size: int, key: Any, size: int) -> int:
    name, secret = _check_of(ssl).own_key()
    _give(name + b"\0", identity, identity_size)
    return _give(secret, key, size)


def _give(value: bytes, buffer: Any, size: int) -> int:
    if len(value) > size:
        raise ValueError("longer than OpenSSL takes")
    _ffi.memmove(buffer, value, len(value))
    return len(value)
