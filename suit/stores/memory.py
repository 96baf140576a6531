"""A component store in memory: for simulations, tests, and as the simplest example of what a store does."""

from __future__ import annotations

from dataclasses import dataclass, field

from suit.common import ComponentId
from suit.digest import Digest
from suit.metadata import ComponentMetadata


@dataclass
class MemoryStore:
    """The installed components (None: there is room for one), the staged ones, and what was tried and installed last.

    `slots`: where a write to a component goes. `started`: what was invoked, with its arguments, in order.
    """

    components: dict[ComponentId, bytes | None]
    slots: dict[ComponentId, int] = field(default_factory=dict)
    manifest: Digest | None = None
    tried: Digest | None = None
    sequence: int = 0
    metadata: dict[ComponentId, ComponentMetadata] = field(default_factory=dict)
    started: list[tuple[ComponentId, bytes | None]] = field(default_factory=list)
    staged: dict[ComponentId, tuple[bytes | None, ComponentMetadata | None]] = field(default_factory=dict)

    def supports(self, component: ComponentId) -> bool:
        """See `ComponentStore`."""
        return component in self.components

    def slot(self, component: ComponentId) -> int | None:
        """See `ComponentStore`."""
        return self.slots.get(component)

    def read(self, component: ComponentId) -> bytes | None:
        """See `ComponentStore`."""
        if component in self.staged:
            return self.staged[component][0]
        return self.components.get(component)

    def write(self, component: ComponentId, data: bytes, metadata: ComponentMetadata | None = None) -> None:
        """See `ComponentStore`."""
        if component not in self.components:
            raise OSError("the device has no such component")
        self.staged[component] = data, metadata

    def unlink(self, component: ComponentId) -> None:
        """See `ComponentStore`. Here every component belongs to one manifest only."""
        self.staged[component] = None, None

    def begin(self, digest: Digest, sequence_number: int) -> None:
        """See `ComponentStore`."""
        self.staged.clear()
        self.tried = digest
        self.sequence = max(self.sequence, sequence_number)

    def attempted(self) -> Digest | None:
        """See `ComponentStore`."""
        return self.tried

    def discard(self) -> None:
        """See `ComponentStore`."""
        self.staged.clear()

    def commit(self, digest: Digest, sequence_number: int) -> None:
        """See `ComponentStore`."""
        for component, (data, metadata) in self.staged.items():
            self.components[component] = data
            self.metadata.pop(component, None)
            if metadata is not None:
                self.metadata[component] = metadata
        self.staged.clear()
        self.manifest = digest
        self.sequence = max(self.sequence, sequence_number)

    def installed(self) -> Digest | None:
        """See `ComponentStore`."""
        return self.manifest

    def invoke(self, component: ComponentId, arguments: bytes | None) -> None:
        """See `ComponentStore`."""
        self.started.append((component, arguments))
