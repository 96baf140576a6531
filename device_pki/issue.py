"""Issue the certificates of a fleet, one function per role (RFC 5280, RFC 7925 4.4).

A certificate in full carries subject and authority key identifiers, a critical key usage and critical basic
constraints, and names its issuer exactly. A minimal one leaves out what RFC 7925 does without; CAs are never minimal.
hardwareModuleName is never critical: Go-based CAs refuse a critical one.
"""

from __future__ import annotations

import enum
import ipaddress
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cose.keys import PrivateKey, PublicKey
from device_pki.c509 import C509Certificate, sign_natively
from device_pki.hardware import hardware_module_name
from device_pki.keys import check_key, public_key, signature_hash
from device_pki.names import check_endpoint_name, device_subject
from device_pki.roles import CLIENT_AUTH, SERVER_AUTH, Role, profile

UNLIMITED: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""notAfter of a certificate without a well-defined end (RFC 5280 4.1.2.5)."""

_BACKDATE: Final = timedelta(minutes=5)
"""How far notBefore lies in the past, for clocks that are a little behind."""


_MINIMAL_SERIAL_BITS: Final = 63
"""Of a random serial number in a minimal certificate: eight octets, and no two alike among a million at 1 : 10^7."""


class Profile(enum.Enum):
    """How much the certificates of devices, servers and signers say."""

    FULL = "full"
    """IDevID and LDevID (IEEE 802.1AR 8) with hardwareModuleName, key identifiers and basic constraints."""
    MINIMAL = "minimal"
    """What RFC 7925 4.4 asks for: key usage, the extended key usages of the role, and a host's name."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA's certificate with its private key, and how much it says in the certificates it issues."""

    certificate: x509.Certificate
    private_key: PrivateKey
    profile: Profile = Profile.FULL
    next_serial: Callable[[], int] | None = None
    """Serial numbers of a CA that counts; without it they are random."""

    def serial_number(self) -> int:
        """Return a serial number that no certificate of this CA has yet."""
        if self.next_serial is not None:
            return self.next_serial()
        if self.profile is Profile.MINIMAL:
            return secrets.randbits(_MINIMAL_SERIAL_BITS) | 1
        return x509.random_serial_number()


@dataclass(frozen=True, slots=True)
class Validity:
    """When a certificate is valid; both ends are aware times in whole seconds."""

    not_before: datetime
    not_after: datetime

    @classmethod
    def lasting(cls, now: datetime, lifetime: timedelta) -> Validity:
        """From a little before `now` for `lifetime` after it."""
        start = now.replace(microsecond=0)
        return cls(start - _BACKDATE, start + lifetime)

    @classmethod
    def unlimited(cls, now: datetime) -> Validity:
        """From a little before `now` without end."""
        return cls(now.replace(microsecond=0) - _BACKDATE, UNLIMITED)


def common_name(name: str) -> x509.Name:
    """Return a distinguished name of one commonName."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def root_ca(key: PrivateKey, name: str, validity: Validity, path_length: int | None = None) -> x509.Certificate:
    """Return a self-signed CA certificate."""
    subject = common_name(name)
    public = check_key(key.public_key())
    builder = _identified(_start(subject, subject, public, validity), public, public)
    return _sign_ca(builder, key, path_length)


def intermediate_ca(
    issuer: Issuer,
    key: PublicKey,
    name: str,
    validity: Validity,
    path_length: int | None = None,
    *,
    constraints: x509.NameConstraints | None = None,
) -> x509.Certificate:
    """Return a CA certificate beneath `issuer`; `constraints` say for which names it may issue."""
    builder = _beneath(issuer, common_name(name), key, validity)
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    return _sign_ca(builder, issuer.private_key, path_length)


def server(issuer: Issuer, key: PublicKey, name: str, hosts: Sequence[str], validity: Validity) -> x509.Certificate:
    """Return a server's certificate for `hosts` (DNS names or IP address literals)."""
    return _role_certificate(issuer, key, common_name(name), validity, Role.SERVER, hosts=hosts)


def est_server(issuer: Issuer, key: PublicKey, name: str, hosts: Sequence[str], validity: Validity) -> x509.Certificate:
    """Return the certificate of an EST server: serverAuth and id-kp-cmcRA (RFC 7030 3.6.1)."""
    return _role_certificate(issuer, key, common_name(name), validity, Role.EST_SERVER, hosts=hosts)


def self_signed_tls(key: PrivateKey, name: str, hosts: Sequence[str], validity: Validity) -> x509.Certificate:
    """Return an organisation's TLS identity: partners pin this very certificate, as client and as server."""
    subject = common_name(name)
    public = check_key(key.public_key())
    builder = _identified(_start(subject, subject, public, validity), public, public)
    return _sign_end_entity(builder, key, {SERVER_AUTH, CLIENT_AUTH}, _host_names(hosts))


def factory_device(
    issuer: Issuer,
    key: PublicKey,
    endpoint: str,
    validity: Validity,
    *,
    hardware_type: x509.ObjectIdentifier | None = None,
) -> x509.Certificate:
    """Return a factory certificate for the device `endpoint`.

    In full it has hardwareModuleName (RFC 4108 5) if typed; a minimal one has a commonName alone and no extended key
    usage.
    """
    if issuer.profile is Profile.MINIMAL:
        subject = common_name(check_endpoint_name(endpoint))
        return _sign_minimal(issuer, _Leaf(subject, key, validity, frozenset()))
    names = [] if hardware_type is None else [hardware_module_name(hardware_type, endpoint.encode("ascii"))]
    leaf = _Leaf(device_subject(endpoint), key, validity, frozenset({CLIENT_AUTH}), names)
    return _sign_issued(issuer, leaf)


