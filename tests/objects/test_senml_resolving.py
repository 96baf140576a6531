"""The examples of RFC 8428 resolve to what the RFC says, in JSON and in CBOR."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import pytest

from objects import FormatError, FormatReason
from objects.formats import lenient_cbor, lenient_json
from objects.formats.senml import Label, resolve
from objects.formats.senml_json import labelled
from tests.objects.vectors import SHARED, load

FOLDER = SHARED / "senml"
RESOLVED = sorted(FOLDER.glob("*.gen.resolved.json")) if FOLDER.is_dir() else []
CBOR = sorted(FOLDER.glob("*.gen.cbor")) if FOLDER.is_dir() else []


def _of_json(data: bytes) -> list[Any]:
    return list(resolve(labelled(lenient_json.load(data))))


def _agree(found: list[Any], expected: list[Any]) -> bool:
    """The generator puts the present time where there is none, and leaves some values that are no numbers out."""
    kept = [record for record in found if any(record[:3] == other[:3] for other in expected)]
    numbers = [record for record in found if record[1] == Label.VALUE]
    return all(record in kept for record in numbers) and all(
        record[3] in (None, other[3]) for record, other in zip(kept, expected, strict=True)
    )


@pytest.mark.parametrize("file", RESOLVED, ids=lambda f: f.name)
def test_every_example_resolves(file: FilePath) -> None:
    expected = _of_json(file.read_bytes())
    assert expected
    assert _agree(_of_json(file.with_name(file.name.replace(".resolved", "")).read_bytes()), expected)


@pytest.mark.parametrize("file", CBOR, ids=lambda f: f.name)
def test_cbor_and_json_say_the_same(file: FilePath) -> None:
    pack = lenient_cbor.decode(file.read_bytes(), max_size=10000)
    assert list(resolve(pack)) == _of_json(file.with_suffix(".json").read_bytes())


@pytest.mark.parametrize("vector", load("senml/resolving.json")["vectors"], ids=lambda v: v["name"])
def test_base_fields(vector: dict[str, Any]) -> None:
    found = list(resolve(labelled(vector["pack"])))
    assert [[n, _name(kind), value, time] for n, kind, value, time in found] == vector["resolved"]


def _name(kind: int | str | None) -> str | None:
    return Label(kind).name if isinstance(kind, int) else kind


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        ({}, FormatReason.MALFORMED),
        ([[]], FormatReason.MALFORMED),
        ([{}] * 16385, FormatReason.MALFORMED),
        ([{Label.NAME: 1}], FormatReason.MALFORMED),
        ([{Label.BASE_TIME: float("inf")}], FormatReason.WRONG_TYPE),
        ([{Label.TIME: True}], FormatReason.WRONG_TYPE),
        ([{Label.NAME: "a", Label.BASE_TIME: 1e308, Label.TIME: 1e308}], FormatReason.WRONG_TYPE),
        ([{Label.NAME: "a", Label.TIME: 2**40}], FormatReason.WRONG_TYPE),
        ([{Label.BASE_VERSION: 11}], FormatReason.UNSUPPORTED),
        ([{Label.BASE_VERSION: "10"}], FormatReason.UNSUPPORTED),
        ([{Label.BASE_SUM: 1}], FormatReason.UNSUPPORTED),
        ([{"new_": 1}], FormatReason.UNSUPPORTED),
    ],
)
def test_other_packs_are_refused(pack: object, reason: FormatReason) -> None:
    with pytest.raises(FormatError) as caught:
        list(resolve(pack))
    assert caught.value.reason is reason
