"""certs-only bundles."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_pki.fingerprints import der
from enrollment.csr import CsrError, CsrReason, check_csr
from enrollment.pkcs7 import MAX_CERTIFICATES, Pkcs7Error, decode_certs_only, encode_certs_only
from tests.device_pki.builders import root
from tests.enrollment.vectors import Example, examples

CERTIFICATES = [root(f"CA {number}").certificate for number in range(MAX_CERTIFICATES + 1)]
BUNDLE = encode_certs_only(CERTIFICATES[:2])


@pytest.mark.parametrize("count", [1, 2, MAX_CERTIFICATES])
def test_a_bundle_brings_its_certificates(count: int) -> None:
    decoded = decode_certs_only(encode_certs_only(CERTIFICATES[:count]))
    assert {der(c) for c in decoded} == {der(c) for c in CERTIFICATES[:count]}


@pytest.mark.parametrize(
    "data",
    [b"", BUNDLE[:-1], BUNDLE + b"\0", bytes(16385), encode_certs_only(CERTIFICATES), der(CERTIFICATES[0])],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(Pkcs7Error):
        decode_certs_only(data)


@given(st.binary(max_size=200))
def test_no_input_brings_another_error(data: bytes) -> None:
    with pytest.raises(Pkcs7Error):
        decode_certs_only(data)


@given(st.integers(0, len(BUNDLE) - 1), st.integers(0, 255))
def test_a_changed_octet_brings_no_other_error(position: int, octet: int) -> None:
    data = bytearray(BUNDLE)
    data[position] = octet
    with suppress(Pkcs7Error):
        decode_certs_only(bytes(data))


@pytest.mark.parametrize("example", [e for e in examples() if e.kind == "bundle"], ids=lambda e: e.name)
def test_published_bundles_are_read(example: Example) -> None:
    [certificate] = decode_certs_only(example.data)
    assert der(certificate) in example.data


@pytest.mark.parametrize("example", [e for e in examples() if e.kind == "request"], ids=lambda e: e.name)
def test_published_requests_ask_for_more_or_name_no_device(example: Example) -> None:
    """Both examples carry extensions or name nobody, which a device of ours never does."""
    with pytest.raises(CsrError) as refused:
        check_csr(example.data, endpoint="Wt1234", channel_binding=b"x")
    assert refused.value.reason in {CsrReason.ATTRIBUTE, CsrReason.NAME}
