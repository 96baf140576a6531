"""Extensions as text for people: names instead of numbers, one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import AuthorityInformationAccessOID

from device_pki.c509.registry import CertificatePolicy, Extension, KeyPurpose, OtherName, Registered
from device_pki.hardware import HARDWARE_MODULE_NAME, HardwareModuleName
from device_pki.roles import DOCUMENT_SIGNING, TRANSFER_SIGNING

_KEY_USAGES: Final = {
    "digital_signature": "digitalSignature",
    "content_commitment": "contentCommitment",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_OWN_PURPOSES: Final = {TRANSFER_SIGNING: "transfer signing", DOCUMENT_SIGNING: "document signing"}
_FORMS: Final[dict[type[x509.GeneralName], str]] = {
    x509.DNSName: "DNS",
    x509.IPAddress: "IP",
    x509.RFC822Name: "mail",
    x509.UniformResourceIdentifier: "URI",
}
_ACCESS: Final = {AuthorityInformationAccessOID.OCSP: "OCSP", AuthorityInformationAccessOID.CA_ISSUERS: "CA issuers"}


def extension_name(oid: x509.ObjectIdentifier) -> str:
    """Return what an extension is called: its registered name in words, else its object identifier."""
    return _named(oid, Extension)


def extension_text(value: x509.ExtensionType) -> str:
    """Return what an extension says; DER in hexadecimal where nothing here can read it."""
    text = _TEXTS.get(type(value), _unread)
    return text(value) or "none"


def general_name_text(name: x509.GeneralName) -> str:
    """Return a general name with its form."""
    if isinstance(name, x509.OtherName):
        if name.type_id == HARDWARE_MODULE_NAME:
            return _hardware(name.value)
        return f"{_named(name.type_id, OtherName)}:{name.value.hex()}"
    if isinstance(name, x509.DirectoryName):
        return f"directory:{name.value.rfc4514_string()}"
    if isinstance(name, x509.RegisteredID):
        return f"id:{name.value.dotted_string}"
    return f"{_FORMS[type(name)]}:{name.value}"


def _hardware(value: bytes) -> str:
    try:
        module = asn1.decode_der(HardwareModuleName, value)
    except ValueError:
        return f"hardware:{value.hex()}"
    serial = module.hw_serial_num
    text = serial.decode("ascii") if serial.isascii() and serial.decode("ascii").isprintable() else serial.hex()
    return f"hardware:{module.hw_type.dotted_string}/{text}"


def _authority(value: x509.AuthorityKeyIdentifier) -> str:
    parts = [] if value.key_identifier is None else [value.key_identifier.hex()]
    parts += map(general_name_text, value.authority_cert_issuer or ())
    if value.authority_cert_serial_number is not None:
        parts.append(f"serial number {value.authority_cert_serial_number:x}")
    return _list(parts)


def _constraints(value: x509.NameConstraints) -> str:
    permitted = [f"permitted {general_name_text(tree)}" for tree in value.permitted_subtrees or ()]
    return _list(permitted + [f"excluded {general_name_text(tree)}" for tree in value.excluded_subtrees or ()])


def _usages(value: x509.KeyUsage) -> str:
    return _list(name for attribute, name in _KEY_USAGES.items() if getattr(value, attribute))


def _basic(value: x509.BasicConstraints) -> str:
    if not value.ca:
        return "no CA"
    return "CA" if value.path_length is None else f"CA, path length {value.path_length}"


def _purposes(value: x509.ExtendedKeyUsage) -> str:
    return _list(_OWN_PURPOSES.get(purpose) or _named(purpose, KeyPurpose) for purpose in value)


def _points(value: x509.CRLDistributionPoints | x509.FreshestCRL) -> str:
    return _list(general_name_text(name) for point in value for name in point.full_name or ())


def _accesses(value: x509.AuthorityInformationAccess | x509.SubjectInformationAccess) -> str:
    return _list(
        f"{_ACCESS.get(access.access_method, access.access_method.dotted_string)} "
        f"{general_name_text(access.access_location)}"
        for access in value
    )


def _unread(value: x509.ExtensionType) -> str:
    return value.public_bytes().hex()


_TEXTS: Final[dict[type[x509.ExtensionType], Callable[[Any], str]]] = {
    x509.KeyUsage: _usages,
    x509.BasicConstraints: _basic,
    x509.ExtendedKeyUsage: _purposes,
    x509.SubjectAlternativeName: lambda value: _list(map(general_name_text, value)),
    x509.IssuerAlternativeName: lambda value: _list(map(general_name_text, value)),
    x509.SubjectKeyIdentifier: lambda value: value.digest.hex(),
    x509.AuthorityKeyIdentifier: _authority,
    x509.NameConstraints: _constraints,
    x509.CRLDistributionPoints: _points,
    x509.FreshestCRL: _points,
    x509.AuthorityInformationAccess: _accesses,
    x509.SubjectInformationAccess: _accesses,
    x509.CertificatePolicies: lambda value: _list(_named(one.policy_identifier, CertificatePolicy) for one in value),
}


def _named(oid: x509.ObjectIdentifier, registry: type[Registered]) -> str:
    registered: Any = registry.of(oid)
    return oid.dotted_string if registered is None else registered.name.replace("_", " ").lower()


def _list(parts: Iterable[str]) -> str:
    return ", ".join(parts)
