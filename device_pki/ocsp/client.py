"""A relying party's side of OCSP: builds requests, verifies answers (RFC 6960 3.2, RFC 5019 4)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from device_pki.certificates import PARSE_ERRORS
from device_pki.keys import SIGNATURE_ALGORITHMS, KeyKindError, public_key
from device_pki.ocsp.errors import MAX_ANSWER_SIZE, OcspError, OcspReason
from device_pki.ocsp.identifiers import HASHES, CertId
from device_pki.path import PathError, verify_path
from device_pki.roles import Role


@dataclass(frozen=True, slots=True)
class Answer:
    """What a responder says about one certificate, verified."""

    status: ocsp.OCSPCertStatus
    this_update: datetime
    next_update: datetime


def build_request(named: CertId, nonce: bytes | None) -> bytes:
    """Return the DER of a request about one certificate."""
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        named.name_hash, named.key_hash, named.serial_number, HASHES[named.algorithm]
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def verify_answer(
    data: bytes, named: CertId, issuer: x509.Certificate, *, nonce: bytes | None, now: datetime
) -> Answer:
    """Return the verified answer in the DER `data` about a certificate of `issuer`; raise `OcspError` otherwise.

    It must be signed by the CA itself, or by a certificate that the CA itself issued for that (RFC 6960 4.2.2.2), and
    be fresh at `now`. With `nonce` it must have this one: an older answer cannot be played back.
    """
    if len(data) > MAX_ANSWER_SIZE:
        raise OcspError(OcspReason.TOO_LARGE, f"{len(data)} octets, at most {MAX_ANSWER_SIZE} are taken")
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise OcspError(OcspReason.REFUSED, response.response_status.name.lower())
        algorithm = response.hash_algorithm.name
        about = CertId(algorithm, response.issuer_name_hash, response.issuer_key_hash, response.serial_number)
        answer = _times(response, now)
        nonces = [e.value.nonce for e in response.extensions if isinstance(e.value, x509.OCSPNonce)]
        _check_signature(response, issuer, now)
    except (*PARSE_ERRORS, NotImplementedError, UnsupportedAlgorithm) as error:
        if isinstance(error, OcspError):
            raise
        raise OcspError(OcspReason.MALFORMED, "not the DER of an answer about one certificate") from error
    if about != named:
        raise OcspError(OcspReason.WRONG_CERTIFICATE)
    if nonce is not None and (len(nonces) != 1 or not hmac.compare_digest(nonces[0], nonce)):
        raise OcspError(OcspReason.NONCE, "the answer was not made for this request")
    return answer


def _times(response: ocsp.OCSPResponse, now: datetime) -> Answer:
    start, end = response.this_update_utc, response.next_update_utc
    if end is None:
        raise OcspError(OcspReason.MALFORMED, "without nextUpdate an answer cannot be told from a stale one")
    if start > now:
        raise OcspError(OcspReason.NOT_YET_VALID, f"made at {start:%Y-%m-%dT%H:%M:%SZ}")
    if end < now:
        raise OcspError(OcspReason.STALE, f"due again at {end:%Y-%m-%dT%H:%M:%SZ}")
    return Answer(response.certificate_status, start, end)


def _check_signature(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> None:
    signer = _responder(response, issuer, now)
    algorithm = response.signature_hash_algorithm
    key = public_key(signer)
    try:
        if response.signature_algorithm_oid not in SIGNATURE_ALGORITHMS:
            raise OcspError(OcspReason.RESPONDER, "a signature algorithm that is not taken")
        if isinstance(key, ec.EllipticCurvePublicKey):
            if algorithm is None:
                raise OcspError(OcspReason.RESPONDER, "a signature algorithm that is not the key's")
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            key.verify(response.signature, response.tbs_response_bytes)
    except InvalidSignature as error:
        raise OcspError(OcspReason.RESPONDER, "the signature is not valid") from error


def _responder(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> x509.Certificate:
    """The CA itself, or the delegate whose certificate comes along. Who the answer says it is decides nothing."""
    if not response.certificates:
        return issuer
    delegate = response.certificates[0]
    if delegate == issuer:
        return issuer
    try:
        verify_path(delegate, (), anchors=[issuer], role=Role.OCSP_RESPONDER, now=now)
        public_key(delegate)
    except (PathError, KeyKindError) as error:
        raise OcspError(OcspReason.RESPONDER, str(error)) from error
    return delegate
