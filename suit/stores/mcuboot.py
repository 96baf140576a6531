"""A component store over MCUboot's image slots: the new image in the secondary slot, the bootloader puts it in place.

The end of a slot is MCUboot's trailer (MCUboot design, "Image Trailer"), here with writes of at most 8 bytes:

| bytes from the end | field                                                    |
| ------------------ | -------------------------------------------------------- |
| 40                 | swap info: 2 for an image on trial, 3 for a permanent one |
| 32                 | copy done                                                |
| 24                 | image OK                                                 |
| 16                 | magic                                                    |

Committing is one step: a record that names the candidate. The trailer follows it, and is written at the next start if
power was cut in between. After the bootloader has swapped, the image is on trial until `confirm`; without it the
bootloader brings the old image back, and so does this store's view.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from cose import cbor
from suit.common import ComponentId
from suit.digest import Digest
from suit.stores.base import DurableStore, Start, nothing_starts
from suit.stores.flash import ERASED, Flash, padded, sectors
from suit.stores.pages import Pages
from suit.stores.state import MAX_RECORD, Content, State

MAGIC: Final = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")
_FLAG_SET: Final = 1
_FLAG_SIZE: Final = 8
TRAILER: Final = len(MAGIC) + 4 * _FLAG_SIZE
"""Bytes that no image may use, beside the swap status of the bootloader's own build."""


class Field(IntEnum):
    """Where a field of the trailer is, in bytes from the end of the slot."""

    SWAP_INFO = 40
    COPY_DONE = 32
    IMAGE_OK = 24
    MAGIC = 16


class SwapType(IntEnum):
    """What the bootloader is asked for."""

    TEST = 2
    PERMANENT = 3


class Slot(IntEnum):
    """The two slots of an image."""

    PRIMARY = 0
    SECONDARY = 1


class Phase(IntEnum):
    """How far a candidate is. What the bootloader has done with it since is seen in the slots."""

    NONE = 0
    """There is none: the primary slot holds what is installed."""
    COMMITTED = 1
    MARKED = 2
    """The bootloader has been asked."""


@dataclass(frozen=True, slots=True)
class _Record:
    """`before`: what the bootloader returns to when the candidate is not confirmed."""

    phase: Phase = Phase.NONE
    now: State = field(default_factory=State)
    before: State = field(default_factory=State)

    def encode(self) -> bytes:
        return cbor.encode([int(self.phase), self.now.encode(), self.before.encode()])

    @classmethod
    def decode(cls, data: bytes) -> _Record:
        try:
            phase, now, before = cbor.decode(data, max_size=3 * MAX_RECORD)
            return cls(Phase(phase), State.decode(now), State.decode(before))
        except (cbor.CborError, TypeError, ValueError) as error:
            raise OSError("the record of what is installed is damaged: install the device again") from error


