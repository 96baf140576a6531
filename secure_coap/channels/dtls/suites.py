"""The cipher suites, by OpenSSL's names, in order of preference. All are AEAD suites with the SHA-256 PRF."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM

Aead = AESCCM | AESGCM
KEY_LENGTH: Final = 16
"""Every suite here uses AES-128."""


class Suite(Enum):
    """Registered cipher suites; the value is OpenSSL's name."""

    ECDHE_ECDSA_WITH_AES_128_CCM_8 = "ECDHE-ECDSA-AES128-CCM8"
    """RFC 7251; mandatory for certificates (RFC 7925 section 4.4)."""
    ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = "ECDHE-ECDSA-AES128-GCM-SHA256"
    """RFC 5289."""
    PSK_WITH_AES_128_CCM_8 = "PSK-AES128-CCM8"
    """RFC 6655; mandatory for pre-shared keys (RFC 7925 section 4.2)."""
    PSK_WITH_AES_128_CCM = "PSK-AES128-CCM"
    """RFC 6655."""
    PSK_WITH_AES_128_GCM_SHA256 = "PSK-AES128-GCM-SHA256"
    """RFC 5487."""

    @property
    def by_key(self) -> bool:
        """Whether a pre-shared key authenticates both sides."""
        return self.value.startswith("PSK-")

    @property
    def tag_length(self) -> int:
        """Bytes of the authentication tag."""
        return 8 if self.value.endswith("CCM8") else 16

    def aead(self, key: bytes) -> Aead:
        """The cipher that protects records one way."""
        make: Callable[[bytes], Aead] = AESGCM
        if "CCM" in self.value:
            make = partial(AESCCM, tag_length=self.tag_length)
        return make(key)


CERTIFICATE_SUITES: Final = tuple(suite for suite in Suite if not suite.by_key)
KEY_SUITES: Final = tuple(suite for suite in Suite if suite.by_key)
