"""Certificates that both sides hold, found by reference (RFC 9360 x5t, C509 c5t)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from device_pki.c509 import C509Certificate, C509Error, encode_certificate
from device_pki.encodings import Certificate, as_signed
from device_pki.fingerprints import der
from device_pki.references import SHORT, CertificateHash, short_hash


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate, and the bytes of it that the reference is the hash of: DER for x5t, a CBOR sequence for c5t."""

    certificate: Certificate
    encoded: bytes


_Index: TypeAlias = defaultdict[bytes, list[Entry]]


class CertificateDirectory:
    """Certificates by their references.

    Several may answer to one short reference; all of them are returned, and verification decides. An X.509
    certificate answers to the hash of its C509 re-encoding too.
    """

    def __init__(self) -> None:
        self._by_x5t: _Index = defaultdict(list)
        self._by_c5t: _Index = defaultdict(list)

    def add(self, certificate: Certificate) -> None:
        """Take a certificate in; one that is here already stays once."""
        for index, entry in self._entries(as_signed(certificate)):
            entries = index[short_hash(entry.encoded)]
            if entry not in entries:
                entries.append(entry)

    def discard(self, certificate: Certificate) -> None:
        """Forget a certificate, if it is here."""
        for index, entry in self._entries(as_signed(certificate)):
            key = short_hash(entry.encoded)
            left = [other for other in index.pop(key, []) if other != entry]
            if left:
                index[key] = left

    def find_x5t(self, reference: Any) -> tuple[Entry, ...]:
        """Return what an x5t refers to. Raises `UnusableReference` for an item that is none."""
        return _find(self._by_x5t, reference)

    def find_c5t(self, reference: Any) -> tuple[Entry, ...]:
        """Return what a c5t refers to. Raises `UnusableReference` for an item that is none."""
        return _find(self._by_c5t, reference)

    def _entries(self, certificate: Certificate) -> Iterator[tuple[_Index, Entry]]:
        if isinstance(certificate, C509Certificate):
            yield self._by_c5t, Entry(certificate, certificate.encoded)
            return
        yield self._by_x5t, Entry(certificate, der(certificate))
        try:
            yield self._by_c5t, Entry(certificate, encode_certificate(certificate))
        except C509Error:  # it has no such form
            return


def _find(index: _Index, reference: Any) -> tuple[Entry, ...]:
    wanted = CertificateHash.read(reference)
    return tuple(entry for entry in index.get(wanted.value[:SHORT], ()) if wanted.matches(entry.encoded))
