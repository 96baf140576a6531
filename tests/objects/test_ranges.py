"""Ranges as the registry and others write them."""

from __future__ import annotations

from pathlib import Path as FilePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objects import MODEL, InvalidValue, ObjectLink, Range, ResourceType, Value, ddf
from tests.objects.vectors import SHARED

REGISTRY = SHARED / "lwm2m-objects"


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("0..255", 255, 256),
        ("0-100", 100, 101),
        ("0 - 100", 0, -1),
        ("0–100", 100, 101),
        ("-120..-25", -120, -121),
        ("-128-127", -128, 128),
        ("-128 - -1", -1, 0),
        ("-128..127", 127, -129),
        ("1...3", 3, 4),
        ("0x00-0xFF", 255, 256),
        ("0x0..0x7fffffffffffffff", 2**63 - 1, 2**63),
        ("0.5..1.5", 1.5, 1.51),
        ("0..18446744073709551615", 2**64 - 1, -1),
        ("0,1,2", 2, 3),
        ("0; 1; 2", 2, 3),
        ("1..5, 9", 9, 6),
        ("0..1; 0 is off", 1, 2),
        ("0..255; bytes", 255, 256),
        ("16,32,48", b"x" * 32, b"x" * 33),
        ("0..255 bytes", "é" * 127, "é" * 128),
        ("1-64 bytes", "x", ""),
        ("1..64 Bytes", "x" * 64, "x" * 65),
        ("2..4 octets; of hex", b"xxxx", b"x"),
        ("10,26", b"x" * 26, b"x" * 25),
        ("32 bytes", "", "x" * 33),
        ("6", b"123456", b"1234567"),
    ],
)
def test_forms_of_a_range(text: str, inside: Value, outside: Value) -> None:
    bounds = Range.parse(text)
    assert bounds.text == text
    assert bounds.rule_broken(inside) is None
    assert bounds.rule_broken(outside)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "8-Bits",
            "The possible values are listed elsewhere",
            "255",
            "1 bytes",
            "0..4 bytes",
            "10..1",
            "..",
            "1..",
        ),
        *("0=off, 1=on", '"a","b"', "2024-01-31", "1,000..2,000", "0x..0xff", "2^16", "٣..٤", ",".join("1" * 300)),
    ],
)
def test_other_text_restricts_no_number(text: str) -> None:
    assert Range.parse(text).rule_broken(10**9) is None
    assert Range.parse(text).rule_broken(-1.5) is None


def test_booleans_and_links_have_no_range() -> None:
    assert Range.parse("5..6").rule_broken(True) is None
    assert Range.parse("5..6").rule_broken(ObjectLink(1, 1)) is None


@given(st.text(max_size=60) | st.text("0123456789.-, ;xbytes", max_size=40), st.integers(-(2**63), 2**64))
def test_any_text_is_taken(text: str, number: int) -> None:
    bounds = Range.parse(text)
    assert bounds.text == text.strip()
    bounds.rule_broken(number)
    bounds.rule_broken("é" * 3)


@pytest.mark.parametrize("folder", [REGISTRY] if REGISTRY.is_dir() else [], ids=lambda f: f.name)
def test_every_range_of_the_registry_is_understood_or_a_sentence(folder: FilePath) -> None:
    texts = {
        r.range.text
        for d in ddf.read_folder(folder)
        for r in d.resources.values()
        if r.range.text and not r.range.spans and r.type is not ResourceType.NONE
    }
    assert texts == {"8-Bits", "The possible values are those listed in the LwM2M Core Specification"}


def test_the_error_names_resource_and_rule() -> None:
    with pytest.raises(InvalidValue, match=r"Fallback/Deadline \(/33003/\*/2\): must be within 300\.\.2592000, is 5"):
        MODEL["Fallback"]["Deadline"].check(5)
    with pytest.raises(InvalidValue, match="must be Integer, not str"):
        MODEL["Fallback"]["Deadline"].check_type("5")
    MODEL["Fallback"]["Deadline"].check(300)
