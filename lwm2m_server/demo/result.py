"""What the run came to: counts, sizes, seconds; as a table for people and as JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from lwm2m_server.demo.verdict import END_STATES

KINDS = {
    "device_update_info": "devices-*.cbor",
    "device_update_info_jws": "devices-*.jws",
    "transfer_template": "transfer-template.cwt",
    "transfer_message": "transfer-message-*.cwt",
    "transfer_report": "transfer-report-*.cwt",
    "receipts": "receipts-*.cbor",
    "releases": "releases-*.cbor",
    "manifest": "manifest-*.suit",
    "factory_certificate": "factory-*.der",
    "operational_certificate": "operational-*.der",
    "x5bag": "*.x5bag",
}
"""Message kind → its files among the kept ones."""
_STYLES = {"committed": "green", "unaccounted": "bold red", "in_doubt": "red", "rejected": "red"}


@dataclass(frozen=True, slots=True)
class Size:
    """Messages of one kind: how many, and the bytes of the smallest, the largest and all."""

    count: int
    smallest: int
    largest: int
    total: int

    @classmethod
    def of(cls, sizes: list[int]) -> Size:
        return cls(len(sizes), min(sizes), max(sizes), sum(sizes))


def kept_sizes(messages: Path) -> dict[str, Size]:
    """The sizes of the kept messages by kind; kinds without a message are left out."""
    found = {kind: [path.stat().st_size for path in messages.glob(pattern)] for kind, pattern in KINDS.items()}
    return {kind: Size.of(sizes) for kind, sizes in found.items() if sizes}


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run. `sizes` are kept messages, and what crossed the wire by operation (`wire_…`)."""

    ends: Mapping[str, str]
    reasons: Mapping[str, str]
    servers: Mapping[str, str]
    revoked: int
    sizes: Mapping[str, Size]
    seconds: Mapping[str, float]
    kills: int

    @property
    def as_expected(self) -> bool:
        """One device fell back, one was cancelled, one missed its window; all others moved and nothing is left open."""
        counts = Counter(self.ends.values())
        odd = {"fell_back": 1, "cancelled": 1, "window_missed": 1}
        moved = len(self.ends) - len(odd)
        return counts == Counter({**odd, "committed": moved}) and self.revoked == moved

    def as_json(self) -> dict[str, Any]:
        """The object of the last line of `--json`; bytes are those of the largest message of a kind."""
        counts = Counter(self.ends.values())
        return {
            "devices": len(self.ends),
            **{state: counts[state] for state in END_STATES},
            "revoked": self.revoked,
            "messages": {kind: size.largest for kind, size in self.sizes.items()},
            "steps": dict(self.seconds),
        }

    def show(self, console: Console) -> None:
        """Print the tables."""
        console.print(Group(Text(), self._devices(), Text(), self._messages()))
        total = sum(self.seconds.values())
        killed = f", {self.kills} processes killed" if self.kills else ""
        console.print(Text(f"\n{len(self.ends)} devices in {total:.1f} s{killed}", style="bold"))

    def _devices(self) -> Table:
        table = Table(title="Where the devices are", title_justify="left")
        for column in ("device", "end", "reason", "its server now"):
            table.add_column(column)
        for endpoint, end in self.ends.items():
            style = _STYLES.get(end, "yellow")
            cells = (endpoint, end.replace("_", " "), self.reasons[endpoint], self.servers[endpoint])
            table.add_row(*(Text(cell, style=style if cell == cells[1] else "") for cell in cells))
        return table

    def _messages(self) -> Table:
        table = Table(title="Bytes of a message, or of an operation on the wire", title_justify="left")
        table.add_column("kind")
        for column in ("number", "smallest", "largest", "total"):
            table.add_column(column, justify="right")
        for kind, size in self.sizes.items():
            figures = (size.count, size.smallest, size.largest, size.total)
            table.add_row(kind.replace("_", " "), *(f"{figure:,}" for figure in figures))
        return table
