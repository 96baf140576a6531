"""Security contexts (RFC 8613 section 3): what both sides derive from a master secret, and what each counts.

The sender's numbers are reserved ahead by whoever stores the context, so that a restart skips some and repeats none
(appendix B.1.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cose import cbor
from secure_coap.oscore.errors import OscoreError, OscoreReason
from secure_coap.oscore.option import MAX_SEQUENCE
from secure_coap.oscore.replay import ReplayWindow

_BYTES: Final = 0x40
"""Head of a byte string of less than 24 bytes, which identifiers, partial IVs and the external AAD are."""
_ENC_STRUCTURE: Final = b"\x83\x68Encrypt0\x40"
"""Enc_structure but for its last item: [ "Encrypt0", h'', … (RFC 8613 section 5.4)."""
_Aead: TypeAlias = AESCCM | AESGCM | ChaCha20Poly1305


class OscoreAlgorithm(IntEnum):
    """AEAD algorithms, by their COSE number."""

    A128GCM = 1
    AES_CCM_16_64_128 = 10
    CHACHA20_POLY1305 = 24
    AES_CCM_16_128_128 = 30

    @property
    def nonce_length(self) -> int:
        """Bytes."""
        return 13 if self in (OscoreAlgorithm.AES_CCM_16_64_128, OscoreAlgorithm.AES_CCM_16_128_128) else 12

    @property
    def key_length(self) -> int:
        """Bytes."""
        return 32 if self is OscoreAlgorithm.CHACHA20_POLY1305 else 16

    @property
    def max_id(self) -> int:
        """Bytes of the longest Sender or Recipient ID (section 3.3)."""
        return self.nonce_length - 6


def _aead(algorithm: OscoreAlgorithm, key: bytes) -> _Aead:
    match algorithm:
        case OscoreAlgorithm.A128GCM:
            return AESGCM(key)
        case OscoreAlgorithm.CHACHA20_POLY1305:
            return ChaCha20Poly1305(key)
        case OscoreAlgorithm.AES_CCM_16_64_128:
            return AESCCM(key, tag_length=8)
        case OscoreAlgorithm.AES_CCM_16_128_128:
            return AESCCM(key, tag_length=16)


_KEY: Final = "Key"
_IV: Final = "IV"


@dataclass(slots=True, repr=False)
class SecurityContext:
    """One side's view. `sequence` is the next sender sequence number; those from `reserved` on must not be used yet."""

    sender_id: bytes
    recipient_id: bytes
    sender_key: bytes
    recipient_key: bytes
    common_iv: bytes
    algorithm: OscoreAlgorithm = OscoreAlgorithm.AES_CCM_16_64_128
    id_context: bytes | None = None
    sequence: int = 0
    reserved: int = MAX_SEQUENCE
    window: ReplayWindow = field(default_factory=ReplayWindow)
    _common_iv: int = field(init=False, repr=False)
    _nonce_length: int = field(init=False)
    _aad_head: bytes = field(init=False)
    _sealing: _Aead = field(init=False)
    _opening: _Aead = field(init=False)

    def __post_init__(self) -> None:
        self._common_iv = int.from_bytes(self.common_iv, "big")
        self._nonce_length = self.algorithm.nonce_length
        self._aad_head = b"\x85\x01\x81" + cbor.encode(int(self.algorithm))
        self._sealing = _aead(self.algorithm, self.sender_key)
        self._opening = _aead(self.algorithm, self.recipient_key)

    @classmethod
    def derive(
        cls,
        master_secret: bytes,
        master_salt: bytes,
        *,
        sender_id: bytes,
        recipient_id: bytes,
        id_context: bytes | None = None,
        algorithm: OscoreAlgorithm = OscoreAlgorithm.AES_CCM_16_64_128,
    ) -> SecurityContext:
        """The context of a master secret (section 3.2). Raises ValueError for equal identifiers and for longer ones."""
        if sender_id == recipient_id or max(len(sender_id), len(recipient_id)) > algorithm.max_id:
            raise ValueError(f"identifiers differ and have at most {algorithm.max_id} bytes (RFC 8613 section 3.3)")

        def derived(identifier: bytes, kind: str, length: int) -> bytes:
            info = cbor.encode([identifier, id_context, int(algorithm), kind, length])
            return HKDF(hashes.SHA256(), length, salt=master_salt or None, info=info).derive(master_secret)

        return cls(
            sender_id=sender_id,
            recipient_id=recipient_id,
            sender_key=derived(sender_id, _KEY, algorithm.key_length),
            recipient_key=derived(recipient_id, _KEY, algorithm.key_length),
            common_iv=derived(b"", _IV, algorithm.nonce_length),
            algorithm=algorithm,
            id_context=id_context,
        )

    def next_sequence(self) -> int:
        """A sender sequence number, never given again. Raises `OscoreError` EXHAUSTED."""
        if self.sequence >= self.reserved or self.sequence > MAX_SEQUENCE:
            raise OscoreError(OscoreReason.EXHAUSTED)
        self.sequence += 1
        return self.sequence - 1

    def nonce(self, identifier: bytes, partial_iv: bytes) -> bytes:
        """The AEAD nonce of whoever chose the partial IV (section 5.2)."""
        length = self._nonce_length
        padded = bytes((len(identifier),)) + identifier.rjust(length - 6, b"\x00") + partial_iv.rjust(5, b"\x00")
        return (int.from_bytes(padded, "big") ^ self._common_iv).to_bytes(length, "big")

    def seal(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt with our sender key."""
        return self._sealing.encrypt(nonce, plaintext, aad)

    def open(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Decrypt with the peer's key. Raises `OscoreError` DECRYPTION."""
        try:
            return self._opening.decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError) as error:
            raise OscoreError(OscoreReason.DECRYPTION) from error

    def aad(self, request_kid: bytes, request_piv: bytes) -> bytes:
        """The additional data of a request and its responses (section 5.4)."""
        external = b"".join(
            (self._aad_head, bytes((_BYTES | len(request_kid),)), request_kid, bytes((_BYTES | len(request_piv),)))
        )
        external += request_piv + b"\x40"
        return _ENC_STRUCTURE + bytes((_BYTES | len(external),)) + external


ContextTable: TypeAlias = Mapping[tuple[bytes, bytes | None], SecurityContext]
"""Contexts by Recipient ID and ID Context."""
