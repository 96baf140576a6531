"""Certificates that both sides hold, found by reference (RFC 9360 x5t, C509 c5t)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from device_pki.c509 import C509Certificate, C509Error, encode_certificate
from device_pki.fingerprints import der
from device_pki.references import SHORT, CertificateHash, short_hash


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate with the bytes that references to it may hash."""

    certificate: x509.Certificate | C509Certificate
    der: bytes | None
    """None for a natively signed C509 certificate."""
    c509: bytes | None
    """None for an X.509 certificate that cannot be written as C509."""


class CertificateDirectory:
    """Certificates by their references.

    Several may answer to one short reference; all of them are returned, and verification decides. An X.509
    certificate answers to the hash of its C509 re-encoding too.
    """

    def __init__(self) -> None:
        self._by_der: defaultdict[bytes, list[Entry]] = defaultdict(list)
        self._by_c509: defaultdict[bytes, list[Entry]] = defaultdict(list)

    def add(self, certificate: x509.Certificate | C509Certificate) -> None:
        """Take a certificate in; one that is here already stays once."""
        entry = _entry(certificate)
        for index, encoded in self._places(entry):
            entries = index[short_hash(encoded)]
            if entry not in entries:
                entries.append(entry)

    def discard(self, certificate: x509.Certificate | C509Certificate) -> None:
        """Forget a certificate, if it is here."""
        entry = _entry(certificate)
        for index, encoded in self._places(entry):
            key = short_hash(encoded)
            left = [other for other in index.pop(key, []) if other != entry]
            if left:
                index[key] = left

    def find_x5t(self, reference: Any) -> tuple[Entry, ...]:
        """Return what an x5t refers to. Raises `UnusableReference` for an item that is none."""
        wanted = CertificateHash.read(reference)
        entries = self._by_der.get(wanted.value[:SHORT], ())
        return tuple(entry for entry in entries if entry.der is not None and wanted.matches(entry.der))

    def find_c5t(self, reference: Any) -> tuple[Entry, ...]:
        """Return what a c5t refers to. Raises `UnusableReference` for an item that is none."""
        wanted = CertificateHash.read(reference)
        entries = self._by_c509.get(wanted.value[:SHORT], ())
        return tuple(entry for entry in entries if entry.c509 is not None and wanted.matches(entry.c509))

    def _places(self, entry: Entry) -> list[tuple[defaultdict[bytes, list[Entry]], bytes]]:
        places = ((self._by_der, entry.der), (self._by_c509, entry.c509))
        return [(index, encoded) for index, encoded in places if encoded is not None]


def _entry(certificate: x509.Certificate | C509Certificate) -> Entry:
    if isinstance(certificate, C509Certificate):
        return Entry(certificate, None if certificate.native else der(certificate.view), certificate.encoded)
    try:
        return Entry(certificate, der(certificate), encode_certificate(certificate))
    except C509Error:
        return Entry(certificate, der(certificate), None)