def operational_device(issuer: Issuer, key: PublicKey, subject: x509.Name, validity: Validity) -> x509.Certificate:
    """Return an operational certificate with the subject of the device's factory certificate."""
    return _sign_issued(issuer, _Leaf(subject, key, validity, frozenset({CLIENT_AUTH})))


def signer(issuer: Issuer, key: PublicKey, name: str, role: Role, validity: Validity) -> x509.Certificate:
    """Return the certificate of a message signer: role TRANSFER_SIGNER, DOCUMENT_SIGNER or FIRMWARE_SIGNER."""
    if role not in {Role.TRANSFER_SIGNER, Role.DOCUMENT_SIGNER, Role.FIRMWARE_SIGNER}:
        raise ValueError(f"the role {role.value} signs no messages")
    return _role_certificate(issuer, key, common_name(name), validity, role)


def ocsp_responder(issuer: Issuer, key: PublicKey, name: str, validity: Validity) -> x509.Certificate:
    """Return the certificate of a responder that answers for `issuer` (RFC 6960 4.2.2.2).

    Nobody asks about the certificate itself (id-pkix-ocsp-nocheck): let it be valid for days only.
    """
    builder = _beneath(issuer, common_name(name), key, validity).add_extension(x509.OCSPNoCheck(), critical=False)
    return _sign_end_entity(builder, issuer.private_key, profile(Role.OCSP_RESPONDER).usages, ())


def revocation_list(
    issuer: Issuer, revoked: Mapping[int, datetime], number: int, this_update: datetime, next_update: datetime
) -> bytes:
    """Return the DER of a complete revocation list: `revoked` maps serial numbers to revocation times."""
    entries = [
        x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(revoked[serial]).build()
        for serial in sorted(revoked)
    ]
    # Given at once: added one by one, each would copy all before it.
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=entries)
        .issuer_name(issuer.certificate.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key(issuer.certificate), critical=False)
    )
    return builder.sign(issuer.private_key, signature_hash(issuer.private_key)).public_bytes(Encoding.DER)


def natively(certificate: x509.Certificate, issuer: Issuer) -> C509Certificate:
    """Return `certificate`, just issued, as a natively signed C509 certificate; its X.509 form is to be forgotten."""
    return sign_natively(certificate, issuer.private_key)


def _start(
    subject: x509.Name,
    issuer_name: x509.Name,
    key: PublicKey,
    validity: Validity,
    serial_number: int | None = None,
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer_name,
        public_key=check_key(key),
        serial_number=x509.random_serial_number() if serial_number is None else serial_number,
        not_valid_before=validity.not_before,
        not_valid_after=validity.not_after,
    )


def _identified(builder: x509.CertificateBuilder, key: PublicKey, issuer_key: PublicKey) -> x509.CertificateBuilder:
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
    )


def _beneath(issuer: Issuer, subject: x509.Name, key: PublicKey, validity: Validity) -> x509.CertificateBuilder:
    builder = _start(subject, issuer.certificate.subject, key, validity, issuer.serial_number())
    return _identified(builder, key, check_key(issuer.private_key.public_key()))


def _role_certificate(
    issuer: Issuer, key: PublicKey, subject: x509.Name, validity: Validity, role: Role, *, hosts: Sequence[str] = ()
) -> x509.Certificate:
    return _sign_issued(issuer, _Leaf(subject, key, validity, profile(role).usages, _host_names(hosts)))


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What is to be certified about an end entity."""

    subject: x509.Name
    key: PublicKey
    validity: Validity
    usages: frozenset[x509.ObjectIdentifier]
    names: Sequence[x509.GeneralName] = ()


def _sign_issued(issuer: Issuer, leaf: _Leaf) -> x509.Certificate:
    if issuer.profile is Profile.MINIMAL:
        return _sign_minimal(issuer, leaf)
    builder = _beneath(issuer, leaf.subject, leaf.key, leaf.validity)
    return _sign_end_entity(builder, issuer.private_key, leaf.usages, leaf.names)


def _sign_minimal(issuer: Issuer, leaf: _Leaf) -> x509.Certificate:
    builder = _start(leaf.subject, issuer.certificate.subject, leaf.key, leaf.validity, issuer.serial_number())
    builder = builder.add_extension(_key_usage(signs_certificates=False), critical=False)
    if leaf.usages:
        builder = builder.add_extension(_purposes(leaf.usages), critical=False)
    if leaf.names:
        builder = builder.add_extension(x509.SubjectAlternativeName(leaf.names), critical=False)
    return _sign(builder, issuer.private_key)


def _sign_ca(builder: x509.CertificateBuilder, key: PrivateKey, path_length: int | None) -> x509.Certificate:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    return _sign(builder.add_extension(_key_usage(signs_certificates=True), critical=True), key)


def _sign_end_entity(
    builder: x509.CertificateBuilder,
    key: PrivateKey,
    usages: Iterable[x509.ObjectIdentifier],
    names: Sequence[x509.GeneralName],
) -> x509.Certificate:
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(_purposes(usages), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _sign(builder, key)


def _purposes(usages: Iterable[x509.ObjectIdentifier]) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage(sorted(usages, key=lambda oid: oid.dotted_string))


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key(certificate))


def _host_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    return [host_name(host) for host in hosts]


def host_name(host: str) -> x509.GeneralName:
    """The subjectAltName entry of a host: iPAddress for a literal, else dNSName."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    return builder.sign(key, signature_hash(key))
