"""Partner profiles: what one provider has agreed with another, before any transfer (life cycle, step 4).

A profile is a TOML file. It pins the partner's certificates, the URIs its devices may be sent to, and the terms. It is
exchanged by people; nothing a partner sends later can widen it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import PublicKey, UnusableKey, authority_key
from device_pki.certificates import PARSE_ERRORS, load_certificate
from device_pki.fingerprints import fingerprint
from device_pki.keys import KeyKindError, public_key
from trust_transfer.messages.numbers import AnchorRole
from trust_transfer.messages.values import Anchor

MAX_WINDOW_DAYS: Final = 90
MAX_PROFILE: Final = 256 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ROLES: Final = {"enroll": AnchorRole.ENROLL, "update": AnchorRole.UPDATE, "attest": AnchorRole.ATTEST}
_KEYS: Final = frozenset(
    {
        "name",
        "uri",
        "https_certificate",
        "transfer_certificate",
        "document_certificate",
        "firmware_certificate",
        "enroll_prefixes",
        "update_prefixes",
        "agreed_states",
        "max_window_days",
        "anchors",
    }
)


class ProfileError(ValueError):
    """A profile that cannot be used; the text says which entry and what belongs there."""


@dataclass(frozen=True, slots=True)
class NamedAnchor:
    """A CA of the partner's: what it authenticates, and its certificate."""

    roles: AnchorRole
    certificate: x509.Certificate

    @property
    def anchor(self) -> Anchor:
        """As a TransferTemplate names it."""
        return Anchor(self.roles, fingerprint(self.certificate))

    @property
    def must_be_installed(self) -> bool:
        """Whether a device needs the certificate in its truststore before the reset."""
        return AnchorRole.BENEATH_PERMANENT not in self.roles


@dataclass(frozen=True, slots=True)
class PartnerProfile:
    """One provider as another sees it."""

    name: str
    uri: str
    """Base URI of its partner API."""
    https_certificate: x509.Certificate
    transfer_certificate: x509.Certificate
    """Of the key that signs its templates and messages; as an endorser, issued by the permanent CA."""
    document_certificate: x509.Certificate
    firmware_certificate: x509.Certificate
    enroll_prefixes: tuple[str, ...]
    update_prefixes: tuple[str, ...]
    agreed_states: tuple[bytes, ...]
    """SHA-256 digests of the manifests devices may be reset to."""
    max_window_days: int
    anchors: tuple[NamedAnchor, ...]

    @property
    def transfer_key(self) -> PublicKey:
        """The pinned key of its templates."""
        return public_key(self.transfer_certificate)

    @property
    def authorities(self) -> tuple[bytes, bytes]:
        """Its transfer and firmware authority keys."""
        return authority_key(self.transfer_key), authority_key(public_key(self.firmware_certificate))

    @classmethod
    def parse(cls, text: str) -> PartnerProfile:
        """Read a profile; raises `ProfileError`."""
        if len(text) > MAX_PROFILE:
            raise ProfileError(f"a profile has at most {MAX_PROFILE} characters")
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ProfileError(f"not TOML: {error}") from error
        return _Reader(values).profile()

    def render(self) -> str:
        """The profile as TOML text."""
        lines = [f"name = {_quote(self.name)}", f"uri = {_quote(self.uri)}"]
        lines += [f"max_window_days = {self.max_window_days}"]
        lines += [f"enroll_prefixes = {json.dumps(list(self.enroll_prefixes))}"]
        lines += [f"update_prefixes = {json.dumps(list(self.update_prefixes))}"]
        lines += [f"agreed_states = {json.dumps([digest.hex() for digest in self.agreed_states])}"]
        for kind in ("https", "transfer", "document", "firmware"):
            lines.append(f"{kind}_certificate = {_pem(getattr(self, f'{kind}_certificate'))}")
        for item in self.anchors:
            names = [name for name, role in _ROLES.items() if role in item.roles]
            lines += ["", "[[anchors]]", f"roles = {json.dumps(names)}"]
            lines += [f"beneath_permanent = {json.dumps(AnchorRole.BENEATH_PERMANENT in item.roles)}"]
            lines += [f"certificate = {_pem(item.certificate)}"]
        return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    return json.dumps(text)


def _pem(certificate: x509.Certificate) -> str:
    return f'"""\n{certificate.public_bytes(Encoding.PEM).decode()}"""'


