"""A component store in a folder of files: for gateways, and for components that are files anyhow.

<folder>/state                          the record, replaced by rename
<folder>/<component>/<SHA-256>          contents, each in a file named by its hash

A component's folder is named by the hash of its identifier: no name on the disk comes from a manifest. Everything is
for its owner alone.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Final

from cose import cbor
from cose.files import sync_folder, write_durably
from suit.common import ComponentId
from suit.stores.base import DurableStore, Start, nothing_starts
from suit.stores.state import Content, State

MAX_COMPONENT: Final = 1 << 30
_RECORD: Final = "state"


class FolderStore(DurableStore):
    """The components of a device in `folder`, which is made. `max_size`: bytes of one component."""

    def __init__(
        self,
        folder: Path,
        components: Collection[ComponentId],
        *,
        max_size: int = MAX_COMPONENT,
        start: Start = nothing_starts,
    ) -> None:
        """Raises OSError, also when the record is damaged."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._places = {component: folder / _place(component) for component in components}
        self._max_size = max_size
        record = folder / _RECORD
        super().__init__(State.decode(record.read_bytes()) if record.exists() else State(), start)

    def supports(self, component: ComponentId) -> bool:
        """See `ComponentStore`."""
        return component in self._places

    def slot(self, component: ComponentId) -> int | None:
        """See `ComponentStore`. Files have no slots."""
        return None

    def path(self, component: ComponentId) -> Path | None:
        """Where the installed bytes are, for whoever runs or reads them; None when there are none."""
        content = self.state.contents.get(component)
        return None if content is None else self._places[component] / content.sha256.hex()

    def _stage(self, component: ComponentId, data: bytes) -> int:
        if len(data) > self._max_size:
            raise OSError(f"a component has at most {self._max_size} bytes")
        place = self._places[component]
        place.mkdir(mode=0o700, exist_ok=True)
        self._write(place / hashlib.sha256(data).hexdigest(), data)
        return 0

    def _fetch(self, component: ComponentId, content: Content) -> bytes:
        return (self._places[component] / content.sha256.hex()).read_bytes()

    def _save(self, state: State) -> None:
        self._write(self._folder / _RECORD, state.encode())

    def _write(self, path: Path, data: bytes) -> None:
        write_durably(path, data, 0o600)
        sync_folder(self._folder)

    def _tidy(self) -> None:
        for component, place in self._places.items():
            kept = self.state.contents.get(component), self._staged.get(component)
            names = {content.sha256.hex() for content in kept if content is not None}
            for path in place.iterdir() if place.exists() else ():
                if path.name not in names:
                    self._erase(path)
        for path in self._folder.glob(f".{_RECORD}.*"):
            self._erase(path)

    def _erase(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _place(component: ComponentId) -> str:
    return hashlib.sha256(cbor.encode(list(component))).hexdigest()[:32]
