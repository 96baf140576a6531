"""Making the data folder of a CA role whose authority is elsewhere. Everything may be repeated.

The folder has no CA key. It has keys for what the role itself is: the EST server of devices, and the registration
authority that orders certificates; both are certified by the authority's operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.files import write_durably
from cose.keys import PrivateKey, same_key
from device_pki.encodings import is_issued_by
from device_pki.issue import common_name, host_name, self_signed_tls
from device_pki.keys import public_key, signature_hash
from device_pki.path import PathError, verify_path
from device_pki.roles import CLIENT_AUTH, CMC_RA, SERVER_AUTH, Role
from lwm2m_server.ca.directory import CaDirectoryError, TlsIdentity, read_certificates
from lwm2m_server.ca.setup import Setup, install, own_key, renew


def set_up_upstream(setup: Setup, now: datetime) -> bool:
    """Make what is missing. False: est.csr or ra.csr wait to be certified. Raises `CaDirectoryError`."""
    directory = setup.directory
    for folder in (directory.root, directory.providers):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not directory.certificate.exists():
        install(directory, _authority(setup.certificate, now))
    renew(directory.https, now, lambda key, validity: self_signed_tls(key, setup.name, setup.hosts, validity))
    est = _requested(directory.est, f"{setup.name} EST", (SERVER_AUTH, CMC_RA), setup.hosts)
    ra = _requested(directory.ra, f"{setup.name} RA", (CLIENT_AUTH,), ())
    return est and ra


def _authority(path: Path | None, now: datetime) -> Sequence[x509.Certificate]:
    if path is None:
        raise CaDirectoryError(
            "name the authority's certificates: --certificate FILE, the issuing CA's first, its root last"
        )
    chain = read_certificates(path)
    if len(chain) == 1 and _is_root(chain[0]):
        return chain
    try:
        verify_path(chain[0], chain[1:-1], anchors=[chain[-1]], role=Role.CA, now=now)
    except PathError as error:
        raise CaDirectoryError(f"{path} is no CA certificate with its chain: {error}") from error
    return chain


def _is_root(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and is_issued_by(certificate, certificate)


def _requested(identity: TlsIdentity, name: str, usages: Sequence[x509.ObjectIdentifier], hosts: Sequence[str]) -> bool:
    """Whether the identity has its certificate; until then a request for one lies beside its key."""
    key = own_key(identity.key)
    if identity.certificate.exists():
        if not same_key(public_key(read_certificates(identity.certificate)[0]), key.public_key()):
            raise CaDirectoryError(f"{identity.certificate} is not for {identity.key}: certify the request beside it")
        return True
    write_durably(identity.key.with_suffix(".csr"), _request(key, name, usages, hosts), 0o644)
    return False


def _request(key: PrivateKey, name: str, usages: Sequence[x509.ObjectIdentifier], hosts: Sequence[str]) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name(name))
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([host_name(host) for host in hosts]), critical=False
        )
    return builder.sign(key, signature_hash(key)).public_bytes(Encoding.PEM)
