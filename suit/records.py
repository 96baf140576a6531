"""What the processor notes for a report while it runs (draft-ietf-suit-report, SUIT_Record)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from suit.common import ComponentId
from suit.numbers import CommandCode, ManifestKey
from suit.parameters import Parameters

MAX_RECORDS: Final = 64
"""Records of one run; later ones are left out."""


@dataclass(frozen=True, slots=True)
class Record:
    """A command that was recorded, where it stands, and what was measured.

    `manifest`: the walk through the tree of dependencies, empty for the root. `offset`: bytes into the section's
    command sequence. `component`: the component index in that manifest.
    """

    manifest: tuple[int, ...]
    section: ManifestKey
    offset: int
    component: int
    properties: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SystemProperties:
    """What was measured of a component."""

    component: ComponentId
    properties: Parameters


Entry = Record | SystemProperties


@dataclass(frozen=True, slots=True)
class Step:
    """A condition or directive that was run on a component, for whoever watches. `failure`: why it failed, if so."""

    manifest: tuple[int, ...]
    section: ManifestKey
    command: CommandCode
    component: ComponentId
    failure: str | None = None


class Log:
    """The entries of one run, in order, and the record of what ended it. `trace` is told of every step."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.failure: Record | None = None
        self.trace: Callable[[Step], None] = _nobody_watches

    def add(self, entry: Entry) -> None:
        """Note an entry, while there is room."""
        if len(self.entries) < MAX_RECORDS:
            self.entries.append(entry)


def _nobody_watches(_: Step) -> None:
    """Steps are only looked at where somebody asks for them."""
