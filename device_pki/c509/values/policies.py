"""Certificate policies, their mappings, and the purposes of keys."""

from __future__ import annotations

from typing import Any, Final

from cryptography import x509
from cryptography.hazmat import asn1

from device_pki.c509.der import element, read_inside, write_inside
from device_pki.c509.errors import malformed, unsupported
from device_pki.c509.items import array, pairs, text
from device_pki.c509.oids import item_oid, oid_item
from device_pki.c509.registry import CertificatePolicy, KeyPurpose, PolicyQualifier


@asn1.sequence
class _QualifierInfo:
    qualifier_id: x509.ObjectIdentifier
    qualifier: asn1.TLV


@asn1.sequence
class _PolicyInformation:
    identifier: x509.ObjectIdentifier
    qualifiers: list[_QualifierInfo] | None


@asn1.sequence
class _Policies:
    policies: list[_PolicyInformation]


@asn1.sequence
class _UserNotice:
    explicit_text: str


@asn1.sequence
class _Mapping:
    issuer_domain_policy: x509.ObjectIdentifier
    subject_domain_policy: x509.ObjectIdentifier


@asn1.sequence
class _Mappings:
    mappings: list[_Mapping]


@asn1.sequence
class _Purposes:
    purposes: list[x509.ObjectIdentifier]


_TEXT_QUALIFIERS: Final = {PolicyQualifier.CPS.oid, PolicyQualifier.USER_NOTICE.oid}


def policies_item(value: bytes) -> list[Any]:
    """CertificatePolicies: policies and arrays of their qualifiers by turns."""
    items: list[Any] = []
    for policy in read_inside(_Policies, value).policies:
        qualifiers: list[Any] = []
        for info in policy.qualifiers or ():
            qualifiers += (oid_item(info.qualifier_id, PolicyQualifier), _qualifier_text(info))
        items += (oid_item(policy.identifier, CertificatePolicy), qualifiers)
    if not items:
        raise unsupported("no policy")
    return items


def _qualifier_text(info: _QualifierInfo) -> str:
    value = asn1.encode_der(info.qualifier)
    match PolicyQualifier.of(info.qualifier_id):
        case PolicyQualifier.CPS:
            return asn1.decode_der(asn1.IA5String, value).as_str()
        case PolicyQualifier.USER_NOTICE:
            return asn1.decode_der(_UserNotice, value).explicit_text
    raise unsupported(f"the policy qualifier {info.qualifier_id.dotted_string}")


def policies_der(item: Any) -> bytes:
    """The DER of the policies."""
    return write_inside(_Policies(policies=[_policy(*pair) for pair in pairs(item)]))


def _policy(identifier: Any, qualifiers: Any) -> _PolicyInformation:
    infos = [_qualifier(item_oid(kind, PolicyQualifier), text(value)) for kind, value in pairs(qualifiers)]
    return _PolicyInformation(identifier=item_oid(identifier, CertificatePolicy), qualifiers=infos or None)


def _qualifier(kind: x509.ObjectIdentifier, value: str) -> _QualifierInfo:
    if kind not in _TEXT_QUALIFIERS:
        raise malformed("a policy qualifier of unknown form")
    shape = asn1.IA5String(value) if kind == PolicyQualifier.CPS.oid else _UserNotice(explicit_text=value)
    return _QualifierInfo(qualifier_id=kind, qualifier=element(asn1.encode_der(shape)))


def policy_mappings_item(value: bytes) -> list[Any]:
    """PolicyMappings: the issuer's and the subject's policies by turns."""
    items: list[Any] = []
    for mapping in read_inside(_Mappings, value).mappings:
        items += (
            oid_item(mapping.issuer_domain_policy, CertificatePolicy),
            oid_item(mapping.subject_domain_policy, CertificatePolicy),
        )
    if not items:
        raise unsupported("no mapping")
    return items


def policy_mappings_der(item: Any) -> bytes:
    """The DER of the mappings."""
    mappings = [
        _Mapping(
            issuer_domain_policy=item_oid(issuer, CertificatePolicy),
            subject_domain_policy=item_oid(subject, CertificatePolicy),
        )
        for issuer, subject in pairs(item)
    ]
    return write_inside(_Mappings(mappings=mappings))


def key_purposes_item(value: bytes) -> Any:
    """ExtKeyUsage: one purpose alone, or an array of several."""
    items = [oid_item(purpose, KeyPurpose) for purpose in read_inside(_Purposes, value).purposes]
    if not items:
        raise unsupported("no key purpose")
    return items[0] if len(items) == 1 else items


def key_purposes_der(item: Any) -> bytes:
    """The DER of the purposes."""
    purposes = array(item) if isinstance(item, list) else [item]
    return write_inside(_Purposes(purposes=[item_oid(purpose, KeyPurpose) for purpose in purposes]))
