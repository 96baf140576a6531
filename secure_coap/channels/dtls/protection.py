"""Protected records of an open session: DTLS 1.2 framing (RFC 6347 section 4.1) around an AEAD of the library.

OpenSSL makes the handshake; from its master secret follow the keys of all later records (RFC 5246 section 6.3), and
with them nothing of OpenSSL has to be kept. Nonces are those of RFC 5288 section 3 and RFC 6655 section 3: four bytes
from the key block, eight explicit ones that never repeat.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag

from secure_coap.channels.dtls.records import DTLS_1_2, RECORD_HEADER
from secure_coap.channels.dtls.suites import KEY_LENGTH, Suite

EPOCH: Final = 1
"""There is no renegotiation, so protected records are all of one epoch."""
_SALT: Final = 4
_EXPLICIT: Final = 8
_NONCE: Final = RECORD_HEADER + _EXPLICIT
_WINDOW: Final = 64
_SEEN: Final = (1 << _WINDOW) - 1
_MASK: Final = (1 << 64) - 1
_HEADER: Final = struct.Struct("!BHQH")
"""Type, version, epoch and sequence number as one, length."""
_AAD: Final = struct.Struct("!QBHH")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a finished handshake leaves behind to protect records with."""

    suite: Suite
    master_secret: bytes = field(repr=False)
    client_random: bytes
    server_random: bytes

    def key_block(self) -> bytes:
        """Client and server write keys, then client and server salts (RFC 5246 section 6.3)."""
        seed = self.server_random + self.client_random
        return prf(self.master_secret, b"key expansion", seed, 2 * (KEY_LENGTH + _SALT))


def prf(secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """The pseudorandom function of TLS 1.2 with SHA-256 (RFC 5246 section 5)."""
    seed = label + seed
    output, chained = b"", seed
    while len(output) < length:
        chained = hmac.digest(secret, chained, hashlib.sha256)
        output += hmac.digest(secret, chained + seed, hashlib.sha256)
    return output[:length]


class RecordProtection:
    """Both directions of one session. `sent`: the last protected record that went out in the handshake."""

    __slots__ = ("_base", "_highest", "_next", "_overhead", "_read", "_read_salt", "_seen", "_write", "_write_salt")

    def __init__(self, secrets: Secrets, *, is_client: bool, sent: bytes) -> None:
        block = secrets.key_block()
        keys = (block[:KEY_LENGTH], block[KEY_LENGTH : 2 * KEY_LENGTH])
        salts = (block[2 * KEY_LENGTH :][:_SALT], block[2 * KEY_LENGTH :][_SALT:])
        mine, theirs = (0, 1) if is_client else (1, 0)
        self._write, self._write_salt = secrets.suite.aead(keys[mine]), salts[mine]
        self._read, self._read_salt = secrets.suite.aead(keys[theirs]), salts[theirs]
        self._overhead = _EXPLICIT + secrets.suite.tag_length
        # Explicit nonces go on counting where OpenSSL stopped, whatever it began with, so none comes twice.
        number = _HEADER.unpack_from(sent)[2]
        self._base: int = (int.from_bytes(sent[RECORD_HEADER:_NONCE], "big") - number) & _MASK
        self._next = number + 1
        self._highest = EPOCH << 48
        self._seen = 0

    def seal(self, content_type: int, plaintext: bytes) -> bytes:
        """One record."""
        number: int = self._next
        self._next = number + 1
        explicit = ((self._base + number) & _MASK).to_bytes(_EXPLICIT, "big")
        aad = _AAD.pack(number, content_type, DTLS_1_2, len(plaintext))
        ciphertext = self._write.encrypt(self._write_salt + explicit, plaintext, aad)
        return _HEADER.pack(content_type, DTLS_1_2, number, _EXPLICIT + len(ciphertext)) + explicit + ciphertext

    def open(self, record: bytes) -> tuple[int, bytes] | None:
        """Content type and plaintext of one whole record; None for a forged or repeated one, which is ignored."""
        content_type, version, number, length = _HEADER.unpack_from(record)
        size = length - self._overhead
        ahead = number - self._highest
        if number >> 48 != EPOCH or version != DTLS_1_2 or size < 0 or (ahead <= 0 and self._has_come(-ahead)):
            return None
        aad = _AAD.pack(number, content_type, version, size)
        try:
            plaintext = self._read.decrypt(self._read_salt + record[RECORD_HEADER:_NONCE], record[_NONCE:], aad)
        except InvalidTag:
            return None
        if ahead > 0:
            self._seen = (self._seen << min(ahead, _WINDOW) | 1) & _SEEN
            self._highest = number
        else:
            self._seen |= 1 << -ahead
        return content_type, plaintext

    def _has_come(self, age: int) -> bool:
        """Whether a record came before, or is too old to tell (RFC 6347 section 4.1.2.6)."""
        return age >= _WINDOW or bool(self._seen >> age & 1)
