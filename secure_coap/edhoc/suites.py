"""What each cipher suite means, as one table (RFC 9528 sections 3.6 and 10.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from cose.algorithms import SIGNATURE_ALGORITHMS, SignatureAlgorithm
from cose.numbers import Algorithm
from secure_coap.edhoc.curves import P256, X25519, Curve
from secure_coap.edhoc.errors import EdhocError, EdhocReason
from secure_coap.edhoc.numbers import CipherSuite

HASH_LENGTH: Final = 32
"""SHA-256, the hash of all suites here."""


@dataclass(frozen=True, slots=True)
class Suite:
    """AES-CCM-16-x-128 with SHA-256. `tag` is both the AEAD's and the MAC's length; all lengths in bytes."""

    tag: int
    curve: Curve
    signature: SignatureAlgorithm
    key_length: int = 16
    iv_length: int = 13

    def encrypt(self, key: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """AEAD encryption."""
        return AESCCM(key, tag_length=self.tag).encrypt(iv, plaintext, aad)

    def decrypt(self, key: bytes, iv: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """AEAD decryption. Raises `EdhocError` AUTHENTICATION."""
        try:
            return AESCCM(key, tag_length=self.tag).decrypt(iv, ciphertext, aad)
        except (InvalidTag, ValueError) as error:
            raise EdhocError(EdhocReason.AUTHENTICATION) from error


SUITES: Final[Mapping[CipherSuite, Suite]] = MappingProxyType(
    {
        CipherSuite.X25519_CCM_8: Suite(8, X25519, SIGNATURE_ALGORITHMS[Algorithm.EDDSA]),
        CipherSuite.X25519_CCM_16: Suite(16, X25519, SIGNATURE_ALGORITHMS[Algorithm.EDDSA]),
        CipherSuite.P256_CCM_8: Suite(8, P256, SIGNATURE_ALGORITHMS[Algorithm.ES256]),
        CipherSuite.P256_CCM_16: Suite(16, P256, SIGNATURE_ALGORITHMS[Algorithm.ES256]),
    }
)
