"""What the processor notes for a report while it runs (draft-ietf-suit-report, SUIT_Record)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

    @property
    def has_room(self) -> bool:
        """Whether another entry will be kept."""
        return len(self.entries) < MAX_RECORDS

    @contextmanager
    def only_if_failed(self) -> Iterator[None]:
        """Forget what is noted inside, unless an exception leaves it."""
        watcher, steps, before = self.trace, list[Step](), len(self.entries)
        self.trace = steps.append
        try:
            yield
        except BaseException:
            for step in steps:
                watcher(step)
            raise
        finally:
            self.trace = watcher
        del self.entries[before:]

    def add(self, entry: Entry) -> None:
        """Note an entry, while there is room."""
        if self.has_room:
            self.entries.append(entry)


def _nobody_watches(_: Step) -> None:
    """Steps are only looked at where somebody asks for them."""