class McubootStore(DurableStore):
    """One component: the image of `primary` and `secondary`. `record`: an area of two pages for what is installed.

    `permanent`: the image is not on trial. `reserved`: bytes at the end of a slot that the bootloader needs. While a
    candidate waits for the bootloader or is on trial, nothing can be written: the secondary slot is in use.
    """

    def __init__(
        self,
        component: ComponentId,
        primary: Flash,
        secondary: Flash,
        record: Flash,
        *,
        permanent: bool = False,
        reserved: int = TRAILER,
        start: Start = nothing_starts,
    ) -> None:
        """Finishes what a power cut left of a commit. Raises OSError, also when the record is damaged."""
        self._component = component
        self._flash = {Slot.PRIMARY: primary, Slot.SECONDARY: secondary}
        self._permanent = permanent
        self._room = secondary.size - sectors(max(reserved, TRAILER), secondary.sector)
        self._pages = Pages(record)
        self._record = _Record.decode(self._pages.data) if self._pages.data else _Record()
        super().__init__(self._record.now, start)
        self._settle()

    @property
    def on_trial(self) -> bool:
        """Whether the candidate runs, and `confirm` would keep it."""
        return self._record.phase is Phase.MARKED and self.state.contents[self._component].slot == Slot.PRIMARY

    def confirm(self) -> None:
        """Keep the image that is on trial. Raises OSError."""
        if self.on_trial:
            self._set_flag(Slot.PRIMARY, Field.IMAGE_OK, _FLAG_SET)
            self._keep(_Record(Phase.NONE, self.state))

    def supports(self, component: ComponentId) -> bool:
        """See `ComponentStore`."""
        return component == self._component

    def slot(self, component: ComponentId) -> int | None:
        """See `ComponentStore`."""
        return Slot.SECONDARY

    def unlink(self, component: ComponentId) -> None:
        """See `ComponentStore`. There is no bootloader without an image."""
        raise OSError("an image slot cannot be emptied; install another image")

    def commit(self, digest: Digest, sequence_number: int) -> None:
        """See `ComponentStore`."""
        super().commit(digest, sequence_number)
        self._settle()

    def _stage(self, component: ComponentId, data: bytes) -> int:
        if self._record.phase is not Phase.NONE:
            raise OSError("the last image is not confirmed yet: restart, confirm it, and repeat")
        flash = self._flash[Slot.SECONDARY]
        if len(data) > self._room:
            raise OSError(f"an image has at most {self._room} bytes")
        flash.erase(0, flash.size)
        flash.write(0, padded(data, flash.unit))
        return Slot.SECONDARY

    def _fetch(self, component: ComponentId, content: Content) -> bytes:
        return self._flash[Slot(content.slot)].read(0, content.size)

    def _save(self, state: State) -> None:
        if state.contents == self.state.contents:
            self._keep(replace(self._record, now=state))
        else:
            self._keep(_Record(Phase.COMMITTED, state, self.state))

    def _keep(self, record: _Record) -> None:
        self._pages.replace(record.encode())
        self._record, self.state = record, record.now

    def _settle(self) -> None:
        """Ask the bootloader for what is committed, and see what it has done with what it was asked for."""
        if self._record.phase is Phase.NONE:
            return
        candidate = self.state.contents[self._component]
        if self._holds(Slot.PRIMARY, candidate):
            there = {self._component: replace(candidate, slot=int(Slot.PRIMARY))}
            phase = Phase.NONE if self._flag(Slot.PRIMARY, Field.IMAGE_OK) == _FLAG_SET else Phase.MARKED
            self._keep(replace(self._record, phase=phase, now=replace(self.state, contents=there)))
        elif self._record.phase is Phase.COMMITTED:
            self._mark()
            self._keep(replace(self._record, phase=Phase.MARKED))
        elif not self._is_marked():
            before = replace(self._record.before, tried=self.state.tried, sequence=self.state.sequence)
            self._keep(_Record(Phase.NONE, before))

    def _mark(self) -> None:
        """Write the trailer, its magic last: before that the bootloader sees nothing in it."""
        if self._is_marked():
            return
        flash = self._flash[Slot.SECONDARY]
        flash.erase(self._room, flash.size - self._room)
        if self._permanent:
            self._set_flag(Slot.SECONDARY, Field.IMAGE_OK, _FLAG_SET)
        kind = SwapType.PERMANENT if self._permanent else SwapType.TEST
        self._set_flag(Slot.SECONDARY, Field.SWAP_INFO, kind)
        flash.write(flash.size - Field.MAGIC, MAGIC)

    def _is_marked(self) -> bool:
        flash = self._flash[Slot.SECONDARY]
        return flash.read(flash.size - Field.MAGIC, len(MAGIC)) == MAGIC

    def _holds(self, slot: Slot, content: Content) -> bool:
        return hashlib.sha256(self._flash[slot].read(0, content.size)).digest() == content.sha256

    def _flag(self, slot: Slot, name: Field) -> int:
        flash = self._flash[slot]
        return flash.read(flash.size - name, 1)[0]

    def _set_flag(self, slot: Slot, name: Field, value: int) -> None:
        flash = self._flash[slot]
        if self._flag(slot, name) == ERASED:
            flash.write(flash.size - name, padded(bytes([value]), _FLAG_SIZE))
