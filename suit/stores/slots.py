"""A component store with two slots per component on flash: what is new goes beside what runs, and one record flips."""

from __future__ import annotations

from collections.abc import Mapping

from suit.common import ComponentId
from suit.stores.base import DurableStore, Start, nothing_starts
from suit.stores.flash import Flash, padded, sectors
from suit.stores.pages import Pages
from suit.stores.state import Content, State


class SlotStore(DurableStore):
    """`slots`: the two slots of each component; `record`: an area of two pages for what is installed."""

    def __init__(
        self, record: Flash, slots: Mapping[ComponentId, tuple[Flash, Flash]], *, start: Start = nothing_starts
    ) -> None:
        """Raises OSError, also when the record is damaged."""
        self._pages = Pages(record)
        self._slots = dict(slots)
        super().__init__(State.decode(self._pages.data) if self._pages.data else State(), start)

    def supports(self, component: ComponentId) -> bool:
        """See `ComponentStore`."""
        return component in self._slots

    def slot(self, component: ComponentId) -> int | None:
        """See `ComponentStore`: the one that nothing runs from."""
        content = self.state.contents.get(component)
        return 0 if content is None else 1 - content.slot

    def _stage(self, component: ComponentId, data: bytes) -> int:
        slot = self.slot(component)
        assert slot is not None, "every component has slots"
        flash = self._slots[component][slot]
        if len(data) > flash.size:
            raise OSError(f"a slot has {flash.size} bytes")
        flash.erase(0, sectors(len(data), flash.sector))
        flash.write(0, padded(data, flash.unit))
        return slot

    def _fetch(self, component: ComponentId, content: Content) -> bytes:
        return self._slots[component][content.slot].read(0, content.size)

    def _save(self, state: State) -> None:
        self._pages.replace(state.encode())
