"""Whom the device believes, step by step, and as whom it shows itself (security rules 13, 14 and 21).

A server is judged by exactly the anchors its step names and by its role. An anchor named *beneath the permanent one* is
not in the truststore: the server must send it, and the path must run through it to the permanent anchor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509

from cose.keys import PrivateKey, thumbprint
from device_client.emulator.storage.files import StorageError
from device_client.emulator.storage.vault import Vault
from device_pki.directory import CertificateDirectory
from device_pki.encodings import Certificate
from device_pki.keys import public_key
from device_pki.names import endpoint_name
from device_pki.path import MAX_PATH_CERTIFICATES, PathError, PathReason, VerifiedPath, verify_path
from device_pki.roles import Role
from trust_transfer.messages.numbers import AnchorRole
from trust_transfer.messages.values import Anchor


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key and the CA certificates a peer may need beside it."""

    certificate: x509.Certificate
    private_key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()
    well_known: bool = False
    """Whether every server that lets it in holds the certificate already, as it does a factory certificate."""

    def expired(self, now: int) -> bool:
        return now >= int(self.certificate.not_valid_after_utc.timestamp())


@dataclass(frozen=True, slots=True)
class Trusted:
    """The anchors of one step: certificates a path may end at, and fingerprints one of which it must contain."""

    anchors: tuple[x509.Certificate, ...]
    must_contain: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Peer:
    """A server as one step names it: where it is, its role, and the fingerprints it authenticates by."""

    uri: str
    role: Role
    anchors: frozenset[bytes]
    beneath_permanent: frozenset[bytes] = frozenset()
    """Those of `anchors` that are not in the truststore: the peer sends them."""
    pinned_key: bytes | None = None
    """A CA's EDHOC key (compressed P-256 point), where a TransferMessage named one."""


class Trust:
    """Judges certificates for one device."""

    def __init__(self, vault: Vault, permanent_anchor: x509.Certificate, now: Callable[[], int]) -> None:
        self._vault = vault
        self._permanent = permanent_anchor
        self._now = now

    def trusted(self, peer: Peer) -> list[Trusted]:
        """What to verify against: the anchors at hand, and apart from them those only named beneath the permanent one.

        An anchor that is neither at hand nor beneath the permanent one is left out; with none left nothing verifies.
        """
        beneath = peer.anchors & peer.beneath_permanent
        own = tuple(self._held(peer.anchors - beneath))
        options = [Trusted(own)] if own else []
        return [*options, Trusted((self._permanent,), beneath)] if beneath else options

    def server_check(self, peer: Peer, host: str) -> Callable[[Sequence[Certificate]], VerifiedPath]:
        """A check of a server's chain (leaf first) that raises PathError unless it is `peer` at `host`."""
        options = self.trusted(peer)

        def verify(chain: Sequence[Certificate]) -> VerifiedPath:
            return self._verify(chain[0], chain[1:], peer.role, options, host)

        return verify

    def directory(self) -> CertificateDirectory:
        """The certificates the device holds, which servers may refer to."""
        held = CertificateDirectory()
        for name in self._vault.certificate_names():
            held.add(self._vault.certificate(name))
        return held

    def check_own_certificate(
        self,
        certificate: x509.Certificate,
        key: PrivateKey,
        endpoint: str,
        intermediates: Sequence[x509.Certificate],
        authority: Peer,
    ) -> None:
        """Raise PathError unless a freshly issued certificate is this device's: path, role, name and key."""
        self._verify(certificate, intermediates, Role.OPERATIONAL_DEVICE, self.trusted(authority), None)
        if endpoint_name(certificate) != endpoint:
            raise PathError(PathReason.NAME, "the certificate names another device")
        if thumbprint(public_key(certificate)) != thumbprint(key.public_key()):
            raise PathError(PathReason.KEY_KIND, "the certificate is for another key")

    def chain_of(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """CA certificates in the vault that lead from `certificate` towards a root, which itself is left out."""
        candidates = [self._vault.certificate(name) for name in self._vault.certificate_names()]
        chain: list[x509.Certificate] = []
        current = certificate
        while len(chain) < MAX_PATH_CERTIFICATES - 1:
            issuer = next((candidate for candidate in candidates if _issued(candidate, current)), None)
            if issuer is None or issuer.subject == issuer.issuer:
                break
            chain.append(issuer)
            current = issuer
        return tuple(chain)

    def _verify(
        self,
        leaf: Certificate,
        intermediates: Sequence[Certificate],
        role: Role,
        options: Sequence[Trusted],
        host: str | None,
    ) -> VerifiedPath:
        refusal = PathError(PathReason.NO_PATH, "no anchor on this device authenticates this peer")
        for option in options:
            try:
                return verify_path(
                    leaf,
                    intermediates,
                    anchors=option.anchors,
                    role=role,
                    now=datetime.fromtimestamp(self._now(), UTC),
                    host=host,
                    must_contain=option.must_contain,
                )
            except PathError as error:
                refusal = error
        raise refusal

    def _held(self, fingerprints: Iterable[bytes]) -> Iterable[x509.Certificate]:
        for fingerprint in sorted(fingerprints):
            try:
                yield self._vault.certificate(fingerprint)
            except StorageError:
                continue


def beneath_permanent(*groups: Iterable[Anchor]) -> frozenset[bytes]:
    """Fingerprints of the anchors that are named beneath the permanent one."""
    return frozenset(a.fingerprint for group in groups for a in group if a.roles & AnchorRole.BENEATH_PERMANENT)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:
        return False
    return True
