"""Certificates with one thing or another in them, for C509."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from cose.cbor import decode_sequence
from cose.keys import PrivateKey
from device_pki.c509 import encode_certificate
from tests.device_pki.builders import YEAR

VECTORS: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "c509" / "appendix_a.json").read_text()
)["vectors"]
KEY: Final = ec.generate_private_key(ec.SECP256R1())
NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Some CA")])


def vector(kind: str, size: int) -> bytes:
    """The bytes of the appendix's example of this kind and size."""
    return next(
        bytes.fromhex(example["hex"]) for example in VECTORS if (example["kind"], example["len"]) == (kind, size)
    )


def certificate(
    *extensions: tuple[x509.ExtensionType, bool],
    subject: x509.Name = NAME,
    issuer: x509.Name = NAME,
    serial: int = 1,
    key: PrivateKey = KEY,
) -> x509.Certificate:
    """A certificate with these extensions, critical or not."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(KEY.public_key())
        .serial_number(serial)
        .not_valid_before(YEAR.not_before)
        .not_valid_after(YEAR.not_after)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def items(of: x509.Certificate) -> list[Any]:
    """The items of the re-encoding."""
    return decode_sequence(encode_certificate(of))


def raw(oid: str, value: str) -> x509.UnrecognizedExtension:
    """An extension given by the hexadecimal of its DER."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), bytes.fromhex(value))
