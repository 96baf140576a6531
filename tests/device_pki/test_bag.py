"""x5bag: one encoding per bag, and nothing but the typed error for anything else."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cose.cbor import encode
from device_pki.bag import BagError, BagReason, decode_c5b, decode_x5bag, encode_c5b, encode_x5bag
from device_pki.c509 import encode_certificate
from device_pki.certificates import MAX_CERTIFICATE_SIZE
from device_pki.fingerprints import der
from tests.device_pki.builders import root

CERTIFICATES = [root(f"CA {number}").certificate for number in range(3)]
DERS = [der(certificate) for certificate in CERTIFICATES]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_bag_keeps_its_certificates_in_order(count: int) -> None:
    assert decode_x5bag(encode_x5bag(DERS[:count]), 3) == CERTIFICATES[:count]


def test_one_certificate_is_a_bare_byte_string() -> None:
    assert encode_x5bag(DERS[:1]) == encode(DERS[0])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode([DERS[0]]), BagReason.MALFORMED),
        (encode([]), BagReason.EMPTY),
        (encode(DERS), BagReason.TOO_MANY),
        (encode({1: DERS[0]}), BagReason.MALFORMED),
        (encode([DERS[0], 1]), BagReason.CERTIFICATE),
        (encode(b""), BagReason.CERTIFICATE),
        (encode(DERS[0] + b"\0"), BagReason.CERTIFICATE),
        (encode(bytes(MAX_CERTIFICATE_SIZE + 1)), BagReason.CERTIFICATE),
        (encode(DERS[0]) + b"\0", BagReason.MALFORMED),
        (b"\x9f" + encode(DERS[0]) * 2 + b"\xff", BagReason.MALFORMED),
        (b"", BagReason.MALFORMED),
    ],
)
def test_anything_else_is_refused_by_name(data: bytes, reason: BagReason) -> None:
    with pytest.raises(BagError) as refused:
        decode_x5bag(data, 2)
    assert refused.value.reason is reason


def test_an_empty_bag_cannot_be_made() -> None:
    with pytest.raises(BagError):
        encode_x5bag([])


C509S = [encode_certificate(certificate) for certificate in CERTIFICATES]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_bag_of_c509_has_the_same_form(count: int) -> None:
    data = encode_c5b(C509S[:count])
    assert [certificate.to_x509() for certificate in decode_c5b(data, 3)] == CERTIFICATES[:count]
    assert data == encode(C509S[0] if count == 1 else C509S[:count])


@pytest.mark.parametrize("item", [b"", DERS[0], C509S[0] + b"\0", encode(C509S[0])])
def test_a_bag_of_c509_holds_nothing_else(item: bytes) -> None:
    with pytest.raises(BagError) as refused:
        decode_c5b(encode(item), 3)
    assert refused.value.reason is BagReason.CERTIFICATE


@given(st.binary(max_size=200) | st.builds(lambda cut: encode_x5bag(DERS)[:cut], st.integers(0, 1200)))
def test_no_input_brings_another_error(data: bytes) -> None:
    with suppress(BagError):
        decode_x5bag(data, 8)


@given(st.integers(0, len(DERS[0]) + 2), st.integers(0, 255))
def test_a_changed_octet_brings_no_other_error(position: int, octet: int) -> None:
    data = bytearray(encode_x5bag(DERS[:1]))
    data[position] = octet
    with suppress(BagError):
        decode_x5bag(bytes(data), 8)
