"""C509: certificates and certification requests in CBOR (draft-ietf-cose-cbor-encoded-cert-20)."""

from device_pki.c509.certificate import C509Certificate, decode_certificate, encode_certificate, sign_natively
from device_pki.c509.errors import C509Error, C509Reason
from device_pki.c509.private_key import decode_private_key, encode_private_key
from device_pki.c509.registry import CertificateType, RequestType
from device_pki.c509.request import C509Csr, decode_csr, encode_csr, request_by_mac, request_natively
from device_pki.c509.template import RequestTemplate, decode_template

__all__ = [
    "C509Certificate",
    "C509Csr",
    "C509Error",
    "C509Reason",
    "CertificateType",
    "RequestTemplate",
    "RequestType",
    "decode_certificate",
    "decode_csr",
    "decode_private_key",
    "decode_template",
    "encode_certificate",
    "encode_csr",
    "encode_private_key",
    "request_by_mac",
    "request_natively",
    "sign_natively",
]
