"""Revocation lists (RFC 5280 5) behind an index by issuer and serial number.

Closed by default: a certificate is good only when a fresh list of its own issuer is here and does not name it. A stale
list, or none, never says good (security rule 24). A lookup in a parsed list is linear, hence the index.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from device_pki.certificates import PARSE_ERRORS
from device_pki.fingerprints import fingerprint
from device_pki.keys import SIGNATURE_ALGORITHMS, KeyKindError, public_key

MAX_CRL_SIZE: Final = 8 * 1024 * 1024
"""Octets of the largest list taken."""


class RevocationStatus(enum.Enum):
    """What the sources at hand say about a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    STALE = "the issuer's revocation list is out of date"
    UNKNOWN_ISSUER = "no revocation list of the issuer"
    UNANSWERED = "no fresh OCSP answer"
    UNKNOWN_SERIAL = "a serial number that the issuer does not know"


class RevocationSource(Protocol):
    """Whatever can say of a certificate whether it is revoked."""

    def status(
        self, certificate: x509.Certificate, now: datetime, issuer: x509.Certificate | None = None
    ) -> RevocationStatus:
        """Return what is known at `now`. The `issuer` comes from a verified path."""


def objection(
    source: RevocationSource, chain: Sequence[x509.Certificate], now: datetime
) -> tuple[x509.Certificate, RevocationStatus] | None:
    """Return the first certificate of a verified path that is not good at `now`, or None when all of them are.

    The path begins with the leaf and ends with the anchor, which is not asked about.
    """
    if len(chain) < 2:
        return chain[0], RevocationStatus.UNKNOWN_ISSUER
    for certificate, issuer in pairwise(chain):
        status = source.status(certificate, now, issuer)
        if status is not RevocationStatus.GOOD:
            return certificate, status
    return None


class CrlReason(enum.Enum):
    """Why a revocation list was refused."""

    TOO_LARGE = "too large"
    MALFORMED = "malformed"
    WRONG_ISSUER = "wrong issuer"
    NOT_YET_VALID = "not yet valid"
    STALE = "stale"
    OLDER = "older than the one at hand"


