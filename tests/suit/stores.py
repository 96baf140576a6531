"""The memory store with an empty image slot, and one whose power is cut at a chosen operation."""

from __future__ import annotations

from dataclasses import dataclass, field

from suit import IMAGE, ComponentId, Digest, component_id
from suit.metadata import ComponentMetadata
from suit.stores.memory import MemoryStore as Memory

IMAGE_ID = component_id(IMAGE)


@dataclass
class MemoryStore(Memory):
    """A device with one empty image slot, unless it is said to have others."""

    components: dict[ComponentId, bytes | None] = field(default_factory=lambda: {IMAGE_ID: None})


class PowerCut(BaseException):
    """The device is off; nothing of the processor runs any more."""


@dataclass
class CutStore(MemoryStore):
    """Loses power before or after its n-th operation."""

    cut_at: int = -1
    after: bool = False
    operations: int = 0

    def _tick(self, *, done: bool) -> None:
        if done:
            self.operations += 1
        if self.operations == self.cut_at and self.after == done:
            raise PowerCut

    def read(self, component: ComponentId) -> bytes | None:
        self._tick(done=False)
        data = super().read(component)
        self._tick(done=True)
        return data

    def write(self, component: ComponentId, data: bytes, metadata: ComponentMetadata | None = None) -> None:
        self._tick(done=False)
        super().write(component, data, metadata)
        self._tick(done=True)

    def unlink(self, component: ComponentId) -> None:
        self._tick(done=False)
        super().unlink(component)
        self._tick(done=True)

    def begin(self, digest: Digest, sequence_number: int) -> None:
        self._tick(done=False)
        super().begin(digest, sequence_number)
        self._tick(done=True)

    def discard(self) -> None:
        self._tick(done=False)
        super().discard()
        self._tick(done=True)

    def commit(self, digest: Digest, sequence_number: int) -> None:
        self._tick(done=False)
        super().commit(digest, sequence_number)
        self._tick(done=True)

    def invoke(self, component: ComponentId, arguments: bytes | None) -> None:
        self._tick(done=False)
        super().invoke(component, arguments)
        self._tick(done=True)
