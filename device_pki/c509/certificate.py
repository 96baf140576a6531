"""C509 certificates: re-encoded from X.509 (type 3) or natively signed (type 2).

(draft-ietf-cose-cbor-encoded-cert-20, section 3.) Bytes are the CBOR sequence ~C509Certificate, the form that COSE,
EDHOC and TLS carry. A certificate has one encoding but for the choice to compress its public key: what is read is
written again and must come out the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding

from cose.cbor import decode_sequence, encode
from cose.keys import PrivateKey, PublicKey
from device_pki.c509 import der
from device_pki.c509.algorithms import PublicKeyAlgorithm, SignatureAlgorithm, algorithm_der, algorithm_item
from device_pki.c509.errors import C509Error, C509Reason, malformed, reading, unsupported, writing
from device_pki.c509.extensions import extensions_item, extensions_of
from device_pki.c509.items import integer, octets, unsigned
from device_pki.c509.keys import (
    is_compressed,
    key_item,
    key_octets,
    number_octets,
    octets_number,
    signature_item,
    signature_octets,
)
from device_pki.c509.names import name_item, name_of
from device_pki.c509.registry import CertificateType
from device_pki.c509.signing import sign, verify_signature
from device_pki.certificates import load_certificate

MAX_SIZE: Final = 8192
"""Octets of the largest C509 certificate or request taken or made."""
MAX_DEPTH: Final = 8
_FIELDS: Final = 11
_VERSION_3: Final = 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNLIMITED: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_FIRST_GENERALIZED: Final = 2050
"""The first year that is no longer written as UTCTime (RFC 5280 4.1.2.5)."""
_MAX_SERIAL_SIZE: Final = 20
_UNDECODED_MAX_SIZE: Final = 4 * MAX_SIZE
"""Octets of the largest DER a C509 certificate may stand for."""


@dataclass(frozen=True, slots=True)
class C509Certificate:
    """A C509 certificate of either type, read and found exact. Its signature is not yet verified."""

    encoded: bytes
    """The CBOR sequence ~C509Certificate."""
    type: CertificateType
    signed: bytes
    """What the signature of a natively signed certificate covers: the sequence without its last item."""
    view: x509.Certificate
    """The fields as X.509. For type 3 the certificate itself; for type 2 its signature is not one over this DER."""

    @property
    def native(self) -> bool:
        """Whether the signature covers the CBOR."""
        return self.type is CertificateType.NATIVE

    def to_x509(self) -> x509.Certificate:
        """Return the X.509 certificate this is the re-encoding of; raise `C509Error` for a natively signed one."""
        if self.native:
            raise C509Error(C509Reason.TYPE, "a natively signed certificate has no X.509 form")
        return self.view

    def verify_signed_by(self, issuer: PublicKey) -> None:
        """Raise `C509Error` unless `issuer` signed this certificate; names are not compared."""
        signed = self.signed if self.native else self.view.tbs_certificate_bytes
        verify_signature(issuer, self.view.signature_algorithm_oid, self.view.signature, signed)


def encode_certificate(certificate: x509.Certificate) -> bytes:
    """Return the re-encoding (type 3) of an X.509 certificate.

    Raises `C509Error`: UNSUPPORTED or NOT_REVERSIBLE for a certificate that has none, TOO_LARGE.
    """
    encoded = certificate.public_bytes(Encoding.DER)
    with writing():
        items = certificate_items(encoded, CertificateType.RE_ENCODED)
        exact = certificate_der(items) == encoded
    if not exact:
        raise C509Error(C509Reason.NOT_REVERSIBLE, "the DER cannot be made again from the fields")
    return bounded(encode_sequence(items))


def sign_natively(certificate: x509.Certificate, issuer: PrivateKey) -> C509Certificate:
    """Return a natively signed certificate (type 2) with the fields of `certificate`, signed by its issuer's key."""
    with writing():
        items = certificate_items(certificate.public_bytes(Encoding.DER), CertificateType.NATIVE)[:-1]
    signature = signature_item(items[2], sign(issuer, encode_sequence(items)))
    return decode_certificate(bounded(encode_sequence([*items, signature])))


def decode_certificate(data: bytes) -> C509Certificate:
    """Return the certificate in the CBOR sequence `data`.

    Raises `C509Error`: TOO_LARGE, MALFORMED, TYPE, KEY, UNSUPPORTED, or NOT_DETERMINISTIC for a second encoding of a
    certificate.
    """
    with reading():
        items = decode_sequence(bounded(data), max_size=MAX_SIZE, max_depth=MAX_DEPTH)
        kind = _type(items)
        encoded = certificate_der(items)
        again = certificate_items(encoded, kind, compressed=is_compressed(items[8]))
        view = load_certificate(encoded, _UNDECODED_MAX_SIZE)
    again[-1] = _as_wide(again[-1], items[-1])
    if encode(again)[1:] != data:
        raise C509Error(C509Reason.NOT_DETERMINISTIC, "this certificate is encoded in another way")
    return C509Certificate(bytes(data), kind, bytes(data[: -len(encode(items[-1]))]), view)