class _Reader:
    """Reads the values of one file, entry by entry."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def profile(self) -> PartnerProfile:
        if unknown := self._values.keys() - _KEYS:
            raise ProfileError(f"unknown entry {sorted(unknown)[0]!r}; known are {', '.join(sorted(_KEYS))}")
        name = self._text("name")
        if not _NAME.fullmatch(name):
            raise ProfileError("name: 1 to 64 of A-Z a-z 0-9 . _ -")
        uri = self._text("uri")
        if not uri.startswith("https://"):
            raise ProfileError("uri: the base of the partner API, https://host:port")
        return PartnerProfile(
            name=name,
            uri=uri.rstrip("/"),
            https_certificate=self._certificate("https_certificate"),
            transfer_certificate=self._authority("transfer_certificate"),
            document_certificate=self._certificate("document_certificate"),
            firmware_certificate=self._authority("firmware_certificate"),
            enroll_prefixes=self._prefixes("enroll_prefixes"),
            update_prefixes=self._prefixes("update_prefixes"),
            agreed_states=tuple(_digest(item) for item in self._texts("agreed_states")),
            max_window_days=self._days(),
            anchors=tuple(_anchor(item) for item in self._list("anchors")),
        )

    def _text(self, key: str) -> str:
        value = self._values.get(key)
        if not isinstance(value, str) or not value:
            raise ProfileError(f"{key}: a text is missing")
        return value

    def _list(self, key: str) -> list[Any]:
        value = self._values.get(key, [])
        if not isinstance(value, list) or len(value) > 32:
            raise ProfileError(f"{key}: a list of at most 32 entries belongs here")
        return value

    def _texts(self, key: str) -> list[str]:
        values = self._list(key)
        if not all(isinstance(value, str) for value in values):
            raise ProfileError(f"{key}: texts belong here")
        return values

    def _prefixes(self, key: str) -> tuple[str, ...]:
        prefixes = tuple(self._texts(key))
        if not prefixes or not all(prefix.startswith(("coaps://", "coap://")) for prefix in prefixes):
            raise ProfileError(f"{key}: at least one coaps:// URI that allowed ones begin with")
        return prefixes

    def _days(self) -> int:
        days = self._values.get("max_window_days", MAX_WINDOW_DAYS)
        if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MAX_WINDOW_DAYS:
            raise ProfileError(f"max_window_days: 1 to {MAX_WINDOW_DAYS}")
        return days

    def _certificate(self, key: str) -> x509.Certificate:
        return _certificate(self._text(key), key)

    def _authority(self, key: str) -> x509.Certificate:
        """A certificate whose key devices are told of as their next authority."""
        certificate = self._certificate(key)
        try:
            authority_key(public_key(certificate))
        except UnusableKey as error:
            raise ProfileError(f"{key}: {error}") from error
        return certificate


def _certificate(pem: str, key: str) -> x509.Certificate:
    try:
        certificate = load_certificate(x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER))
        public_key(certificate)
    except (*PARSE_ERRORS, KeyKindError) as error:
        raise ProfileError(f"{key}: one PEM certificate with a P-256, P-384 or Ed25519 key belongs here") from error
    return certificate


def _anchor(value: Any) -> NamedAnchor:
    if not isinstance(value, dict) or value.keys() - {"roles", "beneath_permanent", "certificate"}:
        raise ProfileError("anchors: each has roles, beneath_permanent and certificate")
    roles = _roles(value.get("roles", []))
    if value.get("beneath_permanent", False) is True:
        roles |= AnchorRole.BENEATH_PERMANENT
    return NamedAnchor(roles, _certificate(str(value.get("certificate", "")), "anchors: certificate"))


def _roles(names: Iterable[object]) -> AnchorRole:
    roles = AnchorRole(0)
    for name in names:
        if not isinstance(name, str) or name not in _ROLES:
            raise ProfileError(f"anchors: roles are {', '.join(_ROLES)}")
        roles |= _ROLES[name]
    if not roles:
        raise ProfileError("anchors: roles names what the CA authenticates: enroll, update, attest")
    return roles


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError as error:
        raise ProfileError("agreed_states: SHA-256 digests in hex") from error
    if len(digest) != 32:
        raise ProfileError("agreed_states: a SHA-256 digest has 64 hex digits")
    return digest
