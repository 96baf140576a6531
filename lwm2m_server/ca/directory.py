"""The data folder of a CA:

ca.key, ca.pem        the CA's key (0600) and its own certificate: all that others need as an anchor
ca.uri                instead of ca.key: where the key is that stays in a token (RFC 7512)
chain.pem             the certificates above it, unless it is a root
ca.csr                the request to be certified by another CA, while there is no ca.pem
https.key, https.pem  TLS identity of the CA API, self-signed: providers pin the very certificate
est.key, est.pem      the EST server's, issued by this CA
profile               how much its certificates say, `full` or `minimal`; full without this file
serial                the next free serial number, if minimal: never less than one that was given
edhoc.key             its key for static Diffie-Hellman in EDHOC, which TransferMessages may pin
ra.key, ra.pem        instead of ca.key, when the CA is elsewhere: the registration authority that orders there
next/                 the key that is prepared to replace the CA's, with its certificates: another folder like this
earlier/FINGERPRINT/  keys that were replaced; they sign revocation lists until their certificates have expired
cross.pem             the key's certificates by earlier keys, for those who have only an earlier anchor
issued/SERIAL.pem     what this CA issued to servers, message signers and CAs; devices are in the database
providers/NAME.pem    pinned TLS certificates of the service providers that may call the API
ca.db                 labels, devices, keys, certificates, revocations
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from cose.files import write_durably
from cose.keys import PrivateKey, UnusableKey, load_private_key, same_key
from cose.token_keys import load_token_key
from device_pki.encodings import is_issued_by
from device_pki.fingerprints import fingerprint
from device_pki.issue import Issuer, Profile
from device_pki.keys import KeyKindError, public_key
from device_pki.roles import TRANSFER_SIGNING
from enrollment.ca.builtin import BuiltinCa
from lwm2m_server.ca.serials import SerialNumbers

HARDWARE_TYPE: Final = x509.ObjectIdentifier(TRANSFER_SIGNING.dotted_string.rsplit(".", 1)[0] + ".3")
"""hwType in the hardwareModuleName of factory certificates (RFC 4108 5), beside our key usages."""

MAX_PEM_SIZE: Final = 64 * 1024
"""Octets of the largest certificate file read."""


class CaDirectoryError(Exception):
    """The folder cannot be used as it is; the text names the command that helps."""


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """Files of a key and its certificate."""

    key: Path
    certificate: Path


@dataclass(frozen=True, slots=True)
class CaDirectory:
    """Names and reads the files; `lwm2m_server.ca.setup` makes them."""

    root: Path

    @property
    def key(self) -> Path:
        """The CA's private key, unless a token has it."""
        return self.root / "ca.key"

    @property
    def key_uri(self) -> Path:
        """Where the CA's private key is when a token has it: a `pkcs11:` URI."""
        return self.root / "ca.uri"

    @property
    def certificate(self) -> Path:
        """The CA's own certificate, and no other: whoever makes it an anchor trusts nothing above it."""
        return self.root / "ca.pem"

    @property
    def profile_file(self) -> Path:
        """How much the certificates say that this CA issues."""
        return self.root / "profile"

    @property
    def serials(self) -> Path:
        """The first serial number that is still free, where they are counted."""
        return self.root / "serial"

    def profile(self) -> Profile:
        """Read how much the certificates say; raise `CaDirectoryError`."""
        if not self.profile_file.exists():
            return Profile.FULL
        try:
            return Profile(self.profile_file.read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as error:
            raise CaDirectoryError(f"{self.profile_file} must say `full` or `minimal`: {error}") from error

    @property
    def above(self) -> Path:
        """The certificates above the CA's own; absent for a root."""
        return self.root / "chain.pem"

    @property
    def request(self) -> Path:
        """The request for the CA's certificate."""
        return self.root / "ca.csr"

    @property
    def https(self) -> TlsIdentity:
        """TLS identity of the CA API."""
        return TlsIdentity(self.root / "https.key", self.root / "https.pem")

    @property
    def est(self) -> TlsIdentity:
        """DTLS identity of the EST server."""
        return TlsIdentity(self.root / "est.key", self.root / "est.pem")

    @property
    def ra(self) -> TlsIdentity:
        """Key and certificate of the registration authority, when the CA is elsewhere."""
        return TlsIdentity(self.root / "ra.key", self.root / "ra.pem")

    @property
    def following(self) -> CaDirectory:
        """The folder of the key that is to replace the CA's."""
        return CaDirectory(self.root / "next")

    @property
    def cross(self) -> Path:
        """The key's certificates by earlier keys; in `following` also the earlier key's by the new one."""
        return self.root / "cross.pem"

    def crossed(self) -> tuple[x509.Certificate, ...]:
        """Read the key's certificates by earlier keys, the newest first; raise `CaDirectoryError`."""
        return read_certificates(self.cross) if self.cross.exists() else ()

    def earlier_folder(self, certificate: x509.Certificate) -> CaDirectory:
        """Where a CA certificate with its key is kept once it is replaced."""
        return CaDirectory(self.root / "earlier" / fingerprint(certificate).hex()[:16])

    def earlier(self) -> tuple[Issuer, ...]:
        """Read the keys of before with their certificates, in no order; raise `CaDirectoryError`."""
        folders = sorted(path.parent for path in (self.root / "earlier").glob("*/ca.pem"))
        return tuple(CaDirectory(folder).issuer() for folder in folders)

    @property
    def issued(self) -> Path:
        """Certificates of servers, message signers and CAs that this CA issued, by serial number in hex."""
        return self.root / "issued"

    def record_issued(self, certificate: x509.Certificate) -> None:
        """Keep what was issued, durably: of a serial number that is not known nobody is told that it is good."""
        self.issued.mkdir(mode=0o700, exist_ok=True)
        write_durably(self._issued_file(certificate.serial_number), certificate.public_bytes(Encoding.PEM), 0o644)

    def has_issued(self, serial_number: int) -> bool:
        """Was it issued to a server, message signer or CA, by this key or an earlier one?"""
        file = self._issued_file(serial_number)
        return file.exists() or any(self.root.glob(f"earlier/*/issued/{file.name}"))

    def _issued_file(self, serial_number: int) -> Path:
        return self.issued / f"{serial_number:x}.pem"

    def is_issuer_of(self, certificate: x509.Certificate) -> bool:
        """Did the CA issue it, with this key or an earlier one? Raises `CaDirectoryError`."""
        paths = (self.certificate, *self.root.glob("earlier/*/ca.pem"))
        return any(is_issued_by(certificate, read_certificates(path)[0]) for path in paths)

    @property
    def edhoc_key(self) -> Path:
        """The EST server's key for static Diffie-Hellman."""
        return self.root / "edhoc.key"

    @property
    def providers(self) -> Path:
        """Pinned certificates of service providers."""
        return self.root / "providers"

    @property
    def database(self) -> Path:
        """The register."""
        return self.root / "ca.db"

    def missing(self) -> list[Path]:
        """The files of a complete folder that are not there; those above a root are nobody's."""
        identities = (self.https, self.est)
        key = next((path for path in (self.key_uri, self.ra.key) if path.exists()), self.key)
        files = [key, self.certificate, *(one.key for one in identities), *(one.certificate for one in identities)]
        return [path for path in files if not path.exists()]

    def chain(self) -> tuple[x509.Certificate, ...]:
        """Read the CA's certificate and those above it; raise `CaDirectoryError`."""
        if not self.certificate.exists():
            raise CaDirectoryError(
                f"{self.certificate} is missing: run `lwm2m-server ca init --data {self.root} --kind root`; "
                f"for another kind have {self.request} certified and run `ca init … --certificate FILE`"
            )
        above = read_certificates(self.above) if self.above.exists() else ()
        return (read_certificates(self.certificate)[0], *above)

    def issuer(self) -> Issuer:
        """Read the CA's key and certificate; raise `CaDirectoryError`."""
        if self.ra.key.exists():
            raise CaDirectoryError(f"the CA of {self.root} is elsewhere: name the settings that say where, by --config")
        certificate = self.chain()[0]
        key = self.ca_key()
        if not same_key(key.public_key(), public_key(certificate)):
            raise CaDirectoryError(f"the CA's key is not the key of {self.certificate}: restore both from one backup")
        profile = self.profile()
        counted = SerialNumbers(self.serials).next if profile is Profile.MINIMAL else None
        return Issuer(certificate, key, profile, counted)

    def ca_key(self) -> PrivateKey:
        """Read the CA's key, or find it in its token; raise `CaDirectoryError`."""
        if not self.key_uri.exists():
            return _load(self.key)
        try:
            return load_token_key(self.key_uri.read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as error:
            raise CaDirectoryError(f"the CA's key, which {self.key_uri} names: {error}") from error

    def backend(self, certificate_lifetime: timedelta, crl_lifetime: timedelta) -> BuiltinCa:
        """Return the built-in CA on this folder's key; raise `CaDirectoryError`."""
        return BuiltinCa(
            issuer=self.issuer(),
            above=self.chain()[1:],
            certificate_lifetime=certificate_lifetime,
            crl_lifetime=crl_lifetime,
            hardware_type=HARDWARE_TYPE,
            earlier_keys=self.earlier(),
        )

    def est_identity(self, now: datetime) -> tuple[tuple[x509.Certificate, ...], ec.EllipticCurvePrivateKey]:
        """Read the EST server's chain (leaf first, no root) and its key; raise `CaDirectoryError`."""
        if not self.est.certificate.exists():
            raise CaDirectoryError(f"{self.est.certificate} is missing: run `ca init` on {self.root} again")
        leaf = read_certificates(self.est.certificate)[0]
        if leaf.not_valid_after_utc <= now:
            raise CaDirectoryError(f"{self.est.certificate} has expired: run `ca init` on {self.root} again")
        key = self._private_key(self.est.key, leaf)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CaDirectoryError(f"{self.est.key} must be an EC key: remove it and run `ca init` again")
        return (leaf, *self.crossed(), *without_roots(self.chain())), key

    def registration_authority(self) -> tuple[tuple[x509.Certificate, ...], PrivateKey]:
        """Read the registration authority's chain (leaf first, no root) and its key; raise `CaDirectoryError`."""
        if not self.ra.certificate.exists():
            raise CaDirectoryError(
                f"{self.ra.certificate} is missing: have {self.ra.key.with_suffix('.csr')} certified there; "
                f"`lwm2m-server ca init --data {self.root} --kind upstream` makes it"
            )
        chain = read_certificates(self.ra.certificate)
        return without_roots(chain), self._private_key(self.ra.key, chain[0])

    def static_key(self) -> ec.EllipticCurvePrivateKey | None:
        """Read the EST server's key for static Diffie-Hellman; None in a folder from before there was one.

        Raises `CaDirectoryError`.
        """
        if not self.edhoc_key.exists():
            return None
        key = _load(self.edhoc_key)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CaDirectoryError(f"{self.edhoc_key} must be a P-256 key: remove it and run `ca init` again")
        return key

    def checked_https(self) -> TlsIdentity:
        """The files of the CA API's TLS identity; raise `CaDirectoryError` unless they fit and the key is private."""
        if not self.https.certificate.exists():
            raise CaDirectoryError(f"{self.https.certificate} is missing: run `ca init` on {self.root} again")
        self._private_key(self.https.key, read_certificates(self.https.certificate)[0])
        return self.https

    @staticmethod
    def _private_key(path: Path, certificate: x509.Certificate) -> PrivateKey:
        key = _load(path)
        if not same_key(key.public_key(), public_key(certificate)):
            raise CaDirectoryError(f"{path} is not the key of the certificate beside it: restore both from one backup")
        return key


def _load(path: Path) -> PrivateKey:
    try:
        return load_private_key(path)
    except (OSError, UnusableKey) as error:
        raise CaDirectoryError(f"{path} cannot be used: {error}") from error


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Read the PEM certificates of a file, at least one; raise `CaDirectoryError`."""
    try:
        if path.stat().st_size > MAX_PEM_SIZE:
            raise CaDirectoryError(f"{path} is larger than {MAX_PEM_SIZE} octets: give a file of PEM certificates")
        certificates = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
        for certificate in certificates:
            public_key(certificate)
    except (OSError, ValueError, KeyKindError) as error:
        raise CaDirectoryError(f"{path} holds no usable PEM certificate: {error}") from error
    return certificates


def without_roots(chain: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Return the certificates that are not self-issued: what a server sends after its own."""
    return tuple(certificate for certificate in chain if certificate.issuer != certificate.subject)
