"""EnvelopedData for one EC key: ephemeral-static ECDH, AES-128 key wrap, AES-128-CBC (RFC 5652 6, RFC 5753 3.1).

CBC protects no integrity: what is inside is signed, and the whole travels in an authenticated session.
"""

from __future__ import annotations

import os
from typing import Annotated, Final

from cryptography import x509
from cryptography.exceptions import AlreadyFinalized, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from device_pki.certificates import PARSE_ERRORS
from enrollment.cms.der import Algorithm
from enrollment.cms.errors import CmsError
from enrollment.cms.numbers import (
    AES128_CBC,
    AES128_WRAP,
    EC_PUBLIC_KEY,
    ENVELOPED_DATA,
    SIGNED_DATA,
    STD_DH_SHA256_KDF,
)

MAX_SIZE: Final = 8192
"""Octets of the largest message opened."""
_KEY_SIZE: Final = 16
_BLOCK: Final = 16
_OPEN_ERRORS: Final = (*PARSE_ERRORS, InvalidUnwrap, UnsupportedAlgorithm, AlreadyFinalized)


@asn1.sequence
class _KeyAlgorithm:
    algorithm: x509.ObjectIdentifier
    wrap: Algorithm


@asn1.sequence
class _OriginatorKey:
    algorithm: Algorithm
    point: asn1.BitString


@asn1.sequence
class _Originator:
    """The CHOICE of OriginatorIdentifierOrKey with its only alternative here, inside [0]."""

    key: Annotated[_OriginatorKey, asn1.Implicit(1)]


@asn1.sequence
class _RecipientKey:
    subject_key_identifier: bytes


@asn1.sequence
class _EncryptedKey:
    recipient: Annotated[_RecipientKey, asn1.Implicit(0)]
    encrypted_key: bytes


@asn1.sequence
class _KeyAgreement:
    version: int
    originator: Annotated[_Originator, asn1.Implicit(0)]
    algorithm: _KeyAlgorithm
    keys: list[_EncryptedKey]


@asn1.sequence
class _ContentAlgorithm:
    algorithm: x509.ObjectIdentifier
    iv: bytes


@asn1.sequence
class _EncryptedContent:
    kind: x509.ObjectIdentifier
    algorithm: _ContentAlgorithm
    content: Annotated[bytes, asn1.Implicit(0)]


@asn1.sequence
class _EnvelopedData:
    version: int
    recipients: asn1.SetOf[Annotated[_KeyAgreement, asn1.Implicit(1)]]
    content: _EncryptedContent


@asn1.sequence
class _ContentInfo:
    kind: x509.ObjectIdentifier
    content: Annotated[_EnvelopedData, asn1.Explicit(0)]


@asn1.sequence
class _SharedInfo:
    """ECC-CMS-SharedInfo (RFC 5753 7.2)."""

    key: Algorithm
    key_bits: Annotated[bytes, asn1.Explicit(2)]


def envelop(signed_data: bytes, recipient: ec.EllipticCurvePublicKey, key_identifier: bytes) -> bytes:
    """Return the DER of an EnvelopedData of a SignedData that only the holder of `recipient`'s private key can open.

    `key_identifier` names the key to its holder.
    """
    ephemeral = ec.generate_private_key(recipient.curve)
    content_key, iv = os.urandom(_KEY_SIZE), os.urandom(_BLOCK)
    wrapped = aes_key_wrap(_wrapping_key(ephemeral, recipient), content_key)
    padder = PKCS7(_BLOCK * 8).padder()
    padded = padder.update(signed_data) + padder.finalize()
    encryptor = Cipher(algorithms.AES(content_key), modes.CBC(iv)).encryptor()
    point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    agreement = _KeyAgreement(
        version=3,
        originator=_Originator(
            key=_OriginatorKey(
                algorithm=Algorithm(algorithm=EC_PUBLIC_KEY), point=asn1.BitString(data=point, padding_bits=0)
            )
        ),
        algorithm=_KeyAlgorithm(algorithm=STD_DH_SHA256_KDF, wrap=Algorithm(algorithm=AES128_WRAP)),
        keys=[_EncryptedKey(recipient=_RecipientKey(subject_key_identifier=key_identifier), encrypted_key=wrapped)],
    )
    content = _EncryptedContent(
        kind=SIGNED_DATA,
        algorithm=_ContentAlgorithm(algorithm=AES128_CBC, iv=iv),
        content=encryptor.update(padded) + encryptor.finalize(),
    )
    enveloped = _EnvelopedData(version=2, recipients=asn1.SetOf([agreement]), content=content)
    return asn1.encode_der(_ContentInfo(kind=ENVELOPED_DATA, content=enveloped))


def open_envelope(data: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the SignedData in an EnvelopedData made for `key`; raise `CmsError`."""
    if len(data) > MAX_SIZE:
        raise CmsError(f"{len(data)} octets, at most {MAX_SIZE} are taken")
    try:
        info = asn1.decode_der(_ContentInfo, data)
        (agreement,) = info.content.recipients.as_list()
        (encrypted,) = agreement.keys
        content = info.content.content
        point = agreement.originator.key.point.as_bytes()
        ephemeral = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point)
        _check_algorithms(info, agreement)
        content_key = aes_key_unwrap(_wrapping_key(key, ephemeral), encrypted.encrypted_key)
        decryptor = Cipher(algorithms.AES(content_key), modes.CBC(content.algorithm.iv)).decryptor()
        unpadder = PKCS7(_BLOCK * 8).unpadder()
        padded = decryptor.update(content.content) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except CmsError:
        raise
    except _OPEN_ERRORS as error:
        raise CmsError("not an EnvelopedData for our key") from error


_EXPECTED: Final = (ENVELOPED_DATA, STD_DH_SHA256_KDF, AES128_WRAP, SIGNED_DATA, AES128_CBC)


def _check_algorithms(info: _ContentInfo, agreement: _KeyAgreement) -> None:
    content = info.content.content
    key = agreement.algorithm
    if (info.kind, key.algorithm, key.wrap.algorithm, content.kind, content.algorithm.algorithm) != _EXPECTED:
        raise CmsError("algorithms other than ECDH with SHA-256, AES-128 key wrap and AES-128-CBC")


def _wrapping_key(own: ec.EllipticCurvePrivateKey, other: ec.EllipticCurvePublicKey) -> bytes:
    """The key that wraps the content's key, from both sides' halves of the agreement."""
    shared_info = asn1.encode_der(
        _SharedInfo(key=Algorithm(algorithm=AES128_WRAP), key_bits=(_KEY_SIZE * 8).to_bytes(4, "big"))
    )
    return X963KDF(hashes.SHA256(), _KEY_SIZE, shared_info).derive(own.exchange(ec.ECDH(), other))
