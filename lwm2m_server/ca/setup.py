"""Making and completing a CA's data folder. Everything may be repeated: what is there and still good stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.files import write_durably
from cose.keys import PrivateKey, UnusableKey, generate_private_key, load_private_key, same_key, save_private_key
from cose.token_keys import load_token_key
from device_pki.issue import (
    Issuer,
    Profile,
    Validity,
    common_name,
    est_server,
    intermediate_ca,
    root_ca,
    self_signed_tls,
)
from device_pki.keys import public_key, signature_hash
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError, TlsIdentity, read_certificates

CA_LIFETIME: Final = timedelta(days=30 * 365)
"""Lifetime of a root or of a CA beneath one."""
SERVER_LIFETIME: Final = timedelta(days=825)
"""Lifetime of the CA's own TLS certificates; `ca init` makes new ones when a third of it is left."""


class CaKind(StrEnum):
    """Where the CA stands."""

    ROOT = "root"
    INTERMEDIATE = "intermediate"
    UPSTREAM = "upstream"
    """Elsewhere: the role orders certificates there. See `lwm2m_server.ca.upstream_setup`."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What `ca init` is asked for."""

    directory: CaDirectory
    name: str
    kind: CaKind
    hosts: Sequence[str]
    """Host names and addresses under which devices and providers reach the CA."""
    parent: CaDirectory | None = None
    """Folder of the CA that certifies this one, when it is at hand."""
    certificate: Path | None = None
    """What another CA made of ca.csr: the certificate, then those above it."""
    path_length: int | None = None
    """CAs that may follow beneath this one."""
    key_uri: str | None = None
    """The `pkcs11:` URI of the CA's key, when a token has it; else a key is made in a file."""
    profile: Profile | None = None
    """How much its certificates shall say from now on; None: as before."""


def set_up(setup: Setup, now: datetime) -> bool:
    """Make what is missing. False: ca.csr waits to be certified. Raises `CaDirectoryError`."""
    directory = setup.directory
    for folder in (directory.root, directory.providers):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ca_key(directory, setup.key_uri)
    if setup.profile is not None:
        write_durably(directory.profile_file, f"{setup.profile.value}\n".encode(), 0o644)
    if not directory.certificate.exists() and not _make_certificate(setup, key, now):
        return False
    own_key(directory.edhoc_key)
    issuer = directory.issuer()
    renew(directory.https, now, lambda k, v: self_signed_tls(k, setup.name, setup.hosts, v))
    name = f"{setup.name} EST"
    renew(directory.est, now, lambda k, v: est_server(issuer, k.public_key(), name, setup.hosts, within(issuer, v)))
    directory.record_issued(read_certificates(directory.est.certificate)[0])
    return True


def _make_certificate(setup: Setup, key: PrivateKey, now: datetime) -> bool:
    directory = setup.directory
    if setup.kind is CaKind.ROOT:
        root = root_ca(key, setup.name, Validity.lasting(now, CA_LIFETIME), setup.path_length)
        install(directory, [root])
    elif setup.parent is not None:
        issuer, above = setup.parent.issuer(), setup.parent.chain()
        validity = within(issuer, Validity.lasting(now, CA_LIFETIME))
        made = intermediate_ca(issuer, key.public_key(), setup.name, validity, setup.path_length)
        setup.parent.record_issued(made)
        install(directory, [made, *above])
    elif setup.certificate is not None:
        install(directory, certified(setup.certificate, key, now))
    else:
        write_request(directory.request, key, setup.name)
        return False
    return True


def install(directory: CaDirectory, chain: Sequence[x509.Certificate]) -> None:
    """Write the CA's certificate, after those above it: a ca.pem says that the folder is complete."""
    if chain[1:]:
        write_certificates(directory.above, chain[1:])
    write_certificates(directory.certificate, chain[:1])


def certified(path: Path, key: PrivateKey, now: datetime) -> Sequence[x509.Certificate]:
    """Read what another CA made of a request for `key`: its certificate, then those above."""
    chain = read_certificates(path)
    if not same_key(public_key(chain[0]), key.public_key()):
        raise CaDirectoryError(f"the first certificate of {path} is not for this CA's key: certify its ca.csr")
    if len(chain) == 1:
        raise CaDirectoryError(f"{path} must hold the certificates above the CA's own too: take what `ca issue` wrote")
    try:
        verify_path(chain[0], chain[1:-1], anchors=[chain[-1]], role=Role.CA, now=now)
    except PathError as error:
        raise CaDirectoryError(f"{path} is no CA certificate with its chain: {error}") from error
    return chain


def write_request(path: Path, key: PrivateKey, name: str) -> None:
    """Write the request for a CA's certificate."""
    request = x509.CertificateSigningRequestBuilder().subject_name(common_name(name)).sign(key, signature_hash(key))
    write_durably(path, request.public_bytes(Encoding.PEM), 0o644)


def ca_key(directory: CaDirectory, uri: str | None) -> PrivateKey:
    """The key of before, if there is one; else the token's, or a new one in a file."""
    if uri is not None and not directory.key_uri.exists():
        if directory.key.exists():
            raise CaDirectoryError(f"{directory.key} is the CA's key already; make another CA for the token's")
        try:
            load_token_key(uri).close()
        except (OSError, UnusableKey) as error:
            raise CaDirectoryError(str(error)) from error
        write_durably(directory.key_uri, f"{uri}\n".encode(), 0o600)
    return directory.ca_key() if directory.key_uri.exists() else own_key(directory.key)


def own_key(path: Path) -> PrivateKey:
    """Read a key file, made now if there is none."""
    if not path.exists():
        save_private_key(path, generate_private_key())
    return load_private_key(path)


def renew(identity: TlsIdentity, now: datetime, make: Callable[[PrivateKey, Validity], x509.Certificate]) -> None:
    """Make a certificate for an identity that has none, or one that is for another key or near its end."""
    key = own_key(identity.key)
    if identity.certificate.exists():
        current = read_certificates(identity.certificate)[0]
        fresh = current.not_valid_after_utc - now > SERVER_LIFETIME / 3
        if fresh and same_key(public_key(current), key.public_key()):
            return
    write_certificates(identity.certificate, [make(key, Validity.lasting(now, SERVER_LIFETIME))])


def within(issuer: Issuer, validity: Validity) -> Validity:
    """Return `validity`, ending no later than the issuer's certificate."""
    return Validity(validity.not_before, min(validity.not_after, issuer.certificate.not_valid_after_utc))


def write_certificates(path: Path, certificates: Sequence[x509.Certificate]) -> None:
    """Write PEM certificates durably."""
    write_durably(path, b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates), 0o644)
