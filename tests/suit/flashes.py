"""Flash that loses power inside an operation, and what MCUboot does with its slots at a start."""

from __future__ import annotations

from dataclasses import dataclass, field

from suit.stores.flash import MemoryFlash, padded
from suit.stores.mcuboot import MAGIC, TRAILER, Field
from tests.suit.stores import PowerCut


@dataclass
class Power:
    """Goes at the n-th operation of all who share it; half of that operation is done."""

    cut_at: int = -1
    operations: int = 0

    def use(self) -> bool:
        """One more operation; False when it is the last one."""
        self.operations += 1
        return self.operations != self.cut_at


@dataclass
class CutFlash(MemoryFlash):
    """Cut in the middle of a write or an erase."""

    power: Power = field(default_factory=Power)

    def write(self, offset: int, data: bytes) -> None:
        if self.power.use():
            super().write(offset, data)
            return
        super().write(offset, data[: len(data) // 2 // self.unit * self.unit])
        raise PowerCut

    def erase(self, offset: int, count: int) -> None:
        if self.power.use():
            super().erase(offset, count)
            return
        super().erase(offset, count // 2 // self.sector * self.sector)
        raise PowerCut


def boot(primary: MemoryFlash, secondary: MemoryFlash) -> None:
    """What MCUboot does: swap what is asked for, swap back what was on trial and not confirmed."""
    asked = secondary.content[-Field.MAGIC :] == MAGIC
    tried = primary.content[-Field.MAGIC :] == MAGIC and _flag(primary, Field.COPY_DONE)
    if asked:
        _swap(primary, secondary, confirmed=_flag(secondary, Field.IMAGE_OK))
    elif tried and not _flag(primary, Field.IMAGE_OK):
        _swap(primary, secondary, confirmed=True)


def _flag(flash: MemoryFlash, name: Field) -> bool:
    return flash.content[-name] == 1


def _swap(primary: MemoryFlash, secondary: MemoryFlash, *, confirmed: bool) -> None:
    end = primary.size - TRAILER
    images = bytes(secondary.content[:end]), bytes(primary.content[:end])
    for flash, image in zip((primary, secondary), images, strict=True):
        flash.content[:] = image + b"\xff" * TRAILER
    primary.content[-Field.COPY_DONE : -Field.IMAGE_OK] = padded(b"\1", 8)
    primary.content[-Field.MAGIC :] = MAGIC
    if confirmed:
        primary.content[-Field.IMAGE_OK : -Field.MAGIC] = padded(b"\1", 8)
