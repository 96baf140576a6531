"""Certifying the keys of servers, message signers and CAs from their PKCS#10 requests, by an operator's order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from cose.keys import thumbprint
from device_pki.issue import Issuer, Validity, intermediate_ca, server, signer
from device_pki.keys import KeyKindError, public_key
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError, read_certificates, without_roots
from lwm2m_server.ca.setup import CA_LIFETIME, SERVER_LIFETIME, within, write_certificates

_MAX_REQUEST = 16 * 1024


class IssueRole(StrEnum):
    """What an operator may certify a key for. Device certificates are issued by EST and in batches only."""

    SERVER = "server"
    TRANSFER = "transfer"
    DOCUMENT = "document"
    FIRMWARE = "firmware"
    CA = "ca"

    @property
    def role(self) -> Role:
        """The role as paths are verified for it."""
        return Role(self.value)


def issue(
    directory: CaDirectory, role: IssueRole, request: Path, *, hosts: Sequence[str], out: Path, now: datetime
) -> x509.Certificate:
    """Certify a request and write the certificate with the CAs above it to `out`; return it.

    Repeating it changes nothing while the certificate in `out` is for that key and role and far from its end. A server
    is certified for `hosts`, or for those its request names. Raises `CaDirectoryError`.
    """
    _, hosts = wanted(directory, role, request, hosts)
    csr, issuer, above = _read(request), directory.issuer(), directory.chain()
    present = _present(out, csr, role, issuer=issuer, hosts=hosts, now=now)
    if present is not None:
        return present
    certificate = _certify(issuer, csr, role, hosts, now)
    directory.record_issued(certificate)
    rest = above if role is IssueRole.CA else (*directory.crossed(), *without_roots(above))
    write_certificates(out, [certificate, *rest])
    return certificate


def wanted(directory: CaDirectory, role: IssueRole, request: Path, hosts: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the name and the hosts a request would be certified for; raise `CaDirectoryError` where it would not."""
    directory.chain()
    csr = _read(request)
    hosts = hosts or _requested_hosts(csr)
    if role is IssueRole.SERVER and not hosts:
        raise CaDirectoryError("a server's certificate needs the host of its URI: give --host")
    return _common_name(csr), hosts


def _certify(
    issuer: Issuer, csr: x509.CertificateSigningRequest, role: IssueRole, hosts: Sequence[str], now: datetime
) -> x509.Certificate:
    key, name = public_key(csr), _common_name(csr)
    if role is IssueRole.CA:
        return intermediate_ca(issuer, key, name, within(issuer, Validity.lasting(now, CA_LIFETIME)))
    validity = within(issuer, Validity.lasting(now, SERVER_LIFETIME))
    if role is IssueRole.SERVER:
        return server(issuer, key, name, hosts, validity)
    return signer(issuer, key, name, role.role, validity)


def _present(
    out: Path,
    csr: x509.CertificateSigningRequest,
    role: IssueRole,
    *,
    issuer: Issuer,
    hosts: Sequence[str],
    now: datetime,
) -> x509.Certificate | None:
    """Return what an earlier call wrote to `out`, if it is still what this call would write."""
    if not out.exists():
        return None
    leaf = read_certificates(out)[0]
    lasting: timedelta = leaf.not_valid_after_utc - now
    if thumbprint(public_key(leaf)) != thumbprint(public_key(csr)) or lasting < SERVER_LIFETIME / 3:
        return None
    try:
        for host in hosts or (None,):
            verify_path(leaf, (), anchors=[issuer.certificate], role=role.role, now=now, host=host)
    except PathError:
        return None
    return leaf


def _read(path: Path) -> x509.CertificateSigningRequest:
    try:
        data = path.read_bytes()[:_MAX_REQUEST]
        load = x509.load_pem_x509_csr if data.startswith(b"-----") else x509.load_der_x509_csr
        csr = load(data)
        public_key(csr)
        valid = csr.is_signature_valid
    except (OSError, ValueError, KeyKindError) as error:
        raise CaDirectoryError(f"{path} is no PKCS#10 request with a P-256, P-384 or Ed25519 key: {error}") from error
    if not valid:
        raise CaDirectoryError(f"{path} is not signed by the key it holds: make the request again")
    return csr


def _common_name(csr: x509.CertificateSigningRequest) -> str:
    names = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise CaDirectoryError("the request must name its subject by one commonName")
    return names[0].value


def _requested_hosts(csr: x509.CertificateSigningRequest) -> list[str]:
    try:
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]
