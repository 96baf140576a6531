"""Certificate path validation by role (RFC 5280 6.1, narrowed to what a fleet needs; security rule 21).

A path runs from a peer's certificate to one of the caller's anchors. An anchor may be an intermediate CA: then nothing
above it counts, so that a role's own CA is the end even beneath a shared root. Certificates may be X.509 or natively
signed C509, mixed as they like. Everything a device certificate has no use for (policies, other key kinds) is refused
rather than interpreted.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509

from device_pki.c509 import C509Certificate
from device_pki.certificates import PARSE_ERRORS
from device_pki.encodings import Certificate, as_signed, fields, is_issued_by, signed_bytes
from device_pki.fingerprints import fingerprint
from device_pki.keys import SIGNATURE_ALGORITHMS, KeyKindError, public_key
from device_pki.name_constraints import violation
from device_pki.names import EndpointNameError, endpoint_name
from device_pki.revocation import RevocationSource, RevocationStatus, objection
from device_pki.roles import Role, profile

MAX_PATH_CERTIFICATES: Final = 4
"""Certificates in a path, the peer's and the anchor included; also the most a peer may present."""
MAX_PRESENTED_SIZE: Final = 8192
"""Octets of all certificates a peer presents."""

_UNDERSTOOD: Final = frozenset(
    {
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectAlternativeName.oid,
        x509.NameConstraints.oid,
    }
)
"""Critical extensions this module enforces; any other critical one ends the path."""


_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class PathReason(enum.Enum):
    """Why a certificate path was refused."""

    NO_CERTIFICATE = "no certificate"
    TOO_MANY = "too many certificates"
    TOO_LARGE = "certificates too large"
    MALFORMED = "malformed certificate"
    KEY_KIND = "key kind"
    SIGNATURE_ALGORITHM = "signature algorithm"
    CRITICAL_EXTENSION = "unknown critical extension"
    NOT_YET_VALID = "not yet valid"
    EXPIRED = "expired"
    LEAF_IS_CA = "leaf is a CA"
    LEAF_IS_NO_CA = "leaf is no CA"
    KEY_USAGE = "key usage"
    EXTENDED_KEY_USAGE = "extended key usage"
    NAME = "endpoint name"
    HOST = "host"
    NAME_CONSTRAINTS = "name constraints"
    NO_PATH = "no path to an anchor"
    NOT_DIRECT = "not issued by the anchor itself"
    MUST_CONTAIN = "required certificate missing"
    REVOKED = "revoked"
    REVOCATION_UNKNOWN = "revocation status unknown"


