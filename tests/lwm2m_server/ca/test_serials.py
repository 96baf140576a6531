"""Counted serial numbers: each given once, whatever happens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from lwm2m_server.ca.serials import FIRST, SerialNumbers, SerialNumbersError


def some(path: Path) -> list[int]:
    """As one process takes them."""
    numbers = SerialNumbers(path)
    return [numbers.next() for _ in range(100)]


def test_numbers_begin_with_three_octets_and_go_on(tmp_path: Path) -> None:
    numbers = SerialNumbers(tmp_path / "serial")
    assert [numbers.next() for _ in range(200)] == list(range(FIRST, FIRST + 200))


def test_a_crash_gives_no_number_twice(tmp_path: Path) -> None:
    before, after = some(tmp_path / "serial"), some(tmp_path / "serial")
    assert not set(before) & set(after)


def test_threads_and_processes_share_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "serial"
    with get_context("spawn").Pool(2) as pool:
        taken = [number for numbers in pool.map(some, [path] * 4) for number in numbers]
    numbers = SerialNumbers(path)
    with ThreadPoolExecutor(4) as threads:
        taken += threads.map(lambda _: numbers.next(), range(200))
    assert len(taken) == len(set(taken)) == 600


@pytest.mark.parametrize("text", ["", "x", "-5", "7", str(1 << 63)])
def test_a_damaged_file_gives_no_number(tmp_path: Path, text: str) -> None:
    (tmp_path / "serial").write_text(text)
    with pytest.raises(SerialNumbersError, match="above all"):
        SerialNumbers(tmp_path / "serial").next()
