"""Certificates that both sides hold, found by reference (RFC 9360 x5t, C509 c5t)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from device_pki.c509 import C509Certificate, C509Error, decode_certificate, encode_certificate
from device_pki.certificates import load_certificate
from device_pki.encodings import Certificate, as_signed
from device_pki.fingerprints import der
from device_pki.references import SHORT, CertificateHash, short_hash

_MAX_DER: Final = 1 << 16
"""Octets of the largest certificate that may have been given to `add`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate, and the bytes of it that the reference is the hash of: DER for x5t, a CBOR sequence for c5t."""

    certificate: Certificate
    encoded: bytes


class _Kept(NamedTuple):
    """A certificate as it is kept, in half the memory of one that is read: there may be one for each device."""

    der: bytes | None
    """None for natively signed C509."""
    c509: bytes | None
    """None for an X.509 certificate that has no such form."""

    def read(self) -> Certificate:
        """Return the certificate."""
        if self.der is not None:
            return load_certificate(self.der, _MAX_DER)
        assert self.c509 is not None, "one of both forms is there"
        return decode_certificate(self.c509)


_Index: TypeAlias = dict[bytes, tuple[_Kept, ...]]


class CertificateDirectory:
    """Certificates by their references.

    Several may answer to one short reference; all of them are returned, and verification decides. An X.509
    certificate answers to the hash of its C509 re-encoding too.
    """

    def __init__(self) -> None:
        self._by_x5t: _Index = {}
        self._by_c5t: _Index = {}

    def add(self, certificate: Certificate) -> None:
        """Take a certificate in; one that is here already stays once."""
        kept = _kept(certificate)
        for index, key in self._places(kept):
            there = index.get(key, ())
            if kept not in there:
                index[key] = (*there, kept)

    def discard(self, certificate: Certificate) -> None:
        """Forget a certificate, if it is here."""
        kept = _kept(certificate)
        for index, key in self._places(kept):
            left = tuple(other for other in index.pop(key, ()) if other != kept)
            if left:
                index[key] = left

    def find_x5t(self, reference: Any) -> tuple[Entry, ...]:
        """Return what an x5t refers to. Raises `UnusableReference` for an item that is none."""
        wanted = CertificateHash.read(reference)
        found = self._by_x5t.get(wanted.value[:SHORT], ())
        return tuple(Entry(one.read(), one.der) for one in found if one.der is not None and wanted.matches(one.der))

    def find_c5t(self, reference: Any) -> tuple[Entry, ...]:
        """Return what a c5t refers to. Raises `UnusableReference` for an item that is none."""
        wanted = CertificateHash.read(reference)
        found = self._by_c5t.get(wanted.value[:SHORT], ())
        return tuple(Entry(one.read(), one.c509) for one in found if one.c509 is not None and wanted.matches(one.c509))

    def _places(self, kept: _Kept) -> Iterator[tuple[_Index, bytes]]:
        if kept.der is not None:
            yield self._by_x5t, short_hash(kept.der)
        if kept.c509 is not None:
            yield self._by_c5t, short_hash(kept.c509)


def _kept(certificate: Certificate) -> _Kept:
    certificate = as_signed(certificate)
    if isinstance(certificate, C509Certificate):
        return _Kept(None, certificate.encoded)
    try:
        return _Kept(der(certificate), encode_certificate(certificate))
    except C509Error:
        return _Kept(der(certificate), None)
