"""COSE_Encrypt with a detached ciphertext (RFC 9052 section 5.1; AES-CTR: RFC 9459).

AES-GCM and ChaCha20/Poly1305 authenticate, AES-CTR does not: who uses it must check the plaintext's digest, as SUIT
does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from cose import cbor
from cose.errors import CoseError, CoseReason, TagInvalid
from cose.headers import algorithm_of, check_headers, header_map, protected_map
from cose.numbers import Algorithm, Header, Tag
from cose.recipients import Recipient, RecipientKey, SealedFor, parse_recipients, unwrap


class _Sizes(NamedTuple):
    key: int
    iv: int


_AEAD: Final = {
    Algorithm.A128GCM: _Sizes(16, 12),
    Algorithm.A192GCM: _Sizes(24, 12),
    Algorithm.A256GCM: _Sizes(32, 12),
    Algorithm.CHACHA20_POLY1305: _Sizes(32, 12),
}
_CTR: Final = {
    Algorithm.A128CTR: _Sizes(16, 16),
    Algorithm.A192CTR: _Sizes(24, 16),
    Algorithm.A256CTR: _Sizes(32, 16),
}
CONTENT_ALGORITHMS: Final = frozenset({*_AEAD, *_CTR})
_CONTEXT: Final = "Encrypt"


@dataclass(frozen=True, slots=True)
class Encrypt:
    """A parsed COSE_Encrypt whose ciphertext lies elsewhere."""

    protected_bytes: bytes
    alg: Algorithm
    iv: bytes
    recipients: tuple[Recipient, ...]

    @classmethod
    def parse(cls, data: bytes, *, max_size: int) -> Encrypt:
        """Parse a tagged message of at most `max_size` bytes. Raises `CborError`, `CoseError`.

        COSE leaves open in which order header parameters come, and others use it.
        """
        item = cbor.decode(data, max_size=max_size, any_order=True)
        if not isinstance(item, cbor.Tagged) or item.tag != Tag.COSE_ENCRYPT:
            raise CoseError(CoseReason.STRUCTURE, "tag 96 expected")
        match item.value:
            case [bytes(protected_bytes), dict(unprotected), None, list(recipients)]:
                pass
            case [bytes(), dict(), bytes(), list()]:
                raise CoseError(CoseReason.PAYLOAD, "the ciphertext must be detached")
            case _:
                raise CoseError(CoseReason.STRUCTURE, "an array of protected, unprotected, nil and recipients expected")
        protected = protected_map(protected_bytes, max_size)
        headers = header_map(unprotected, CoseReason.UNPROTECTED_HEADER)
        check_headers(protected, headers)
        alg = _algorithm(protected, headers)
        return cls(protected_bytes, alg, _iv(alg, {**protected, **headers}), parse_recipients(recipients))

    @property
    def authenticates(self) -> bool:
        """Whether the algorithm notices a changed ciphertext."""
        return self.alg in _AEAD

    def decrypt(self, ciphertext: bytes, key: RecipientKey) -> bytes:
        """The plaintext. Raises `TagInvalid`, `CoseError` RECIPIENT or KEY; with AES-CTR nothing is authenticated."""
        content_key = unwrap(self.recipients, key)
        if len(content_key) != _sizes(self.alg).key:
            raise CoseError(CoseReason.KEY, f"{self.alg.name} takes another length of key")
        if self.alg in _CTR:
            return _ctr(content_key, self.iv, ciphertext)
        try:
            return _aead(self.alg, content_key).decrypt(self.iv, ciphertext, _aad(self.protected_bytes))
        except InvalidTag as error:
            raise TagInvalid from error


def encrypt(
    plaintext: bytes, recipients: Sequence[SealedFor], algorithm: Algorithm = Algorithm.A128GCM
) -> tuple[bytes, bytes]:
    """The COSE_Encrypt for these recipients, and the ciphertext beside it; content key and IV are fresh."""
    if algorithm not in CONTENT_ALGORITHMS:
        raise CoseError(CoseReason.ALGORITHM, algorithm.name)
    sizes = _sizes(algorithm)
    content_key, iv = os.urandom(sizes.key), os.urandom(sizes.iv)
    wrapped = [recipient.wrap(content_key) for recipient in recipients]
    if algorithm in _CTR:
        protected, headers = b"", {Header.ALG: algorithm, Header.IV: iv}
        ciphertext = _ctr(content_key, iv, plaintext)
    else:
        protected, headers = cbor.encode({Header.ALG: algorithm}), {Header.IV: iv}
        ciphertext = _aead(algorithm, content_key).encrypt(iv, plaintext, _aad(protected))
    return cbor.encode(cbor.Tagged(Tag.COSE_ENCRYPT, [protected, headers, None, wrapped])), ciphertext


def _algorithm(protected: Mapping[int | str, Any], unprotected: Mapping[int | str, Any]) -> Algorithm:
    """Protected, but for CTR, which can protect nothing and must not seem to (RFC 9459 section 4)."""
    if Header.ALG in protected:
        return algorithm_of(protected, _AEAD)
    if protected:
        raise CoseError(CoseReason.PROTECTED_HEADER, "it does not name the algorithm")
    return algorithm_of(unprotected, _CTR, "unprotected")


def _iv(alg: Algorithm, headers: Mapping[int | str, Any]) -> bytes:
    iv = headers.get(Header.IV)
    size = _sizes(alg).iv
    if not isinstance(iv, bytes) or len(iv) != size:
        raise CoseError(CoseReason.UNPROTECTED_HEADER, f"{alg.name} takes an IV of {size} bytes")
    return iv


def _sizes(alg: Algorithm) -> _Sizes:
    return _CTR[alg] if alg in _CTR else _AEAD[alg]


def _aead(alg: Algorithm, key: bytes) -> AESGCM | ChaCha20Poly1305:
    return ChaCha20Poly1305(key) if alg is Algorithm.CHACHA20_POLY1305 else AESGCM(key)


def _ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
    return cipher.update(data) + cipher.finalize()


def _aad(protected: bytes) -> bytes:
    """Enc_structure with an empty external_aad (RFC 9052 section 5.3)."""
    return cbor.encode([_CONTEXT, protected, b""])
