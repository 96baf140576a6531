"""Keys and certificates, each in a file named by its own hash.

A file here means nothing by itself: only what the device's record names counts. So a record that changes in one write
changes everything at once, and whatever it no longer names is rubbish to erase, later and as often as needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from cose.keys import PrivateKey, generate_private_key, thumbprint
from device_client.emulator.storage.files import DeviceFiles, StorageError

KEYS: Final = "keys"
CERTIFICATES: Final = "certificates"


class Vault:
    """The content-addressed files of one device."""

    def __init__(self, files: DeviceFiles) -> None:
        self._files = files

    def make_key(self) -> tuple[bytes, PrivateKey]:
        """A fresh key pair, durable before it is named anywhere. Returns thumbprint (32 B) and key."""
        key = generate_private_key()
        return self.keep_key(key), key

    def keep_key(self, key: PrivateKey) -> bytes:
        """Make a private key durable; returns its thumbprint (32 B)."""
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        name = thumbprint(key.public_key())
        self._files.write(_name(KEYS, name, "pem"), pem)
        return name

    def key(self, name: bytes) -> PrivateKey:
        """The private key with this thumbprint. Raises StorageError."""
        pem = self._files.read(_name(KEYS, name, "pem"))
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise StorageError("a key file holds another kind of key")
        return key

    def has_key(self, name: bytes) -> bool:
        return self._files.exists(_name(KEYS, name, "pem"))

    def key_names(self) -> list[bytes]:
        return self._names(KEYS)

    def keep_certificate(self, certificate: x509.Certificate) -> bytes:
        """Make a certificate durable; returns its fingerprint (32 B)."""
        der = certificate.public_bytes(serialization.Encoding.DER)
        name = hashlib.sha256(der).digest()
        if not self._files.exists(_name(CERTIFICATES, name, "der")):
            self._files.write(_name(CERTIFICATES, name, "der"), der)
        return name

    def certificate(self, name: bytes) -> x509.Certificate:
        """The certificate with this fingerprint. Raises StorageError."""
        return x509.load_der_x509_certificate(self._files.read(_name(CERTIFICATES, name, "der")))

    def certificate_names(self) -> list[bytes]:
        return self._names(CERTIFICATES)

    def erase_keys(self, names: Collection[bytes]) -> None:
        for name in names:
            self._files.erase(_name(KEYS, name, "pem"))

    def erase_certificates(self, names: Collection[bytes]) -> None:
        for name in names:
            self._files.erase(_name(CERTIFICATES, name, "der"))

    def erase_leftovers(self) -> None:
        """Remove what writes that were cut short left behind."""
        for folder in (KEYS, CERTIFICATES):
            self._files.erase_leftovers(folder)

    def _names(self, folder: str) -> list[bytes]:
        return [bytes.fromhex(name.partition(".")[0]) for name in self._files.names(folder)]


def _name(folder: str, digest: bytes, suffix: str) -> str:
    return f"{folder}/{digest.hex()}.{suffix}"
