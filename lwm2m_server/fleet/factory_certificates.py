"""The four ways a device list carries factory certificates: in it or apart from it, as X.509 or as C509."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from cryptography import x509

from device_pki.bag import BagError, BagReason, decode_c5b, decode_x5bag, encode_c5b, encode_x5bag
from device_pki.c509 import C509Error, decode_certificate, encode_certificate
from device_pki.certificates import CertificateError, load_certificate
from device_pki.fingerprints import fingerprint
from lwm2m_server.fleet.errors import NotReady, Rejected
from trust_transfer.messages.device_update_info import DeviceEntry, DeviceInfo
from trust_transfer.messages.numbers import CertificateKind

MAX_BAG_ITEMS: Final = 1000
"""Certificates in one bag."""


class Carriage(StrEnum):
    """How a list's factory certificates travel."""

    X509 = "x509"
    """In the list."""
    C509 = "c509"
    """In the list, re-encoded: less than half the bytes."""
    X5BAG = "x5bag"
    """Apart from the list, which names them by fingerprint."""
    C5B = "c5b"
    """Apart from the list and re-encoded."""

    @property
    def apart(self) -> bool:
        """Whether the list holds fingerprints only."""
        return self in {Carriage.X5BAG, Carriage.C5B}


def list_entry(der: bytes, carriage: Carriage, info: DeviceInfo) -> DeviceEntry:
    """What a list says of the device with the factory certificate `der`. Raises `Rejected` for one without a C509."""
    if carriage.apart:
        return DeviceEntry(CertificateKind.FINGERPRINT, fingerprint(x509.load_der_x509_certificate(der)), info)
    if carriage is Carriage.C509:
        return DeviceEntry(CertificateKind.C509, _re_encoded(der), info)
    return DeviceEntry(CertificateKind.X509, der, info)


def bags(ders: Sequence[bytes], carriage: Carriage) -> list[bytes]:
    """The bags of a list's certificates; none where they are in the list. Raises like `list_entry`."""
    if not carriage.apart:
        return []
    parts = (ders[start : start + MAX_BAG_ITEMS] for start in range(0, len(ders), MAX_BAG_ITEMS))
    if carriage is Carriage.X5BAG:
        return [encode_x5bag(part) for part in parts]
    return [encode_c5b([_re_encoded(der) for der in part]) for part in parts]


def _re_encoded(der: bytes) -> bytes:
    certificate = x509.load_der_x509_certificate(der)
    try:
        return encode_certificate(certificate)
    except C509Error as error:
        subject = certificate.subject.rfc4514_string()
        raise Rejected(
            f"the factory certificate of {subject} cannot be sent as C509: {error}", "certificate"
        ) from error


def read_bag(bag: bytes, max_items: int = MAX_BAG_ITEMS) -> list[x509.Certificate]:
    """The certificates of an x5bag or c5b. Raises `Rejected`."""
    try:
        return decode_x5bag(bag, max_items)
    except BagError as error:
        if error.reason is not BagReason.CERTIFICATE:
            raise Rejected(str(error), "malformed") from error
    try:
        return [certificate.to_x509() for certificate in decode_c5b(bag, max_items)]
    except (BagError, C509Error) as error:
        raise Rejected(f"neither an x5bag nor a c5b: {error}", "malformed") from error


def by_fingerprint(found: Iterable[bytes]) -> dict[bytes, x509.Certificate]:
    """Every certificate of some bags."""
    return {fingerprint(certificate): certificate for bag in found for certificate in read_bag(bag)}


def certificate_of(entry: DeviceEntry, apart: Mapping[bytes, x509.Certificate]) -> x509.Certificate:
    """The factory certificate of a list's entry. Raises `Rejected`, and `NotReady` while its bag is missing."""
    try:
        if entry.kind is CertificateKind.X509:
            return load_certificate(entry.certificate)
        if entry.kind is CertificateKind.C509:
            return decode_certificate(entry.certificate).to_x509()
    except (CertificateError, C509Error) as error:
        raise Rejected(f"the factory certificate of {entry.name}: {error}", "certificate") from error
    if entry.certificate not in apart:
        raise NotReady(f"the factory certificate {entry.certificate.hex()[:16]}… is in no bag yet; wait for the bags")
    return apart[entry.certificate]
