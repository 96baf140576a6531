"""OCSP requests and answers: what is asked is answered, and nobody else's word counts."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from cose.keys import KeyKind, generate_private_key
from device_pki.issue import Issuer, Validity, common_name, ocsp_responder, server
from device_pki.keys import signature_hash
from device_pki.ocsp.client import build_request, verify_answer
from device_pki.ocsp.errors import OcspError, OcspReason
from device_pki.ocsp.identifiers import CertId
from device_pki.ocsp.responder import Question, SerialStatus, parse_request, refusal, sign_answer
from tests.device_pki.builders import NOW, YEAR, Authority, root

HOUR = timedelta(hours=1)
NONCE = bytes(range(32))
CA = root("CA1")
NAMED = CertId.of(77, CA.certificate)


def responder(authority: Authority = CA, validity: Validity = YEAR) -> Issuer:
    key = generate_private_key()
    return Issuer(ocsp_responder(authority.issuer, key.public_key(), "OCSP", validity), key)


RESPONDER, ISSUED = responder(), SerialStatus(True)


def answer(
    signer: Issuer = RESPONDER,
    named: CertId = NAMED,
    nonce: bytes | None = NONCE,
    status: SerialStatus = ISSUED,
    start: datetime = NOW,
) -> bytes:
    return sign_answer(signer, Question(named, nonce), status, start, start + HOUR)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384"])
@pytest.mark.parametrize("nonce", [None, b"n", NONCE, bytes(128)])
def test_a_request_is_read_as_it_was_built(algorithm: str, nonce: bytes | None) -> None:
    named = CertId.of(2**159 - 1, CA.certificate, algorithm)
    assert parse_request(build_request(named, nonce)) == Question(named, nonce)
    assert named.is_of(CA.certificate)
    assert not named.is_of(root("CA1").certificate)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (SerialStatus(True), ocsp.OCSPCertStatus.GOOD),
        (SerialStatus(True, NOW), ocsp.OCSPCertStatus.REVOKED),
        (SerialStatus(False, NOW), ocsp.OCSPCertStatus.REVOKED),
        (SerialStatus(False), ocsp.OCSPCertStatus.UNKNOWN),
    ],
)
def test_an_unknown_serial_is_never_good(status: SerialStatus, expected: ocsp.OCSPCertStatus) -> None:
    verified = verify_answer(answer(status=status), NAMED, CA.certificate, nonce=NONCE, now=NOW)
    assert (verified.status, verified.this_update, verified.next_update) == (expected, NOW, NOW + HOUR)


@pytest.mark.parametrize("kind", KeyKind)
def test_the_ca_itself_may_answer(kind: KeyKind) -> None:
    authority = root("CA2", kind=kind)
    named = CertId.of(5, authority.certificate)
    verify_answer(answer(authority.issuer, named), named, authority.certificate, nonce=NONCE, now=NOW)
    verify_answer(answer(responder(authority), named), named, authority.certificate, nonce=NONCE, now=NOW)


def other_role() -> Issuer:
    key = generate_private_key()
    return Issuer(server(CA.issuer, key.public_key(), "server", ["ca1.example"], YEAR), key)


def sibling() -> Issuer:
    """A responder of a CA beneath ours."""
    return responder(CA.sub("below"))


EXPIRED = Validity(NOW - 2 * HOUR, NOW - HOUR)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", OcspReason.MALFORMED),
        (bytes(20_000), OcspReason.TOO_LARGE),
        (answer() + b"\0", OcspReason.MALFORMED),
        (refusal(ocsp.OCSPResponseStatus.TRY_LATER), OcspReason.REFUSED),
        (answer(named=CertId.of(78, CA.certificate)), OcspReason.WRONG_CERTIFICATE),
        (answer(named=CertId.of(77, root("CA1").certificate)), OcspReason.WRONG_CERTIFICATE),
        (answer(other_role()), OcspReason.RESPONDER),
        (answer(sibling()), OcspReason.RESPONDER),
        (answer(responder(root("CA1"))), OcspReason.RESPONDER),
        (answer(root("CA1").issuer), OcspReason.RESPONDER),
        (answer(responder(validity=EXPIRED)), OcspReason.RESPONDER),
        (answer()[:-1] + bytes([answer()[-1] ^ 1]), OcspReason.RESPONDER),
        (answer(nonce=None), OcspReason.NONCE),
        (answer(nonce=bytes(32)), OcspReason.NONCE),
        (answer(start=NOW + HOUR), OcspReason.NOT_YET_VALID),
        (answer(start=NOW - 2 * HOUR), OcspReason.STALE),
    ],
)
def test_an_answer_that_must_not_count_is_refused_by_name(data: bytes, reason: OcspReason) -> None:
    with pytest.raises(OcspError) as refused:
        verify_answer(data, NAMED, CA.certificate, nonce=NONCE, now=NOW)
    assert refused.value.reason is reason


def test_an_answer_without_an_end_is_refused() -> None:
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        NAMED.name_hash, NAMED.key_hash, 77, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, NOW, None, None, None
    )
    key = CA.issuer.private_key
    made = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, CA.certificate).sign(key, signature_hash(key))
    with pytest.raises(OcspError, match="nextUpdate"):
        verify_answer(made.public_bytes(Encoding.DER), NAMED, CA.certificate, nonce=None, now=NOW)


@pytest.mark.parametrize("data", [b"", b"\x30\x00", bytes(3000), b"\x30\x03\x02\x01\x05"])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(OcspError):
        parse_request(data)


def test_a_request_about_two_certificates_or_with_a_strange_hash_or_nonce_is_refused() -> None:
    builder = ocsp.OCSPRequestBuilder()
    strange = builder.add_certificate_by_hash(bytes(64), bytes(64), 1, hashes.SHA512()).build()
    long = builder.add_certificate_by_hash(bytes(20), bytes(20), 1, hashes.SHA1())
    long = long.add_extension(x509.OCSPNonce(bytes(129)), critical=False)
    for request in (strange, long.build()):
        with pytest.raises(OcspError) as refused:
            parse_request(request.public_bytes(Encoding.DER))
        assert refused.value.reason is OcspReason.MALFORMED


REQUEST, ANSWER = build_request(NAMED, NONCE), answer()


@given(st.integers(0, len(ANSWER) - 1), st.integers(0, 255))
def test_a_changed_octet_brings_no_other_error_and_never_another_status(position: int, octet: int) -> None:
    data = bytearray(ANSWER)
    data[position] = octet
    with suppress(OcspError):
        verified = verify_answer(bytes(data), NAMED, CA.certificate, nonce=NONCE, now=NOW)
        assert verified.status is ocsp.OCSPCertStatus.GOOD


@given(st.integers(0, len(REQUEST) - 1), st.integers(0, 255))
def test_a_changed_octet_of_a_request_brings_no_other_error(position: int, octet: int) -> None:
    data = bytearray(REQUEST)
    data[position] = octet
    with suppress(OcspError):
        parse_request(bytes(data))


@given(st.binary(max_size=100))
def test_anything_at_all_is_refused_by_name(data: bytes) -> None:
    with suppress(OcspError):
        parse_request(data)
    with suppress(OcspError):
        verify_answer(data, NAMED, CA.certificate, nonce=None, now=NOW)


def test_a_responder_answers_for_nothing_else() -> None:
    assert RESPONDER.certificate.subject == common_name("OCSP")
    assert RESPONDER.certificate.extensions.get_extension_for_class(x509.OCSPNoCheck)
