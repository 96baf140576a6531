"""The trust anchors one party holds, by fingerprint."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from cryptography import x509

from device_pki.fingerprints import fingerprint


@dataclass(frozen=True, slots=True)
class Truststore:
    """A frozen set of CA certificates in the order they were given. Each change returns a new truststore."""

    anchors: tuple[x509.Certificate, ...] = ()

    @classmethod
    def of(cls, certificates: Iterable[x509.Certificate]) -> Truststore:
        """Return a truststore of the given certificates, each kept once."""
        return cls(tuple({fingerprint(certificate): certificate for certificate in certificates}.values()))

    @property
    def fingerprints(self) -> tuple[bytes, ...]:
        """The fingerprints of all anchors, in order."""
        return tuple(fingerprint(certificate) for certificate in self.anchors)

    def __contains__(self, wanted: bytes) -> bool:
        """Is the anchor with this fingerprint here?"""
        return wanted in self.fingerprints

    def get(self, wanted: bytes) -> x509.Certificate | None:
        """Return the anchor with this fingerprint, or None."""
        return next((anchor for anchor in self.anchors if fingerprint(anchor) == wanted), None)

    def with_anchors(self, certificates: Iterable[x509.Certificate]) -> Truststore:
        """Return a truststore that holds these certificates too."""
        return Truststore.of((*self.anchors, *certificates))

    def only(self, wanted: Collection[bytes]) -> Truststore:
        """Return a truststore of the anchors whose fingerprints are wanted; the others are gone."""
        return Truststore(tuple(anchor for anchor in self.anchors if fingerprint(anchor) in wanted))
