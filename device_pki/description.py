"""What is in a certificate or request, and how many octets each field takes, in X.509 and in C509.

Sizes are those of whole elements: tag, length and content of DER, or head and content of CBOR. What holds the fields
together is counted apart, so that all sizes sum up to the total.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID

from cose.cbor import decode, decode_sequence, encode
from device_pki.c509 import C509Certificate, C509Csr
from device_pki.c509 import der as shapes
from device_pki.c509.certificate import MAX_DEPTH, MAX_SIZE
from device_pki.c509.items import pairs
from device_pki.c509.registry import RequestAttribute
from device_pki.certificates import PARSE_ERRORS
from device_pki.extension_text import extension_name, extension_text
from device_pki.fingerprints import der, fingerprint
from device_pki.issue import UNLIMITED

STRUCTURE = "structure"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, what it says, and its size in octets."""

    name: str
    value: str
    size: int


@dataclass(frozen=True, slots=True)
class Description:
    """A certificate or request in one encoding."""

    kind: str
    size: int
    """Octets in all."""
    fingerprint: bytes
    """SHA-256 of the bytes."""
    fields: tuple[Field, ...]
    """In the order of the encoding; the last is `STRUCTURE`, what is around the others."""


def describe_x509(certificate: x509.Certificate) -> Description:
    """Describe an X.509 certificate."""
    encoded = der(certificate)
    parsed = asn1.decode_der(shapes.Certificate, encoded)
    tbs, info = parsed.tbs_certificate, parsed.tbs_certificate.subject_public_key_info
    sizes = [
        _size(tbs.serial_number),
        _size(tbs.signature),
        _name_size(tbs.issuer),
        _size(tbs.validity.not_before),
        _size(tbs.validity.not_after),
        _name_size(tbs.subject),
        _size(info.algorithm),
        _size(info.subject_public_key),
        *map(_size, tbs.extensions or ()),
        _size(parsed.signature_value),
    ]
    fields = _sized(_certificate_texts(certificate), sizes)
    again = Field("signature algorithm again", fields[1].value, _size(parsed.signature_algorithm))
    return _described("X.509 certificate", encoded, [*fields[:-1], again, fields[-1]])


def describe_c509(certificate: C509Certificate) -> Description:
    """Describe a C509 certificate of either type."""
    items = decode_sequence(certificate.encoded, max_size=MAX_SIZE, max_depth=MAX_DEPTH)
    sizes = [len(encode(item)) for item in items]
    fields = _sized(_certificate_texts(certificate.view), [*sizes[1:9], *_extension_sizes(items[9]), sizes[10]])
    kind = "natively signed" if certificate.native else "re-encoded"
    first = Field("type", f"{certificate.type.value}, {kind}", sizes[0])
    return _described("C509 certificate", certificate.encoded, [first, *fields])


def describe_pkcs10(request: x509.CertificateSigningRequest) -> Description:
    """Describe a PKCS#10 request."""
    encoded = request.public_bytes(Encoding.DER)
    parsed = asn1.decode_der(shapes.CertificationRequest, encoded)
    info, key = parsed.certification_request_info, parsed.certification_request_info.subject_public_key_info
    attributes = info.attributes.as_list()
    fields = [
        Field("subject", _name(request.subject), _name_size(info.subject)),
        *_sized(_key_texts(request), [_size(key.algorithm), _size(key.subject_public_key)]),
        *_sized(_attribute_texts(request, [one.type for one in attributes]), list(map(_size, attributes))),
        Field("signature algorithm", _algorithm(request), _size(parsed.signature_algorithm)),
        Field("signature", request.signature.hex(), _size(parsed.signature)),
    ]
    return _described("PKCS#10 request", encoded, fields)


def describe_c509_csr(request: C509Csr) -> Description:
    """Describe a C509 request of either type."""
    items = decode(request.encoded, max_size=MAX_SIZE, max_depth=MAX_DEPTH + 1)
    sizes = [len(encode(item)) for item in items]
    kinds = [_attribute_oid(kind) for kind, _ in pairs(items[5])]
    kind = "natively signed" if request.native else "re-encoded"
    fields = [
        Field("type", f"{request.type.value}, {kind}", sizes[0]),
        Field("signature algorithm", _algorithm(request.view), sizes[1]),
        Field("subject", _name(request.subject), sizes[2]),
        *_sized(_key_texts(request.view), sizes[3:5]),
        *_sized(_attribute_texts(request.view, kinds), [_pair_size(pair) for pair in pairs(items[5])]),
        Field("signature", request.view.signature.hex(), sizes[6]),
    ]
    return _described("C509 request", request.encoded, fields)


