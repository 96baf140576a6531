"""Certification request templates: what is given, what is left open, and what is no template."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cose.cbor import UNDEFINED, CborError, decode, encode
from device_pki.c509 import C509Error, C509Reason, RequestType
from device_pki.c509.algorithms import PublicKeyAlgorithm, SignatureAlgorithm
from device_pki.c509.registry import Attribute, Extension
from device_pki.c509.template import AttributeTemplate, ExtensionTemplate, RequestTemplate, decode_template

OPEN = RequestTemplate()
DEVICE = RequestTemplate(
    types=[RequestType.NATIVE],
    signature_algorithms=[SignatureAlgorithm.ECDSA_SHA256, SignatureAlgorithm.ED25519],
    subject=[
        AttributeTemplate(Attribute.COMMON_NAME),
        AttributeTemplate(Attribute.ORGANIZATION, min_occurs=0, max_occurs=2, value="Example Inc"),
    ],
    key_algorithms=[PublicKeyAlgorithm.EC_P256],
    extensions=[
        ExtensionTemplate(Extension.KEY_USAGE, value=1),
        ExtensionTemplate(Extension.SUBJECT_ALT_NAME, optional=True, value=[7, UNDEFINED]),
    ],
)


def test_an_open_template_says_nothing() -> None:
    assert OPEN.encode().hex() == "8700f7f7f7f7f7f7"
    assert decode_template(OPEN.encode()) == OPEN


def test_a_template_for_devices() -> None:
    encoded = DEVICE.encode()
    assert encoded.hex() == (
        "870081028200 0c8801 0101f7 080002 6b4578616d706c6520496e63 8101 f7 8602f401 03f5 8207f7".replace(" ", "")
    )
    assert decode_template(encoded) == DEVICE


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([0, UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED], C509Reason.MALFORMED),
        ([1, *[UNDEFINED] * 6], C509Reason.TYPE),
        ([0, [], *[UNDEFINED] * 5], C509Reason.MALFORMED),
        ([0, [9], *[UNDEFINED] * 5], C509Reason.MALFORMED),
        ([0, None, *[UNDEFINED] * 5], C509Reason.MALFORMED),
        ([0, UNDEFINED, [999], *[UNDEFINED] * 4], C509Reason.MALFORMED),
        ([0, UNDEFINED, UNDEFINED, [1, 1, 1], *[UNDEFINED] * 3], C509Reason.MALFORMED),
        ([0, UNDEFINED, UNDEFINED, [1, 2, 1, "x"], *[UNDEFINED] * 3], C509Reason.MALFORMED),
        ([0, UNDEFINED, UNDEFINED, [1, 0, 0, "x"], *[UNDEFINED] * 3], C509Reason.MALFORMED),
        ([0, UNDEFINED, UNDEFINED, [-1, 1, 1, "x"], *[UNDEFINED] * 3], C509Reason.MALFORMED),
        ([0, UNDEFINED, UNDEFINED, [99, 1, 1, "x"], *[UNDEFINED] * 3], C509Reason.MALFORMED),
        ([0, *[UNDEFINED] * 4, b"key", UNDEFINED], C509Reason.MALFORMED),
        ([0, *[UNDEFINED] * 5, [2, 1, 1]], C509Reason.MALFORMED),
        ([0, *[UNDEFINED] * 5, [-2, True, 1]], C509Reason.MALFORMED),
        ([0, *[UNDEFINED] * 5, bytes(1024)], C509Reason.TOO_LARGE),
    ],
)
def test_other_templates_are_refused(items: list[Any], reason: C509Reason) -> None:
    with pytest.raises(C509Error) as refused:
        decode_template(encode(items))
    assert refused.value.reason is reason


def test_undefined_is_read_only_where_it_is_asked_for() -> None:
    with pytest.raises(CborError):
        decode(b"\xf7")
    assert decode(b"\xf7", undefined=True) is UNDEFINED


@given(st.binary(max_size=60))
def test_any_bytes_are_a_template_or_refused(data: bytes) -> None:
    for whole in (data, b"\x87\x00" + data):
        with suppress(C509Error):
            assert decode_template(whole).encode() == whole
