"""From the words and files of a command line to settings; what is wrong is a ValueError or OSError that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cose.keys import authority_key, load_public_key
from device_client.emulator.plain.settings import OBJECTS, ClientSettings, Credentials
from objects.path import Path as ObjectPath


def client(*, objects: str | None, send: str | None, firmware_authority: Path | None, **members: Any) -> ClientSettings:
    """The settings; `objects` is a list of words with commas, all of them without one, `send` one of paths."""
    words = OBJECTS if objects is None else tuple(filter(None, objects.split(",")))
    authority = b"" if firmware_authority is None else authority_key(load_public_key(firmware_authority))
    paths = tuple(ObjectPath.parse(one) for one in filter(None, (send or "").split(",")))
    return ClientSettings(objects=words, send=paths, firmware_authority=authority, **members)


def credentials(
    psk_identity: str | None, psk_key_file: Path | None, certificate: Path | None, key: Path | None, anchor: Path | None
) -> Credentials:
    """What the files hold."""
    judge = None if anchor is None else _certificate(anchor)
    return Credentials(
        psk_identity=psk_identity,
        psk=b"" if psk_key_file is None else _psk(psk_key_file),
        certificate=b"" if certificate is None else _certificate(certificate).public_bytes(Encoding.DER),
        private_key=b"" if key is None else _private_key(key),
        anchor=b"" if judge is None else judge.public_bytes(Encoding.DER),
        anchor_is_ca=judge is not None and _is_ca(judge),
    )


def _psk(path: Path) -> bytes:
    try:
        return bytes.fromhex(path.read_text().strip())
    except ValueError as error:
        raise ValueError(f"{path} does not hold a key in hex digits") from error


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is no certificate in PEM") from error


def _private_key(path: Path) -> bytes:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no private key in PEM without a password") from error
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
