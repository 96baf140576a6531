"""A service provider's own keys, one per role (security rule 1), in its data folder:

    keys/<role>.pem           private key, 0600
    requests/<role>.pem       PKCS#10 request, for the CA that is to certify the key
    certificates/<role>.pem   what came back: the certificate, then the intermediate CAs above it

The HTTPS certificate is self-signed at once: partners pin the very certificate.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import PrivateKey, UnusableKey, generate_private_key, load_private_key, same_key, save_private_key
from device_pki.issue import Validity, common_name, host_name, self_signed_tls
from device_pki.keys import public_key, signature_hash

HTTPS_LIFETIME: Final = timedelta(days=825)
_MAX_CHAIN: Final = 4


class KeyRole(StrEnum):
    """What a key is for; also its file name."""

    TRANSFER = "transfer"
    DOCUMENT = "document"
    FIRMWARE = "firmware"
    HTTPS = "https"
    DTLS = "dtls"


class KeysError(Exception):
    """The data folder lacks a key or certificate, or one does not fit; the text names the command that helps."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A private key with its certificate; `chain` begins with the certificate itself."""

    private_key: PrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        """The key's own certificate."""
        return self.chain[0]


@dataclass(frozen=True, slots=True)
class ProviderKeys:
    """All credentials of a service provider, read once at start."""

    transfer: Credential
    document: Credential
    firmware: Credential
    https: Credential
    dtls: Credential

    @classmethod
    def load(cls, data: Path) -> ProviderKeys:
        """Read every key and certificate; raises `KeysError` for a missing, unprotected or mismatched one."""
        return cls(**{role.value: load_credential(data, role) for role in KeyRole})


def key_path(data: Path, role: KeyRole) -> Path:
    """Where the private key of `role` is."""
    return data / "keys" / f"{role}.pem"


def request_path(data: Path, role: KeyRole) -> Path:
    """Where the certificate request of `role` is."""
    return data / "requests" / f"{role}.pem"


def certificate_path(data: Path, role: KeyRole) -> Path:
    """Where the certificate of `role` and what is above it are."""
    return data / "certificates" / f"{role}.pem"


def load_credential(data: Path, role: KeyRole) -> Credential:
    """Read one key and its certificates."""
    path = certificate_path(data, role)
    try:
        key = load_private_key(key_path(data, role))
        chain = read_chain(path)
    except FileNotFoundError as error:
        raise KeysError(
            f"{error.filename} is missing: run `lwm2m-server init --role sp --data {data}`, have "
            f"{request_path(data, role)} certified, then `lwm2m-server install-certificate {role} FILE --data {data}`"
        ) from error
    except UnusableKey as error:
        raise KeysError(str(error)) from error
    if not same_key(key.public_key(), public_key(chain[0])):
        raise KeysError(f"{path} is not the certificate of {key_path(data, role)}: install the right one")
    return Credential(key, chain)


def presented(chain: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """What a peer is shown: the certificate and the CAs above it, without a root, which it has or does not trust."""
    return tuple(certificate for certificate in chain if certificate.issuer != certificate.subject)


def read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """Read one to four PEM certificates."""
    try:
        chain = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except ValueError as error:
        raise KeysError(f"{path} holds no PEM certificate") from error
    if len(chain) > _MAX_CHAIN:
        raise KeysError(f"{path} holds {len(chain)} certificates, at most {_MAX_CHAIN} make a chain")
    return chain


def create(data: Path, name: str, hosts: Sequence[str], roles: Collection[KeyRole] = tuple(KeyRole)) -> list[Path]:
    """Make what is missing of keys, requests and the HTTPS certificate; return the requests to be certified.

    Repeating it changes nothing that is there: a key once made is never replaced.
    """
    for folder in ("keys", "requests", "certificates"):
        (data / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    for role in roles:
        if not key_path(data, role).exists():
            save_private_key(key_path(data, role), generate_private_key())
        key = load_private_key(key_path(data, role))
        if role is KeyRole.HTTPS:
            _self_sign(data, key, name, hosts)
        else:
            _write_request(request_path(data, role), key, f"{name} {role}", hosts if role is KeyRole.DTLS else ())
    return [request_path(data, role) for role in roles if role is not KeyRole.HTTPS]


def _self_sign(data: Path, key: PrivateKey, name: str, hosts: Sequence[str]) -> None:
    path = certificate_path(data, KeyRole.HTTPS)
    if not path.exists():
        validity = Validity.lasting(datetime.now(UTC), HTTPS_LIFETIME)
        path.write_bytes(self_signed_tls(key, name, hosts, validity).public_bytes(Encoding.PEM))


def _write_request(path: Path, key: PrivateKey, subject: str, hosts: Sequence[str]) -> None:
    if path.exists():
        return
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name(subject))
    if hosts:
        names = x509.SubjectAlternativeName([host_name(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    path.write_bytes(builder.sign(key, signature_hash(key)).public_bytes(Encoding.PEM))


def install(data: Path, role: KeyRole, chain: Sequence[x509.Certificate]) -> Path:
    """Put a certificate (and what is above it) in its place; raises `KeysError` when the key is another one."""
    key = load_private_key(key_path(data, role))
    if not same_key(key.public_key(), public_key(chain[0])):
        raise KeysError(f"the certificate is not for {key_path(data, role)}: certify {request_path(data, role)}")
    path = certificate_path(data, role)
    path.write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain))
    return path
