"""What a certificate is for: roles, their key usages and the object identifiers behind them.

Security rule 1: one key per role, and the role is checked at every use. The arc of our own extended key usages is in
docs/reference/registry.md; id-kp-cmcRA is RFC 6402 2.10 and marks an EST server as speaking for its CA (RFC 7030
3.6.1).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

_ARC: Final = "2.25.118199197322642072825279063741474247393"

CLIENT_AUTH: Final = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH: Final = ExtendedKeyUsageOID.SERVER_AUTH
CODE_SIGNING: Final = ExtendedKeyUsageOID.CODE_SIGNING
CMC_RA: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")
TRANSFER_SIGNING: Final = x509.ObjectIdentifier(f"{_ARC}.1")
OCSP_SIGNING: Final = ExtendedKeyUsageOID.OCSP_SIGNING
DOCUMENT_SIGNING: Final = x509.ObjectIdentifier(f"{_ARC}.2")


class Role(enum.Enum):
    """The part a certificate's subject plays."""

    FACTORY_DEVICE = "factory-device"
    OPERATIONAL_DEVICE = "operational-device"
    SERVER = "server"
    EST_SERVER = "est-server"
    CA = "ca"
    TRANSFER_SIGNER = "transfer"
    DOCUMENT_SIGNER = "document"
    FIRMWARE_SIGNER = "firmware"
    OCSP_RESPONDER = "ocsp"


@dataclass(frozen=True, slots=True)
class RoleProfile:
    """What a certificate of one role must look like."""

    usages: frozenset[x509.ObjectIdentifier]
    """Extended key usages that must all be there."""
    usages_optional: bool = False
    """The extension may be absent altogether; when present it must still hold `usages`."""
    named_device: bool = False
    """The subject must carry an endpoint name."""
    has_host: bool = False
    """The subject alternative name must hold the host that was contacted."""
    direct: bool = False
    """The anchor itself must have issued it: a CA beneath the anchor cannot make one."""


_PROFILES: Final = {
    Role.FACTORY_DEVICE: RoleProfile(frozenset({CLIENT_AUTH}), usages_optional=True, named_device=True, direct=True),
    Role.OPERATIONAL_DEVICE: RoleProfile(frozenset({CLIENT_AUTH}), named_device=True),
    Role.SERVER: RoleProfile(frozenset({SERVER_AUTH}), has_host=True),
    Role.EST_SERVER: RoleProfile(frozenset({SERVER_AUTH, CMC_RA}), has_host=True),
    Role.CA: RoleProfile(frozenset(), usages_optional=True),
    Role.TRANSFER_SIGNER: RoleProfile(frozenset({TRANSFER_SIGNING}), direct=True),
    Role.DOCUMENT_SIGNER: RoleProfile(frozenset({DOCUMENT_SIGNING})),
    Role.FIRMWARE_SIGNER: RoleProfile(frozenset({CODE_SIGNING})),
    Role.OCSP_RESPONDER: RoleProfile(frozenset({OCSP_SIGNING}), direct=True),
}


def profile(role: Role) -> RoleProfile:
    """Return what `role` demands of a certificate."""
    return _PROFILES[role]
