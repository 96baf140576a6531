"""The key a standard client signs SUIT reports with: its certificate's, or one of its own that a server is told of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from cose.keys import PrivateKey, generate_private_key
from device_client.emulator.plain.accounts import Account, SecurityMode
from device_client.emulator.storage.files import Files, StorageError

FILE: Final = "report-key.der"


class SigningKey:
    """Of one device. `account` is that of its first server."""

    def __init__(self, files: Files, account: Callable[[], Account | None]) -> None:
        self._files = files
        self._account = account

    def get(self) -> PrivateKey:
        """The key; one of its own is made when it is asked for first. Raises StorageError."""
        account = self._account()
        if account is not None and account.mode == SecurityMode.CERTIFICATE:
            return _key(account.secret)
        if not self._files.exists(FILE):
            key = generate_private_key()
            self._files.write(FILE, key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
        return _key(self._files.read(FILE))


def _key(der: bytes) -> PrivateKey:
    key = load_der_private_key(der, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise StorageError("the key for reports is neither on an elliptic curve nor Ed25519")
    return key
