"""The sizes of a transfer, counted: within what they may be, and as the reference page says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lwm2m_server.sizes.column import Column
from lwm2m_server.sizes.conditions import ADDRESSES
from lwm2m_server.sizes.report import ROWS, figures, measure, page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sizes.md"
SERVER = Path(sys.executable).parent / "lwm2m-server"

LIMITS = {
    "dtls": {
        "factory_certificate": 317,
        "transfer_message_plain": 415,
        "transfer_message": 550,
        "delivery": 640,
        "handshake": 1650,
        "enrollment": 1100,
        "total": 3400,
        "device_update_info": 345,
    },
    "compact": {
        "factory_certificate": 136,
        "transfer_message_plain": 415,
        "transfer_message": 550,
        "delivery": 600,
        "handshake": 280,
        "enrollment": 325,
        "total": 1350,
        "device_update_info": 160,
    },
    "lean": {
        "factory_certificate": 136,
        "handshake": 146,
        "enrollment": 260,
        "total": 1010,
        "device_update_info": 60,
    },
}
"""Bytes by column and row."""


@pytest.fixture(scope="module")
def columns() -> list[Column]:
    return measure()


def test_every_size_is_within_its_limit(columns: list[Column]) -> None:
    counted = figures(columns)
    over = [
        f"{column} {row}: {counted[column][row]} > {limit}"
        for column, limits in LIMITS.items()
        for row, limit in limits.items()
        if counted[column][row] > limit
    ]
    assert not over


def test_a_transfer_to_a_ca_that_shows_its_certificate_is_small(columns: list[Column]) -> None:
    (compact,) = [column for column in columns if column.by_value is not None]
    assert compact.by_value is not None
    assert compact.total - compact.handshake.size + compact.by_value.size <= 1350


def test_the_page_is_as_counted(columns: list[Column]) -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(columns), f"run: python -m lwm2m_server.sizes > {PAGE}"


def test_the_parts_are_the_whole(columns: list[Column]) -> None:
    for column in columns:
        counted = column.figures()
        assert list(counted) == list(ROWS)
        assert counted["total"] == counted["delivery"] + counted["handshake"] + counted["enrollment"]
        assert counted["delivery"] > counted["transfer_message"]


def test_the_addresses_have_50_25_and_25_characters() -> None:
    for addresses in ADDRESSES.values():
        assert [len(uri) for uri in (addresses.enroll, addresses.update, addresses.fallback)] == [50, 25, 25]


def test_the_command_prints_the_same_figures(columns: list[Column]) -> None:
    printed = subprocess.run([SERVER, "sizes", "--json"], check=True, capture_output=True, text=True)
    assert json.loads(printed.stdout) == figures(columns)