def _described(kind: str, encoded: bytes, fields: list[Field]) -> Description:
    around = Field(STRUCTURE, "", len(encoded) - sum(field.size for field in fields))
    return Description(kind, len(encoded), fingerprint(encoded), (*fields, around))


def _sized(texts: Iterator[tuple[str, str]], sizes: list[int]) -> list[Field]:
    return [Field(name, value, size) for (name, value), size in zip(texts, sizes, strict=True)]


def _size(element: Any) -> int:
    return len(asn1.encode_der(element))


def _name_size(name: shapes.RdnSequence) -> int:
    return len(shapes.write_inside(shapes.Name(relative_names=name)))


def _pair_size(pair: tuple[Any, Any]) -> int:
    return len(encode(pair[0])) + len(encode(pair[1]))


def _extension_sizes(item: Any) -> list[int]:
    """One for each extension; keyUsage alone is one item."""
    return [_pair_size(pair) for pair in pairs(item)] if isinstance(item, list) else [len(encode(item))]


def _certificate_texts(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    """Yield name and text of what every certificate holds, in the order of C509; the signature last."""
    yield "serial number", f"{certificate.serial_number:x}"
    yield "signature algorithm", _algorithm(certificate)
    yield "issuer", _name(certificate.issuer)
    yield "not before", _moment(certificate.not_valid_before_utc)
    yield "not after", _moment(certificate.not_valid_after_utc)
    yield "subject", _name(certificate.subject)
    yield from _key_texts(certificate)
    for extension in _extensions(certificate):
        critical = " (critical)" if extension.critical else ""
        yield f"{extension_name(extension.oid)}{critical}", extension_text(extension.value)
    yield "signature", certificate.signature.hex()


def _extensions(certificate: x509.Certificate) -> Iterable[x509.Extension[x509.ExtensionType]]:
    """Those of a certificate, unread if one of them cannot be read."""
    try:
        return certificate.extensions
    except PARSE_ERRORS:
        parsed = asn1.decode_der(shapes.Certificate, der(certificate)).tbs_certificate.extensions or ()
        return [
            x509.Extension(one.extn_id, one.critical, x509.UnrecognizedExtension(one.extn_id, one.extn_value))
            for one in parsed
        ]


def _key_texts(holder: x509.Certificate | x509.CertificateSigningRequest) -> Iterator[tuple[str, str]]:
    try:
        key = holder.public_key()
    except PARSE_ERRORS as error:
        yield "key algorithm", "unknown here"
        yield "public key", str(error)
        return
    if isinstance(key, ec.EllipticCurvePublicKey):
        numbers = key.public_numbers()
        yield "key algorithm", key.curve.name
        yield "public key", f"{numbers.x:x} {numbers.y:x}"
    elif isinstance(key, ed25519.Ed25519PublicKey):
        yield "key algorithm", "ed25519"
        yield "public key", key.public_bytes_raw().hex()
    else:
        yield "key algorithm", type(key).__name__
        yield "public key", ""


def _attribute_oid(kind: Any) -> x509.ObjectIdentifier:
    if isinstance(kind, bytes):
        return shapes.oid_of_octets(kind)
    return RequestAttribute(kind).oid  # type: ignore[call-arg]  # by value, as enums are looked up


def _attribute_texts(
    request: x509.CertificateSigningRequest, kinds: list[x509.ObjectIdentifier]
) -> Iterator[tuple[str, str]]:
    """Yield name and text of attributes. A challenge password is not for other eyes."""
    for oid in kinds:
        registered = RequestAttribute.of(oid)
        name = oid.dotted_string if registered is None else registered.name.replace("_", " ").lower()
        if oid == AttributeOID.CHALLENGE_PASSWORD:
            yield name, "present"
        elif registered is RequestAttribute.EXTENSION_REQUEST:
            yield (
                name,
                "; ".join(f"{extension_name(one.oid)}: {extension_text(one.value)}" for one in request.extensions),
            )
        else:
            yield name, request.attributes.get_attribute_for_oid(oid).value.hex()


def _name(name: x509.Name) -> str:
    return name.rfc4514_string({NameOID.SERIAL_NUMBER: "serialNumber", NameOID.EMAIL_ADDRESS: "emailAddress"})


def _algorithm(holder: x509.Certificate | x509.CertificateSigningRequest) -> str:
    oid = holder.signature_algorithm_oid
    return oid._name if oid._name != "Unknown OID" else oid.dotted_string


def _moment(time: datetime) -> str:
    return "never" if time == UNLIMITED else f"{time:%Y-%m-%dT%H:%M:%SZ}"
