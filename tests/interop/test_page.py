"""The page of what works with whom says what the tests try."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.interop import page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "interoperability.md"


def test_the_page_is_as_the_tests_say() -> None:
    assert PAGE.read_text() == page.page(), "run: python -m tests.interop.page > docs/reference/interoperability.md"


@pytest.mark.parametrize("name", sorted(set(page.tests())))
def test_every_line_has_its_test(name: str) -> None:
    module, _, function = name.partition(".")
    assert hasattr(import_module(f"tests.interop.{module}"), function)