class PathError(Exception):
    """A certificate path that must not be trusted; `reason` says why."""

    def __init__(self, reason: PathReason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class VerifiedPath:
    """A path that passed every check for `role` at the time it was asked."""

    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """The whole path: leaf first, anchor last. A natively signed C509 certificate stands here by its X.509 view."""
    anchor: x509.Certificate
    role: Role
    native: C509Certificate | None = None
    """The leaf itself, when it is a natively signed C509 certificate."""


def verify_path(
    leaf: Certificate,
    intermediates: Sequence[Certificate],
    *,
    anchors: Sequence[Certificate],
    role: Role,
    now: datetime,
    host: str | None = None,
    must_contain: Collection[bytes] = (),
    revocation: RevocationSource | None = None,
) -> VerifiedPath:
    """Return the verified path from `leaf` to one of `anchors`, or raise `PathError`.

    `now` is an aware time. `host` is the DNS name or IP address literal that was contacted; server roles need it.
    `must_contain` holds fingerprints of which the path must contain at least one. With `revocation` every certificate
    below the anchor must be known good there; without it revocation is not asked.
    """
    leaf, *intermediates = map(as_signed, (leaf, *intermediates))
    _check_presented((leaf, *intermediates))
    _check_leaf(fields(leaf), role, now, host)
    candidates = tuple(c for c in intermediates if _refusal_as_ca(fields(c), now) is None)
    ends = tuple(map(as_signed, anchors))
    path = _choose(leaf, candidates, ends, role=role, now=now, must_contain=must_contain)
    chain = tuple(map(fields, path))
    if revocation is not None:
        _check_revocation(chain, revocation, now)
    return VerifiedPath(chain[0], chain, chain[-1], role, leaf if isinstance(leaf, C509Certificate) else None)


def _check_presented(presented: Sequence[Certificate]) -> None:
    if len(presented) > MAX_PATH_CERTIFICATES:
        raise PathError(PathReason.TOO_MANY, f"{len(presented)} presented, at most {MAX_PATH_CERTIFICATES}")
    if sum(len(signed_bytes(certificate)) for certificate in presented) > MAX_PRESENTED_SIZE:
        raise PathError(PathReason.TOO_LARGE, f"at most {MAX_PRESENTED_SIZE} octets are taken")


def _check_leaf(leaf: x509.Certificate, role: Role, now: datetime, host: str | None) -> None:
    _check_common(leaf, now)
    if role is Role.CA:
        _check_ca(leaf)
        return
    _check_end_entity(leaf)
    _check_extended_usage(leaf, role)
    wanted = profile(role)
    if wanted.named_device:
        try:
            endpoint_name(leaf)
        except EndpointNameError as error:
            raise PathError(PathReason.NAME, str(error)) from error
    if wanted.has_host and not _matches_host(leaf, host):
        raise PathError(PathReason.HOST, f"the certificate is not for {host!r}")


def _check_common(certificate: x509.Certificate, now: datetime) -> None:
    try:
        _ = certificate.subject, certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except PARSE_ERRORS as error:  # these are parsed only when read
        raise PathError(PathReason.MALFORMED, "names or validity cannot be read") from error
    try:
        public_key(certificate)
    except KeyKindError as error:
        raise PathError(PathReason.KEY_KIND, str(error)) from error
    if certificate.signature_algorithm_oid not in SIGNATURE_ALGORITHMS:
        raise PathError(PathReason.SIGNATURE_ALGORITHM, certificate.signature_algorithm_oid.dotted_string)
    for extension in _extensions(certificate):
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise PathError(PathReason.CRITICAL_EXTENSION, extension.oid.dotted_string)
    if now < certificate.not_valid_before_utc:
        raise PathError(PathReason.NOT_YET_VALID, f"valid from {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}")
    if now > certificate.not_valid_after_utc:
        raise PathError(PathReason.EXPIRED, f"expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}")


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except PARSE_ERRORS as error:
        raise PathError(PathReason.MALFORMED, "the extensions cannot be read") from error


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    for extension in _extensions(certificate):
        value = extension.value
        if type(value) is kind:  # none of them has subclasses, and isinstance asks an abstract class each time
            return value
    return None


def _check_end_entity(leaf: x509.Certificate) -> None:
    constraints = _extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise PathError(PathReason.LEAF_IS_CA)
    if _extension(leaf, x509.NameConstraints) is not None:
        raise PathError(PathReason.NAME_CONSTRAINTS, "an end entity has nothing to constrain")
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None or not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise PathError(PathReason.KEY_USAGE, "an end entity signs, and signs no certificates or revocation lists")


def _check_extended_usage(leaf: x509.Certificate, role: Role) -> None:
    wanted = profile(role)
    value = _extension(leaf, x509.ExtendedKeyUsage)
    if value is None and wanted.usages_optional:
        return
    present = frozenset(value or ())
    if not wanted.usages or not present >= wanted.usages:
        raise PathError(PathReason.EXTENDED_KEY_USAGE, f"the certificate is not for the role {role.value}")


def _check_ca(certificate: x509.Certificate) -> None:
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise PathError(PathReason.LEAF_IS_NO_CA)
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.key_cert_sign:
        raise PathError(PathReason.KEY_USAGE, "a CA needs the key usage keyCertSign")


def _refusal_as_ca(certificate: x509.Certificate, now: datetime) -> PathError | None:
    """Return why `certificate` cannot stand above another one in a path, or None."""
    try:
        _check_common(certificate, now)
        _check_ca(certificate)
    except PathError as error:
        return error
    return None


def _matches_host(leaf: x509.Certificate, host: str | None) -> bool:
    """RFC 6125 without wildcards: an IP literal matches an iPAddress, a name a dNSName, letter case ignored."""
    names = _extension(leaf, x509.SubjectAlternativeName)
    if host is None or names is None:
        return False
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() in (name.lower() for name in names.get_values_for_type(x509.DNSName))
    return address in names.get_values_for_type(x509.IPAddress)


def _choose(
    leaf: Certificate,
    candidates: Sequence[Certificate],
    anchors: Sequence[Certificate],
    *,
    role: Role,
    now: datetime,
    must_contain: Collection[bytes],
) -> tuple[Certificate, ...]:
    refusal = PathError(PathReason.NO_PATH, "no anchor for this role issued the certificate, directly or through CAs")
    for anchor in anchors:
        unfit = _refusal_as_ca(fields(anchor), now)
        if unfit is not None or anchor == leaf:
            refusal = unfit or refusal
            continue
        for chain in _paths((leaf,), candidates, anchor):
            forbidden = _constrained(tuple(map(fields, chain)))
            if profile(role).direct and len(chain) > 2:
                refusal = PathError(PathReason.NOT_DIRECT, f"the role {role.value} is issued by the anchor itself")
            elif forbidden is not None:
                refusal = PathError(PathReason.NAME_CONSTRAINTS, forbidden)
            elif must_contain and not {fingerprint(signed_bytes(c)) for c in chain} & set(must_contain):
                refusal = PathError(PathReason.MUST_CONTAIN, "none of the demanded CAs is in the path")
            else:
                return chain
    raise refusal


def _constrained(chain: Sequence[x509.Certificate]) -> str | None:
    """Return which name beneath a CA of the path its constraints forbid; a CA's other key is not beneath it."""
    for place, issuer in enumerate(chain[1:], start=1):
        constraints = _extension(issuer, x509.NameConstraints)
        if constraints is None:
            continue
        for below in chain[:place]:
            forbidden = violation(constraints, below) if below is chain[0] or below.issuer != below.subject else None
            if forbidden is not None:
                return forbidden
    return None


def _paths(
    below: tuple[Certificate, ...], candidates: Sequence[Certificate], anchor: Certificate
) -> Iterator[tuple[Certificate, ...]]:
    """Yield every path from below[0] to `anchor` with CAs out of `candidates`, each used once."""
    if _issued(below, anchor):
        yield (*below, anchor)
    if len(below) + 2 > MAX_PATH_CERTIFICATES:
        return
    for candidate in candidates:
        if candidate not in below and candidate != anchor and _issued(below, candidate):
            yield from _paths((*below, candidate), candidates, anchor)


def _issued(below: Sequence[Certificate], issuer: Certificate) -> bool:
    """Did `issuer` issue the last of `below`, with room in its path length for those beneath (RFC 5280 4.2.1.9)?

    Self-issued ones, between two keys of one CA, need no room.
    """
    constraints = _extension(fields(issuer), x509.BasicConstraints)
    beneath = sum(fields(certificate).issuer != fields(certificate).subject for certificate in below[1:])
    if constraints is None or (constraints.path_length is not None and constraints.path_length < beneath):
        return False
    return _signed_ca(below[-1], issuer) if len(below) > 1 else is_issued_by(below[-1], issuer)


@lru_cache(maxsize=256)
def _signed_ca(certificate: Certificate, issuer: Certificate) -> bool:
    """The same for a CA certificate, which comes with every one of its devices: a signature does not change."""
    return is_issued_by(certificate, issuer)


def _check_revocation(chain: Sequence[x509.Certificate], revocation: RevocationSource, now: datetime) -> None:
    found = objection(revocation, chain, now)
    if found is None:
        return
    certificate, status = found
    if status is RevocationStatus.REVOKED:
        raise PathError(PathReason.REVOKED, f"serial number {certificate.serial_number:x}")
    raise PathError(PathReason.REVOCATION_UNKNOWN, f"{status.value}; fetch the issuer's revocation list")
