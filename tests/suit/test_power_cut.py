"""Power is cut at every store operation, and inside each one of flash and disk; what runs is all old or all new."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import suit
from suit import ComponentId, VerifiedEnvelope
from suit.numbers import CommandCode, ManifestKey
from suit.processor import uninstall
from suit.stores.base import DurableStore
from suit.stores.folder import FolderStore
from suit.stores.mcuboot import McubootStore
from suit.stores.slots import SlotStore
from suit.templates import command
from tests.suit.flashes import CutFlash, Power, boot
from tests.suit.samples import DEVICE, NEW, OLD, SETTINGS, reset, run, signed, update, update_envelope
from tests.suit.stores import IMAGE_ID, CutStore, PowerCut

CONFIGURATION, DATA = (suit.component_id(c) for c in (suit.CONFIGURATION, suit.APPLICATION_DATA))
START: dict[ComponentId, bytes | None] = {IMAGE_ID: OLD, CONFIGURATION: b"theirs", DATA: b"secrets"}

CASES = {
    "update": (update_envelope(), {**START, IMAGE_ID: NEW}),
    "reset": (signed(reset(), {suit.CONFIGURATION_URI: SETTINGS}), {**START, CONFIGURATION: SETTINGS, DATA: b""}),
    "reset with image": (
        signed(reset(image=NEW, install_image=True), {suit.CONFIGURATION_URI: SETTINGS, suit.IMAGE_URI: NEW}),
        {IMAGE_ID: NEW, CONFIGURATION: SETTINGS, DATA: b""},
    ),
}


def _last(store: CutStore) -> int:
    return store.sequence


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("staging_survives", [False, True])
def test_every_operation(case: str, after: bool, staging_survives: bool) -> None:
    envelope, goal = CASES[case]
    for cut_at in itertools.count(1):
        store = CutStore(dict(START), cut_at=cut_at, after=after)
        if not _cut(envelope, store):
            break
        assert store.components in (START, goal)
        if not staging_survives:
            store.staged.clear()
        store.cut_at = -1
        result = run(envelope, store, _last(store))
        assert store.components == goal
        assert result.digest == store.manifest
        assert store.started
    assert cut_at > 5


def test_cut_twice() -> None:
    envelope, goal = CASES["reset with image"]
    for first, second in itertools.product(range(1, 12), repeat=2):
        store = CutStore(dict(START), cut_at=first)
        _cut(envelope, store)
        store.cut_at = store.operations + second
        _cut(envelope, store)
        store.cut_at = -1
        run(envelope, store, _last(store))
        assert store.components == goal


def _cut(envelope: VerifiedEnvelope, store: CutStore) -> bool:
    try:
        run(envelope, store, _last(store))
    except PowerCut:
        return True
    return False


UNLINK = command(CommandCode.DIRECTIVE_UNLINK)
REMOVABLE = signed(
    replace(update(), sequences={**update().sequences, ManifestKey.UNINSTALL: (UNLINK,)}), {suit.IMAGE_URI: NEW}
)


@pytest.mark.parametrize("after", [False, True])
def test_every_operation_of_a_removal(after: bool) -> None:
    for cut_at in itertools.count(1):
        store = CutStore({IMAGE_ID: NEW}, manifest=REMOVABLE.digest, cut_at=cut_at, after=after)
        try:
            uninstall(REMOVABLE, device=DEVICE, store=store)
        except PowerCut:
            assert store.components[IMAGE_ID] in (NEW, None)
        else:
            break
        store.cut_at = -1
        uninstall(REMOVABLE, device=DEVICE, store=store)
        assert store.components == {IMAGE_ID: None}
    assert cut_at >= 3


# ---- stores on flash and disk -------------------------------------------------------------------


class CutFolderStore(FolderStore):
    """Cut in the middle of writing or erasing a file."""

    def __init__(self, folder: Path, power: Power) -> None:
        self._power = power
        super().__init__(folder, [IMAGE_ID])

    def _write(self, path: Path, data: bytes) -> None:
        if self._power.use():
            super()._write(path, data)
            return
        path.with_name(f".{path.name}.torn").write_bytes(data[: len(data) // 2])
        raise PowerCut

    def _erase(self, path: Path) -> None:
        if not self._power.use():
            raise PowerCut
        super()._erase(path)


class Machine:
    """A device whose power can go at any moment. `start` is what happens at each start before anything else."""

    def __init__(self, power: Power, open_store: Callable[[], DurableStore], start: Callable[[], None]) -> None:
        self.power = power
        self.open_store = open_store
        self.start = start

    def install(self, envelope: VerifiedEnvelope) -> None:
        """Start, process until the manifest runs, start again, and confirm."""
        self.start()
        store = self.open_store()
        confirm(store)
        run(envelope, store, store.state.sequence)
        self.start()
        confirm(self.open_store())

    def running(self) -> bytes | None:
        """What runs after a start."""
        self.start()
        return self.open_store().read(IMAGE_ID)


def confirm(store: DurableStore) -> None:
    if isinstance(store, McubootStore):
        store.confirm()


def folder_machine(tmp_path: Path) -> Machine:
    power = Power()
    return Machine(power, lambda: CutFolderStore(tmp_path, power), lambda: None)


def slots_machine(_: Path) -> Machine:
    power = Power()
    flash = [CutFlash(8192, power=power) for _ in range(3)]
    return Machine(power, lambda: SlotStore(flash[0], {IMAGE_ID: (flash[1], flash[2])}), lambda: None)


def mcuboot_machine(_: Path) -> Machine:
    power = Power()
    primary, secondary, record = (CutFlash(16384, power=power) for _ in range(3))
    return Machine(power, lambda: McubootStore(IMAGE_ID, primary, secondary, record), lambda: boot(primary, secondary))


BEFORE = update_envelope(3, OLD)


@pytest.mark.parametrize("made", [folder_machine, slots_machine, mcuboot_machine])
def test_inside_every_operation(made: Callable[[Path], Machine], tmp_path: Path) -> None:
    for cut_at in itertools.count(1):
        machine = made(tmp_path / str(cut_at))
        machine.install(BEFORE)
        machine.power.cut_at = machine.power.operations + cut_at
        if not _cut_off(machine):
            break
        machine.power.cut_at = -1
        assert machine.running() in (OLD, NEW)
        machine.install(update_envelope())
        assert machine.running() == NEW
        assert machine.open_store().installed() == update_envelope().digest
    assert cut_at > 4


@pytest.mark.parametrize("made", [slots_machine, mcuboot_machine])
def test_inside_two_operations(made: Callable[[Path], Machine], tmp_path: Path) -> None:
    for first, second in itertools.product(range(1, 16, 2), range(1, 8)):
        machine = made(tmp_path)
        machine.install(BEFORE)
        for cut in (first, second):
            machine.power.cut_at = machine.power.operations + cut
            _cut_off(machine)
        machine.power.cut_at = -1
        assert machine.running() in (OLD, NEW)
        machine.install(update_envelope())
        assert machine.running() == NEW


def _cut_off(machine: Machine) -> bool:
    try:
        machine.install(update_envelope())
    except PowerCut:
        return True
    return False
