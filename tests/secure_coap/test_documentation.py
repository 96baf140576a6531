"""The reference names every setting, error and default that exists."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from secure_coap import errors
from secure_coap.counters import Counters
from secure_coap.limits import Limits
from secure_coap.numbers import TransmissionParameters

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "coap.md").read_text()


@pytest.mark.parametrize("kind", [Limits, TransmissionParameters, Counters])
def test_every_setting_and_counter_has_its_row(kind: type[Limits | TransmissionParameters | Counters]) -> None:
    assert [field.name for field in fields(kind) if f"| `{field.name}` |" not in REFERENCE] == []


def test_every_error_has_its_row() -> None:
    for code, error in errors.ERROR_OF_CODE.items():
        assert f"| `{error.__name__}` | {code.dotted} |" in REFERENCE
    local = [*errors.TransportError.__subclasses__(), errors.HandshakeFailed]
    assert [error.__name__ for error in local if f"| `{error.__name__}` |" not in REFERENCE] == []
