"""Proofs of possession by a MAC, for keys that cannot sign (RFC 6955 4, draft-ietf-cose-cbor-encoded-cert-20, 4.2).

They are read and written; only the holder of the Diffie-Hellman key they were made for can verify them.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat import asn1

from device_pki.c509.items import array, octets
from device_pki.c509.keys import number_octets, octets_number
from device_pki.c509.names import name_item, name_of
from device_pki.c509.request_attributes import IssuerAndSerialNumber


@asn1.sequence
class _DhSigStatic:
    issuer_and_serial: IssuerAndSerialNumber | None
    hash_value: bytes


def proof_item(proof: bytes, *, native: bool) -> Any:
    """Return the item of a DhSigStatic: the MAC alone, or with the name of the certificate it was made for."""
    static = asn1.decode_der(_DhSigStatic, proof)
    certificate = static.issuer_and_serial
    if certificate is None:
        return static.hash_value
    issuer = name_item(certificate.issuer, native=native)
    return [issuer, number_octets(certificate.serial_number), static.hash_value]


def proof_octets(item: Any) -> bytes:
    """Return the DER of the DhSigStatic that an item stands for."""
    if isinstance(item, bytes):
        return asn1.encode_der(_DhSigStatic(issuer_and_serial=None, hash_value=item))
    issuer, serial, mac = array(item, 3)
    certificate = IssuerAndSerialNumber(issuer=name_of(issuer), serial_number=octets_number(serial))
    return asn1.encode_der(_DhSigStatic(issuer_and_serial=certificate, hash_value=octets(mac)))
