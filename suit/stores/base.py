"""What all durable stores have in common: the record in memory, what is staged, and when which of them changes."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from suit.common import ComponentId
from suit.digest import Digest
from suit.metadata import ComponentMetadata
from suit.stores.state import Content, State

Start: TypeAlias = Callable[[ComponentId, bytes | None], None]
"""Starts a component with its arguments, now or at the next restart."""


class DurableStore(ABC):
    """A `ComponentStore` over something that keeps bytes.

    A subclass puts bytes where nothing that is installed lies (`_stage`), gets them back (`_fetch`), and replaces the
    record in one durable step (`_save`). Staging needs not survive a power cut: what the record does not name is
    nothing.
    """

    def __init__(self, state: State, start: Start) -> None:
        self.state = state
        self._start = start
        self._staged: dict[ComponentId, Content | None] = {}

    @abstractmethod
    def supports(self, component: ComponentId) -> bool:
        """See `ComponentStore`."""

    @abstractmethod
    def slot(self, component: ComponentId) -> int | None:
        """See `ComponentStore`."""

    @abstractmethod
    def _stage(self, component: ComponentId, data: bytes) -> int:
        """Put bytes where the next commit can name them; returns the slot. Raises OSError when they are too many."""

    @abstractmethod
    def _fetch(self, component: ComponentId, content: Content) -> bytes:
        """The bytes of a content. Raises OSError."""

    @abstractmethod
    def _save(self, state: State) -> None:
        """Make this the record in one durable step. Raises OSError; the old one stays then."""

    def _tidy(self) -> None:  # noqa: B027 - stores that overwrite have nothing to remove
        """Remove what neither the record nor the staging names; it may be cut anywhere."""

    def read(self, component: ComponentId) -> bytes | None:
        """See `ComponentStore`. What has decayed is read as nothing, so that it is installed again."""
        content = self._staged[component] if component in self._staged else self.state.contents.get(component)
        if content is None:
            return None
        data = self._fetch(component, content)
        return data if hashlib.sha256(data).digest() == content.sha256 else None

    def write(self, component: ComponentId, data: bytes, metadata: ComponentMetadata | None = None) -> None:
        """See `ComponentStore`."""
        if not self.supports(component):
            raise OSError("the device has no such component")
        self._staged.pop(component, None)
        slot = self._stage(component, data)
        self._staged[component] = Content(slot, len(data), hashlib.sha256(data).digest(), metadata)

    def unlink(self, component: ComponentId) -> None:
        """See `ComponentStore`. Here every component belongs to one manifest only."""
        self._staged[component] = None

    def begin(self, digest: Digest, sequence_number: int) -> None:
        """See `ComponentStore`."""
        self.discard()
        self._replace(replace(self.state, tried=digest, sequence=max(self.state.sequence, sequence_number)))

    def attempted(self) -> Digest | None:
        """See `ComponentStore`."""
        return self.state.tried

    def discard(self) -> None:
        """See `ComponentStore`."""
        self._staged.clear()
        self._tidy()

    def commit(self, digest: Digest, sequence_number: int) -> None:
        """See `ComponentStore`."""
        merged = {**self.state.contents, **self._staged}
        contents = {component: content for component, content in merged.items() if content is not None}
        sequence = max(self.state.sequence, sequence_number)
        self._replace(replace(self.state, manifest=digest, sequence=sequence, contents=contents))
        self.discard()

    def installed(self) -> Digest | None:
        """See `ComponentStore`."""
        return self.state.manifest

    def invoke(self, component: ComponentId, arguments: bytes | None) -> None:
        """See `ComponentStore`."""
        self._start(component, arguments)

    def metadata(self, component: ComponentId) -> ComponentMetadata | None:
        """The file metadata of what is installed."""
        content = self.state.contents.get(component)
        return None if content is None else content.metadata

    def _replace(self, state: State) -> None:
        if state != self.state:
            self._save(state)
            self.state = state


def nothing_starts(component: ComponentId, arguments: bytes | None) -> None:
    """For devices on which something else starts what is installed."""
