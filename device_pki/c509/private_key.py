"""C509 private keys (draft-ietf-cose-cbor-encoded-cert-20, 3.6): a P-256 key as a COSE_Key (type 1)."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from cose.cbor import CborError, decode, encode
from cose.numbers import Curve, KeyParameter, KeyType
from device_pki.c509.algorithms import PublicKeyAlgorithm
from device_pki.c509.errors import C509Error, C509Reason

MAX_SIZE: Final = 256
"""Octets of the largest private key taken."""
_COSE_KEY: Final = 1
_SIZE: Final = 32
_D: Final = -4
"""Parameter of a COSE_Key: the private key (RFC 9053 7.1.1)."""


def encode_private_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the C509PrivateKey of a P-256 key; its certificate has the public half."""
    if not isinstance(key.curve, ec.SECP256R1):
        raise C509Error(C509Reason.KEY, "a private key is on P-256")
    secret = key.private_numbers().private_value.to_bytes(_SIZE, "big")
    parameters = {int(KeyParameter.KTY): int(KeyType.EC2), int(KeyParameter.CRV): int(Curve.P_256), _D: secret}
    return encode([_COSE_KEY, int(PublicKeyAlgorithm.EC_P256), parameters])


def decode_private_key(data: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key in a C509PrivateKey of type 1; raise `C509Error` (MALFORMED, KEY) for anything else."""
    try:
        item = decode(data, max_size=MAX_SIZE, max_depth=2)
    except CborError as error:
        raise C509Error(C509Reason.MALFORMED, str(error)) from error
    match item:
        case [1, 1, {1: 2, -1: 1, -4: bytes(secret)}] if len(secret) == _SIZE:
            try:
                return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
            except ValueError as error:
                raise C509Error(C509Reason.KEY, "not a private key of P-256") from error
    raise C509Error(C509Reason.MALFORMED, "no private key on P-256 as a COSE_Key")
