"""C509 certification requests: re-encoded from PKCS#10 (type 3) or natively signed (type 2).

(draft-ietf-cose-cbor-encoded-cert-20, section 4.) Bytes are the CBOR array C509CertificationRequest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID

from cose.cbor import decode, encode
from cose.keys import PrivateKey, PublicKey
from device_pki.c509 import der
from device_pki.c509.algorithms import (
    PROOFS_BY_MAC,
    PublicKeyAlgorithm,
    SignatureAlgorithm,
    algorithm_der,
    algorithm_item,
)
from device_pki.c509.certificate import MAX_DEPTH, MAX_SIZE, bounded, encode_sequence, public_key_info, whole_octets
from device_pki.c509.errors import C509Error, C509Reason, malformed, reading, writing
from device_pki.c509.items import array, integer
from device_pki.c509.keys import is_compressed, key_item, signature_item, signature_octets
from device_pki.c509.names import name_item, name_of
from device_pki.c509.proof import proof_item, proof_octets
from device_pki.c509.registry import RequestType
from device_pki.c509.request_attributes import attributes_item, attributes_of, in_order_of
from device_pki.c509.signing import sign, verify_signature
from device_pki.certificates import PARSE_ERRORS
from device_pki.keys import KeyKindError, public_key, signature_hash

_FIELDS: Final = 7
_VERSION_1: Final = 0


@dataclass(frozen=True, slots=True)
class C509Csr:
    """A certification request of either type, read and found exact. Its proof of possession is not yet verified."""

    encoded: bytes
    """The CBOR array."""
    type: RequestType
    signed: bytes
    """What the signature of a natively signed request covers: the CBOR sequence of its other items."""
    view: x509.CertificateSigningRequest
    """The fields as PKCS#10. For type 3 the request itself; for type 2 its signature is not one over this DER."""

    @property
    def native(self) -> bool:
        """Whether the signature covers the CBOR."""
        return self.type is RequestType.NATIVE

    @property
    def subject(self) -> x509.Name:
        """The name asked for."""
        return self.view.subject

    @property
    def public_key(self) -> PublicKey:
        """The key to certify. Raises `C509Error` (KEY) for a kind that certificates may not carry."""
        try:
            return public_key(self.view)
        except KeyKindError as error:
            raise C509Error(C509Reason.KEY, str(error)) from error

    @property
    def extensions(self) -> x509.Extensions:
        """The extensions asked for."""
        return self.view.extensions

    @property
    def challenge_password(self) -> str | None:
        """The challenge password; enrollment protocols bind a request to its channel with it."""
        for attribute in self.view.attributes:
            if attribute.oid == AttributeOID.CHALLENGE_PASSWORD:
                return str(attribute.value, "utf-8")
        return None

    @property
    def proven(self) -> bytes:
        """What the signature or MAC of this request covers."""
        return self.signed if self.native else self.view.tbs_certrequest_bytes

    @property
    def possession_mac(self) -> bytes | None:
        """The MAC by which possession is proven to the holder of one key (RFC 6955, SHA-256); None for a signature."""
        _, algorithm, *_, mac = decode(self.encoded, max_size=MAX_SIZE, max_depth=MAX_DEPTH + 1)
        return mac if algorithm == SignatureAlgorithm.ECDH_POP_SHA256 and isinstance(mac, bytes) else None

    def verify_possession(self) -> None:
        """Raise `C509Error` (KEY, SIGNATURE) unless the private key of `public_key` signed this request."""
        verify_signature(self.public_key, self.view.signature_algorithm_oid, self.view.signature, self.proven)

    def to_pkcs10(self) -> x509.CertificateSigningRequest:
        """Return the PKCS#10 request this is the re-encoding of; raise `C509Error` for a natively signed one."""
        if self.native:
            raise C509Error(C509Reason.TYPE, "a natively signed request has no PKCS#10 form")
        return self.view


def encode_csr(request: x509.CertificateSigningRequest) -> bytes:
    """Return the re-encoding (type 3) of a PKCS#10 request.

    Raises `C509Error`: UNSUPPORTED or NOT_REVERSIBLE for a request that has none, TOO_LARGE.
    """
    encoded = request.public_bytes(Encoding.DER)
    with writing():
        items = _items(encoded, RequestType.RE_ENCODED)
        exact = _der(items) == encoded
    if not exact:
        raise C509Error(C509Reason.NOT_REVERSIBLE, "the DER cannot be made again from the fields")
    return bounded(encode(items))


