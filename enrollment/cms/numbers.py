"""Object identifiers of CMS content types, attributes and algorithms."""

from __future__ import annotations

from typing import Final

from cryptography.x509 import ObjectIdentifier

SIGNED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.2")
ENVELOPED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.3")
KEY_PACKAGE: Final = ObjectIdentifier("2.16.840.1.101.2.1.2.78.5")
"""id-ct-KP-aKeyPackage (RFC 5958)."""

CONTENT_TYPE: Final = ObjectIdentifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST: Final = ObjectIdentifier("1.2.840.113549.1.9.4")

SHA256: Final = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
ECDSA_SHA256: Final = ObjectIdentifier("1.2.840.10045.4.3.2")
EC_PUBLIC_KEY: Final = ObjectIdentifier("1.2.840.10045.2.1")
STD_DH_SHA256_KDF: Final = ObjectIdentifier("1.3.132.1.11.1")
"""dhSinglePass-stdDH-sha256kdf-scheme (RFC 5753)."""
AES128_WRAP: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.5")
AES128_CBC: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.2")