def encode_sequence(items: list[Any]) -> bytes:
    """Return items as a CBOR sequence (RFC 8742)."""
    return b"".join(encode(item) for item in items)


def bounded(data: bytes) -> bytes:
    """Return `data` unless it is too large."""
    if len(data) > MAX_SIZE:
        raise C509Error(C509Reason.TOO_LARGE, f"{len(data)} octets, at most {MAX_SIZE} are taken")
    return data


def _type(items: list[Any]) -> CertificateType:
    if len(items) != _FIELDS:
        raise malformed(f"{len(items)} items instead of {_FIELDS}")
    try:
        return CertificateType(integer(items[0]))
    except ValueError as error:
        raise C509Error(C509Reason.TYPE, f"{items[0]!r} is no certificate type") from error


def _as_wide(again: bytes, given: Any) -> Any:
    """Two numbers of at most 64 octets may belong to P-521, whose signer knows that they take 66."""
    wide = 2 * 66
    if isinstance(given, bytes) and len(given) == wide and len(again) == 2 * 64:
        return b"\0\0" + again[:64] + b"\0\0" + again[64:]
    return again


def certificate_items(encoded: bytes, kind: CertificateType, *, compressed: bool | None = None) -> list[Any]:
    """Return the items of the certificate in DER."""
    native = kind is CertificateType.NATIVE
    certificate = asn1.decode_der(der.Certificate, encoded)
    tbs, info = certificate.tbs_certificate, certificate.tbs_certificate.subject_public_key_info
    if not 0 < tbs.serial_number < 1 << 8 * _MAX_SERIAL_SIZE:
        raise unsupported("the serial number")
    algorithm = algorithm_item(asn1.encode_der(tbs.signature), SignatureAlgorithm)
    key_algorithm = algorithm_item(asn1.encode_der(info.algorithm), PublicKeyAlgorithm)
    issuer, subject = name_item(tbs.issuer, native=native), name_item(tbs.subject, native=native)
    not_after = tbs.validity.not_after.as_datetime().replace(tzinfo=UTC)
    return [
        int(kind),
        number_octets(tbs.serial_number),
        algorithm,
        None if issuer == subject else issuer,
        _seconds(tbs.validity.not_before.as_datetime()),
        None if not_after == _UNLIMITED else _seconds(not_after),
        subject,
        key_algorithm,
        key_item(key_algorithm, whole_octets(info.subject_public_key), native=native, compressed=compressed),
        extensions_item(tbs.extensions or (), native=native),
        signature_item(algorithm, whole_octets(certificate.signature_value)),
    ]


def certificate_der(items: list[Any]) -> bytes:
    """Return the DER of the certificate that items stand for."""
    kind, serial, algorithm, issuer, not_before, not_after, subject, key_algorithm, key, extensions, signature = items
    subject_name = name_of(subject)
    signature_algorithm = der.element(algorithm_der(algorithm, SignatureAlgorithm))
    native = kind == CertificateType.NATIVE
    tbs = der.TbsCertificate(
        version=_VERSION_3,
        serial_number=octets_number(serial),
        signature=signature_algorithm,
        issuer=subject_name if issuer is None else name_of(issuer),
        validity=der.Validity(
            not_before=_time(unsigned(not_before)),
            not_after=asn1.GeneralizedTime(_UNLIMITED) if not_after is None else _time(unsigned(not_after)),
        ),
        subject=subject_name,
        subject_public_key_info=public_key_info(key_algorithm, key, native=native),
        extensions=extensions_of(extensions) or None,
    )
    value = signature_octets(algorithm, octets(signature))
    return asn1.encode_der(
        der.Certificate(
            tbs_certificate=tbs, signature_algorithm=signature_algorithm, signature_value=asn1.BitString(value, 0)
        )
    )


def public_key_info(algorithm: Any, key: Any, *, native: bool) -> der.SubjectPublicKeyInfo:
    """Return the subjectPublicKeyInfo of the items of a public key."""
    return der.SubjectPublicKeyInfo(
        algorithm=der.element(algorithm_der(algorithm, PublicKeyAlgorithm)),
        subject_public_key=asn1.BitString(key_octets(algorithm, key, native=native), 0),
    )


def whole_octets(bits: asn1.BitString) -> bytes:
    """Return a BIT STRING of whole octets; C509 knows no other for keys and signatures."""
    if bits.padding_bits():
        raise unsupported("a BIT STRING with unused bits")
    return bits.as_bytes()


def _seconds(time: datetime) -> int:
    seconds = int(time.replace(tzinfo=UTC).timestamp())
    if seconds < 0:
        raise unsupported("a time before 1970")
    return seconds


def _time(seconds: int) -> asn1.UTCTime | asn1.GeneralizedTime:
    time = _EPOCH + timedelta(seconds=seconds)
    return asn1.GeneralizedTime(time) if time.year >= _FIRST_GENERALIZED else asn1.UTCTime(time)