def request_natively(
    key: PrivateKey,
    subject: x509.Name,
    *,
    extensions: Sequence[x509.ExtensionType] = (),
    challenge_password: str | None = None,
) -> C509Csr:
    """Return a natively signed request (type 2) for the public key of `key`, its extensions not critical."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    if challenge_password is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge_password.encode())
    fields = builder.sign(key, signature_hash(key)).public_bytes(Encoding.DER)
    with writing():
        items = _items(fields, RequestType.NATIVE)[:-1]
    signature = signature_item(items[1], sign(key, encode_sequence(items)))
    return decode_csr(bounded(encode([*items, signature])))


def request_by_mac(key: PrivateKey, subject: x509.Name, mac: Callable[[bytes], bytes]) -> C509Csr:
    """Return a request (type 2) with the public key of `key`, whose possession `mac` proves over the bytes it is given.

    The algorithm is RFC 6955's with SHA-256; only who has the other half of its agreement can verify it.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    fields = builder.sign(key, signature_hash(key)).public_bytes(Encoding.DER)
    with writing():
        items = _items(fields, RequestType.NATIVE)[:-1]
    items[1] = int(SignatureAlgorithm.ECDH_POP_SHA256)
    return decode_csr(bounded(encode([*items, mac(encode_sequence(items))])))


def decode_csr(data: bytes) -> C509Csr:
    """Return the request in the CBOR array `data`.

    Raises `C509Error`: TOO_LARGE, MALFORMED, TYPE, KEY, UNSUPPORTED, or NOT_DETERMINISTIC for a second encoding of a
    request.
    """
    with reading():
        items = array(decode(bounded(data), max_size=MAX_SIZE, max_depth=MAX_DEPTH + 1))
        kind = _type(items)
        encoded = _der(items)
        again = _items(encoded, kind, compressed=is_compressed(items[4]))
        if kind is RequestType.NATIVE:
            again[5] = in_order_of(again[5], items[5])
        view = _load(encoded)
    if encode(again) != data:
        raise C509Error(C509Reason.NOT_DETERMINISTIC, "this request is encoded in another way")
    return C509Csr(bytes(data), kind, bytes(data[1 : -len(encode(items[-1]))]), view)


def _load(encoded: bytes) -> x509.CertificateSigningRequest:
    try:
        view = x509.load_der_x509_csr(encoded)
        _ = view.subject, view.extensions, view.attributes, view.signature_algorithm_oid  # parsed only when read
    except PARSE_ERRORS as error:
        raise malformed("no certification request") from error
    return view


def _type(items: list[Any]) -> RequestType:
    array(items, _FIELDS)
    try:
        return RequestType(integer(items[0]))
    except ValueError as error:
        raise C509Error(C509Reason.TYPE, f"{items[0]!r} is no request type") from error


def _items(encoded: bytes, kind: RequestType, *, compressed: bool | None = None) -> list[Any]:
    """Return the items of the request in DER."""
    native = kind is RequestType.NATIVE
    request = asn1.decode_der(der.CertificationRequest, encoded)
    info = request.certification_request_info
    key_info = info.subject_public_key_info
    algorithm = algorithm_item(asn1.encode_der(request.signature_algorithm), SignatureAlgorithm)
    key_algorithm = algorithm_item(asn1.encode_der(key_info.algorithm), PublicKeyAlgorithm)
    proof = whole_octets(request.signature)
    return [
        int(kind),
        algorithm,
        name_item(info.subject, native=native),
        key_algorithm,
        key_item(key_algorithm, whole_octets(key_info.subject_public_key), native=native, compressed=compressed),
        attributes_item(info.attributes.as_list(), native=native),
        proof_item(proof, native=native) if _is_mac(algorithm) else signature_item(algorithm, proof),
    ]


def _der(items: list[Any]) -> bytes:
    """Return the DER of the request that items stand for."""
    kind, algorithm, subject, key_algorithm, key, attributes, signature = items
    proof = proof_octets(signature) if _is_mac(algorithm) else signature_octets(algorithm, signature)
    info = der.CertificationRequestInfo(
        version=_VERSION_1,
        subject=name_of(subject),
        subject_public_key_info=public_key_info(key_algorithm, key, native=kind == RequestType.NATIVE),
        attributes=asn1.SetOf(attributes_of(attributes)),
    )
    return asn1.encode_der(
        der.CertificationRequest(
            certification_request_info=info,
            signature_algorithm=der.element(algorithm_der(algorithm, SignatureAlgorithm)),
            signature=asn1.BitString(proof, 0),
        )
    )


def _is_mac(algorithm: Any) -> bool:
    return isinstance(algorithm, int) and algorithm in PROOFS_BY_MAC
