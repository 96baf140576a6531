"""Stateless cookies: who has not shown that it receives at its address costs us no memory (RFC 6347 4.2.1).

OpenSSL's listener parses the ClientHello, and asks us to make or check a cookie. One idle connection object serves
all unproven addresses; it becomes the session of the first ClientHello with a good cookie, then a new one is made.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from OpenSSL import SSL

from secure_coap.association import Address
from secure_coap.channels.dtls.handshake import MTU
from secure_coap.channels.dtls.records import pack, split_records

_PERIOD: Final = 60.0
_READ: Final = 4096
_COOKIE: Final = 8
"""Bytes, which every handshake carries twice. Guessing one takes 2^63 datagrams within its two minutes."""


class CookieListener:
    """`context` is the server's; cookies are HMAC-SHA256 over address and period, cut, and valid one to two minutes."""

    def __init__(self, context: SSL.Context, secret: bytes) -> None:
        self._context = context
        self._secret = secret
        self._address: Address = ("", 0)
        self._now = 0.0
        context.set_cookie_generate_callback(lambda _: self._cookie(0))
        context.set_cookie_verify_callback(lambda _, cookie: self._verified(cookie))
        self._connection = self._new_connection()

    def listen(self, hello: bytes, address: Address, now: float) -> tuple[SSL.Connection | None, list[bytes]]:
        """The connection of a ClientHello whose cookie is good, else the HelloVerifyRequest to send, if any."""
        self._address, self._now = address, now
        self._connection.bio_write(hello)
        try:
            self._connection.DTLSv1_listen()
        except SSL.WantReadError:
            return None, self._output()
        except BaseException as error:  # whatever it was, this connection object may be spoilt
            self._connection = self._new_connection()
            if isinstance(error, SSL.Error):
                return None, []
            raise
        verified, self._connection = self._connection, self._new_connection()
        return verified, []

    def _new_connection(self) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_accept_state()
        connection.set_ciphertext_mtu(MTU)
        return connection

    def _output(self) -> list[bytes]:
        try:
            return pack(split_records(self._connection.bio_read(_READ)), MTU)
        except SSL.WantReadError:
            return []

    def _cookie(self, age: int) -> bytes:
        period = int(self._now // _PERIOD) - age
        text = f"{period} {self._address[0]} {self._address[1]}"
        return hmac.digest(self._secret, text.encode(), hashlib.sha256)[:_COOKIE]

    def _verified(self, cookie: bytes) -> bool:
        """OpenSSL makes a new cookie after a bad one, so only that callback's error may be left to be raised."""
        try:
            return self._accepts(cookie)
        except Exception:
            return False

    def _accepts(self, cookie: bytes) -> bool:
        return any(hmac.compare_digest(cookie, self._cookie(age)) for age in (0, 1))
