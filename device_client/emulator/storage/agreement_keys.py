"""What opens encrypted payloads: the device's own agreement keys, and keys it shares with a provider's other devices.

Its own are born with the device and stay with it, whoever manages it; they do nothing else. Shared ones are the secret
of a provider and go when it does. Of each kind there are two: a next one before the old one is given up.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cose.cbor import CborError
from cose.errors import CoseError
from cose.keys import kid
from cose.recipients import RecipientKey
from cose.shared_keys import SharedKey
from device_client.emulator.storage.files import Files, StorageError

OWN: Final = "agreement-keys"
SHARED: Final = "group-keys"
KEPT: Final = 2
"""Keys of a kind."""
_DIGITS: Final = 8


class AgreementKeys:
    """The files of one device; they are numbered, the newest has the highest number."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def make(self) -> ec.EllipticCurvePublicKey:
        """A fresh P-256 key, durable; the oldest gives way when there are too many."""
        key = ec.generate_private_key(ec.SECP256R1())
        encryption = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        self._keep(OWN, pem)
        return key.public_key()

    def make_first(self) -> None:
        """For a device that has none yet."""
        if not list(self._files.names(OWN)):
            self.make()

    def public_keys(self) -> list[ec.EllipticCurvePublicKey]:
        """Of the device's own keys, the newest last."""
        return [key.public_key() for key in self._own()]

    def take_shared(self, key: SharedKey) -> None:
        """Keep a provider's key beside the one before."""
        if key.encode() not in self._contents(SHARED):
            self._keep(SHARED, key.encode())

    def forget_shared(self) -> None:
        """The provider is gone."""
        for name in list(self._files.names(SHARED)):
            self._files.erase(f"{SHARED}/{name}")
        self._files.erase_leftovers(SHARED)

    def openers(self) -> tuple[RecipientKey, ...]:
        """All keys, as the SUIT processor takes them. Raises StorageError."""
        own = [RecipientKey(key, kid(key.public_key())) for key in self._own()]
        try:
            shared = [SharedKey.decode(data) for data in self._contents(SHARED)]
        except (CborError, CoseError) as error:
            raise StorageError(f"a file in {SHARED} is damaged: remove it, its provider can write it again") from error
        return (*own, *(RecipientKey(one.key, one.kid) for one in shared))

    def _own(self) -> list[ec.EllipticCurvePrivateKey]:
        keys = [serialization.load_pem_private_key(pem, password=None) for pem in self._contents(OWN)]
        found = [key for key in keys if isinstance(key, ec.EllipticCurvePrivateKey)]
        if len(found) != len(keys):
            raise StorageError(f"a file in {OWN} holds another kind of key")
        return found

    def _contents(self, folder: str) -> list[bytes]:
        return [self._files.read(f"{folder}/{name}") for name in self._files.names(folder)]

    def _keep(self, folder: str, data: bytes) -> None:
        names = list(self._files.names(folder))
        number = 1 + max((int(name) for name in names), default=0)
        self._files.write(f"{folder}/{number:0{_DIGITS}}", data)
        for name in names[: len(names) + 1 - KEPT]:
            self._files.erase(f"{folder}/{name}")