class CrlError(ValueError):
    """A revocation list that must not be used."""

    def __init__(self, reason: CrlReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One verified revocation list."""

    issuer: bytes
    """Fingerprint of the CA certificate that verified it."""
    number: int
    this_update: datetime
    next_update: datetime
    serials: frozenset[int]


def parse_crl(data: bytes, issuer: x509.Certificate, now: datetime, *, points: Collection[str] = ()) -> RevocationList:
    """Return the verified list in the DER `data`, signed by `issuer` and fresh at `now`; raise `CrlError` otherwise.

    A list that says it is that of one distribution point (RFC 5280 5.2.5) may be a part of all revocations: it is taken
    only when the point's URI is in `points`, which are those of authorities with one list.
    """
    if len(data) > MAX_CRL_SIZE:
        raise CrlError(CrlReason.TOO_LARGE, f"{len(data)} octets, at most {MAX_CRL_SIZE} are taken")
    try:
        crl = x509.load_der_x509_crl(data)
        extensions = tuple(crl.extensions)
        _ = crl.issuer, crl.last_update_utc, crl.next_update_utc, crl.signature_algorithm_oid  # parsed only when read
    except PARSE_ERRORS as error:
        raise CrlError(CrlReason.MALFORMED, "not the DER of a revocation list") from error
    _check_extensions(extensions, points)
    _check_issuer(crl, issuer)
    next_update = crl.next_update_utc
    if next_update is None:
        raise CrlError(CrlReason.MALFORMED, "without nextUpdate a list cannot be told from a stale one")
    if crl.last_update_utc > now:
        raise CrlError(CrlReason.NOT_YET_VALID, f"issued at {crl.last_update_utc:%Y-%m-%dT%H:%M:%SZ}")
    if next_update < now:
        raise CrlError(CrlReason.STALE, f"due again at {next_update:%Y-%m-%dT%H:%M:%SZ}")
    return RevocationList(
        issuer=fingerprint(issuer),
        number=_number(extensions),
        this_update=crl.last_update_utc,
        next_update=next_update,
        serials=_serials(crl),
    )


def _serials(crl: x509.CertificateRevocationList) -> frozenset[int]:
    try:
        return frozenset(entry.serial_number for entry in crl)
    except PARSE_ERRORS as error:
        raise CrlError(CrlReason.MALFORMED, "an entry cannot be read") from error


def _check_extensions(extensions: Sequence[x509.Extension[x509.ExtensionType]], points: Collection[str]) -> None:
    """Delta and partitioned lists are marked by critical extensions (RFC 5280 5.2.4, 5.2.5): they are not complete."""
    for extension in extensions:
        if extension.critical and not _is_only_list(extension.value, points):
            raise CrlError(CrlReason.MALFORMED, f"critical extension {extension.oid.dotted_string}")


def _is_only_list(value: x509.ExtensionType, points: Collection[str]) -> bool:
    """A distribution point without any restriction, of a name that is known to have everything."""
    if not isinstance(value, x509.IssuingDistributionPoint) or not value.full_name:
        return False
    unrestricted = x509.IssuingDistributionPoint(value.full_name, None, False, False, None, False, False)
    names = {name.value for name in value.full_name if isinstance(name, x509.UniformResourceIdentifier)}
    return value == unrestricted and not names.isdisjoint(points)


def _check_issuer(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> None:
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        if (
            crl.issuer != issuer.subject
            or not usage.crl_sign
            or crl.signature_algorithm_oid not in SIGNATURE_ALGORITHMS
            or not crl.is_signature_valid(public_key(issuer))
        ):
            raise CrlError(CrlReason.WRONG_ISSUER, "the list is not signed by the CA it was fetched for")
    except (KeyKindError, x509.ExtensionNotFound, InvalidSignature, UnsupportedAlgorithm, TypeError) as error:
        raise CrlError(CrlReason.WRONG_ISSUER, "the CA's certificate may not sign revocation lists") from error


def _number(extensions: Sequence[x509.Extension[x509.ExtensionType]]) -> int:
    for extension in extensions:
        if isinstance(extension.value, x509.CRLNumber):
            return extension.value.crl_number
    raise CrlError(CrlReason.MALFORMED, "a list without a number cannot be told from an older one")


class RevocationIndex:
    """The newest revocation list of each CA, asked by certificate. `points`: as for `parse_crl`."""

    def __init__(self, points: Collection[str] = ()) -> None:
        self._points = frozenset(points)
        self._lists: dict[bytes, RevocationList] = {}
        self._issuers: dict[bytes, x509.Certificate] = {}

    def add(self, data: bytes, issuer: x509.Certificate, now: datetime) -> RevocationList:
        """Take the DER list `data` of `issuer` in; raise `CrlError`, and keep what is there, when it must not count.

        The list already here may be given again; an older one is refused, so that a replay undoes no revocation.
        """
        parsed = parse_crl(data, issuer, now, points=self._points)
        known = self._lists.get(parsed.issuer)
        if known is not None and (parsed.number, parsed.this_update) < (known.number, known.this_update):
            raise CrlError(CrlReason.OLDER, f"number {parsed.number}, number {known.number} is here already")
        self._lists[parsed.issuer] = parsed
        self._issuers[parsed.issuer] = issuer
        return parsed

    def newest(self, issuer: x509.Certificate) -> RevocationList | None:
        """Return the list at hand of a CA, fresh or not; None without one."""
        return self._lists.get(fingerprint(issuer))

    def status(
        self, certificate: x509.Certificate, now: datetime, issuer: x509.Certificate | None = None
    ) -> RevocationStatus:
        """Return what the list of the certificate's own issuer says at `now`.

        A verified path knows the `issuer`: no signature is then verified again when the list was signed by that CA.
        """
        known = None if issuer is None else self._lists.get(fingerprint(issuer))
        if known is not None:
            return self._status(known, certificate.serial_number, now)
        for key, candidate in self._issuers.items():
            if _issued_by(certificate, candidate):
                return self._status(self._lists[key], certificate.serial_number, now)
        return RevocationStatus.UNKNOWN_ISSUER

    @staticmethod
    def _status(entry: RevocationList, serial: int, now: datetime) -> RevocationStatus:
        if serial in entry.serials:
            return RevocationStatus.REVOKED
        return RevocationStatus.GOOD if now <= entry.next_update else RevocationStatus.STALE


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Names alone may be shared by two CAs: the signature tells whose list counts."""
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
