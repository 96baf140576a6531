"""A component store in memory, and one whose power is cut at a chosen operation."""

from __future__ import annotations

from dataclasses import dataclass, field

from suit import IMAGE, ComponentId, Digest, component_id

IMAGE_ID = component_id(IMAGE)


@dataclass
class MemoryStore:
    """What a device keeps: the installed components, the staged ones, and the last manifest."""

    components: dict[ComponentId, bytes | None] = field(default_factory=lambda: {IMAGE_ID: None})
    staged: dict[ComponentId, bytes] = field(default_factory=dict)
    manifest: Digest | None = None
    sequence: int = 0
    slots: dict[ComponentId, int] = field(default_factory=dict)
    started: list[tuple[ComponentId, bytes | None]] = field(default_factory=list)

    def supports(self, component: ComponentId) -> bool:
        return component in self.components

    def slot(self, component: ComponentId) -> int | None:
        return self.slots.get(component)

    def read(self, component: ComponentId) -> bytes | None:
        return self.staged.get(component, self.components.get(component))

    def write(self, component: ComponentId, data: bytes) -> None:
        self.staged[component] = data

    def discard(self) -> None:
        self.staged.clear()

    def commit(self, digest: Digest, sequence_number: int) -> None:
        self.components.update(self.staged)
        self.staged.clear()
        self.manifest = digest
        self.sequence = max(self.sequence, sequence_number)

    def installed(self) -> Digest | None:
        return self.manifest

    def invoke(self, component: ComponentId, arguments: bytes | None) -> None:
        self.started.append((component, arguments))


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

    def write(self, component: ComponentId, data: bytes) -> None:
        self._tick(done=False)
        super().write(component, data)
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
