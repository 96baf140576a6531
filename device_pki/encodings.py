"""A certificate in either encoding, as path validation sees it: X.509, or natively signed C509.

Fields are read through X.509 types always; bytes and signature are those of the encoding that was signed.
"""

from __future__ import annotations

from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from device_pki.c509 import C509Certificate, C509Error
from device_pki.fingerprints import der
from device_pki.keys import KeyKindError, public_key

Certificate: TypeAlias = x509.Certificate | C509Certificate


def as_signed(certificate: Certificate) -> Certificate:
    """Return a re-encoded C509 certificate as the X.509 certificate it is; others as they are."""
    if isinstance(certificate, C509Certificate) and not certificate.native:
        return certificate.to_x509()
    return certificate


def fields(certificate: Certificate) -> x509.Certificate:
    """Return what to read names, times, keys and extensions from."""
    return certificate.view if isinstance(certificate, C509Certificate) else certificate


def signed_bytes(certificate: Certificate) -> bytes:
    """Return the bytes that identify a certificate: DER, or the CBOR sequence of a natively signed one."""
    return certificate.encoded if isinstance(certificate, C509Certificate) else der(certificate)


def is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether `issuer` is named as the issuer and its key signed `certificate`; either may have either encoding."""
    try:
        if isinstance(certificate, C509Certificate):
            if certificate.view.issuer != fields(issuer).subject:
                return False
            certificate.verify_signed_by(public_key(fields(issuer)))
        else:
            certificate.verify_directly_issued_by(fields(issuer))
    except (C509Error, KeyKindError, ValueError, TypeError, InvalidSignature):
        return False
    return True
