"""A responder's side of OCSP: reads requests, signs answers (RFC 6960 2, 4; RFC 5019; nonces by RFC 9654)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from device_pki.certificates import PARSE_ERRORS
from device_pki.issue import Issuer
from device_pki.keys import signature_hash
from device_pki.ocsp.errors import MAX_NONCE_SIZE, MAX_REQUEST_SIZE, OcspError, OcspReason
from device_pki.ocsp.identifiers import HASHES, CertId


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks about."""

    certificate: CertId
    nonce: bytes | None


@dataclass(frozen=True, slots=True)
class SerialStatus:
    """What a CA knows about a serial number."""

    issued: bool
    revoked_at: datetime | None = None


def parse_request(data: bytes) -> Question:
    """Return what the DER `data` asks; raise `OcspError` for what is no request for one certificate."""
    if len(data) > MAX_REQUEST_SIZE:
        raise OcspError(OcspReason.TOO_LARGE, f"{len(data)} octets, at most {MAX_REQUEST_SIZE} are taken")
    try:
        request = ocsp.load_der_ocsp_request(data)
        algorithm = request.hash_algorithm.name
        named = CertId(algorithm, request.issuer_name_hash, request.issuer_key_hash, request.serial_number)
        nonces = [e.value.nonce for e in request.extensions if isinstance(e.value, x509.OCSPNonce)]
        unknown = [e.oid.dotted_string for e in request.extensions if e.critical and e.oid != x509.OCSPNonce.oid]
    except (*PARSE_ERRORS, NotImplementedError, UnsupportedAlgorithm) as error:
        raise OcspError(OcspReason.MALFORMED, "not the DER of a request for one certificate") from error
    if algorithm not in HASHES or unknown or any(not 1 <= len(nonce) <= MAX_NONCE_SIZE for nonce in nonces):
        raise OcspError(OcspReason.MALFORMED, "a hash, extension or nonce that is not understood")
    return Question(named, nonces[0] if nonces else None)


def sign_answer(
    responder: Issuer, question: Question, status: SerialStatus, this_update: datetime, next_update: datetime
) -> bytes:
    """Return the DER of a signed answer. A serial number that was never issued is `unknown`, never `good`."""
    named, revoked_at = question.certificate, status.revoked_at
    verdict = ocsp.OCSPCertStatus.GOOD if status.issued else ocsp.OCSPCertStatus.UNKNOWN
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            issuer_name_hash=named.name_hash,
            issuer_key_hash=named.key_hash,
            serial_number=named.serial_number,
            algorithm=HASHES[named.algorithm],
            cert_status=verdict if revoked_at is None else ocsp.OCSPCertStatus.REVOKED,
            this_update=this_update,
            next_update=next_update,
            revocation_time=revoked_at,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        .certificates([responder.certificate])
    )
    if question.nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(question.nonce), critical=False)
    return builder.sign(responder.private_key, signature_hash(responder.private_key)).public_bytes(Encoding.DER)


def refusal(status: ocsp.OCSPResponseStatus) -> bytes:
    """Return the DER of an answer without a signature: why there is none (RFC 6960 2.3)."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
