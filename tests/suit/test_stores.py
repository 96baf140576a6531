"""Every store keeps the contract; what is particular to each is tested here too."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from suit.digest import Digest
from suit.metadata import ComponentMetadata, FileType
from suit.stores.flash import MemoryFlash
from suit.stores.folder import FolderStore
from suit.stores.mcuboot import McubootStore
from suit.stores.memory import MemoryStore
from suit.stores.pages import Pages
from suit.stores.slots import SlotStore
from suit.stores.state import State
from suit.testing.store_contract import FIRST, IMAGE, NEW, OLD, SECOND, ComponentStoreContract, OpenStore
from tests.suit.flashes import boot

OTHER = (b"settings",)


class TestFolder(ComponentStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: FolderStore(tmp_path / "device", [IMAGE, OTHER], max_size=4096)

    def test_everything_is_for_the_owner_alone_and_named_by_hashes(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path / "device", [IMAGE, OTHER])
        store.write(IMAGE, OLD)
        store.commit(FIRST, 1)
        store.write(IMAGE, NEW, ComponentMetadata(file_type=FileType.REGULAR))
        store.commit(SECOND, 2)
        files = [path for path in (tmp_path / "device").rglob("*") if path.is_file()]
        assert {path.name for path in files} == {"state", hashlib.sha256(NEW).hexdigest()}
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "device").rglob("*") if path.is_dir()} == {0o700}
        found = store.path(IMAGE)
        assert found is not None
        assert found.read_bytes() == NEW
        assert store.metadata(IMAGE) == ComponentMetadata(file_type=FileType.REGULAR)

    def test_decayed_content_is_nothing(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path, [IMAGE])
        store.write(IMAGE, OLD)
        store.commit(FIRST, 1)
        found = store.path(IMAGE)
        assert found is not None
        found.write_bytes(b"decayed")
        assert store.read(IMAGE) is None

    def test_what_is_unlinked_is_gone(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path, [IMAGE])
        store.write(IMAGE, OLD)
        store.commit(FIRST, 1)
        store.unlink(IMAGE)
        assert store.read(IMAGE) is None
        store.commit(SECOND, 2)
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["state"]

    def test_a_damaged_record_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_bytes(b"\xa0")
        with pytest.raises(OSError, match="damaged"):
            FolderStore(tmp_path, [IMAGE])


class TestSlots(ComponentStoreContract):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        record, slots = MemoryFlash(8192), (MemoryFlash(), MemoryFlash())
        return lambda: SlotStore(record, {IMAGE: slots})

    def test_slots_take_turns(self, open_store: OpenStore) -> None:
        for number in range(5):
            store = open_store()
            assert store.slot(IMAGE) == number % 2
            store.write(IMAGE, b"%d" % number)
            store.commit(FIRST, number)


class TestMcuboot(ComponentStoreContract):
    @pytest.fixture
    def flash(self) -> tuple[MemoryFlash, MemoryFlash, MemoryFlash]:
        return MemoryFlash(), MemoryFlash(), MemoryFlash(8192)

    @pytest.fixture
    def open_store(self, flash: tuple[MemoryFlash, MemoryFlash, MemoryFlash]) -> OpenStore:
        return lambda: McubootStore(IMAGE, *flash)

    def test_the_trailer_asks_for_a_trial(self, flash: tuple[MemoryFlash, MemoryFlash, MemoryFlash]) -> None:
        store = McubootStore(IMAGE, *flash)
        store.write(IMAGE, NEW)
        store.commit(FIRST, 1)
        trailer = "02ffffffffffffff ffffffffffffffff ffffffffffffffff 77c295f360d2ef7f3552500f2cb67980"
        assert flash[1].content[-40:] == bytes.fromhex(trailer)

    def test_a_permanent_one_has_its_image_ok(self, flash: tuple[MemoryFlash, MemoryFlash, MemoryFlash]) -> None:
        store = McubootStore(IMAGE, *flash, permanent=True)
        store.write(IMAGE, NEW)
        store.commit(FIRST, 1)
        trailer = "03ffffffffffffff ffffffffffffffff 01ffffffffffffff 77c295f360d2ef7f3552500f2cb67980"
        assert flash[1].content[-40:] == bytes.fromhex(trailer)
        boot(flash[0], flash[1])
        boot(flash[0], flash[1])
        assert McubootStore(IMAGE, *flash).read(IMAGE) == NEW
        assert flash[0].content[: len(NEW)] == NEW

    def test_trial_and_confirmation(self, flash: tuple[MemoryFlash, MemoryFlash, MemoryFlash]) -> None:
        self._install(flash, OLD, FIRST)
        store = self._install(flash, NEW, SECOND, confirm=False)
        assert store.on_trial
        assert store.read(IMAGE) == NEW
        with pytest.raises(OSError, match="confirm"):
            store.write(IMAGE, OLD)
        store.confirm()
        boot(flash[0], flash[1])
        store = McubootStore(IMAGE, *flash)
        assert (store.read(IMAGE), store.installed(), store.on_trial) == (NEW, SECOND, False)

    def test_without_confirmation_all_is_as_before(self, flash: tuple[MemoryFlash, MemoryFlash, MemoryFlash]) -> None:
        self._install(flash, OLD, FIRST)
        self._install(flash, NEW, SECOND, confirm=False)
        boot(flash[0], flash[1])
        store = McubootStore(IMAGE, *flash)
        assert (store.read(IMAGE), store.installed(), store.attempted()) == (OLD, FIRST, SECOND)
        assert flash[0].content[: len(OLD)] == OLD

    def test_an_image_leaves_the_trailer_alone(self, flash: tuple[MemoryFlash, MemoryFlash, MemoryFlash]) -> None:
        store = McubootStore(IMAGE, *flash)
        with pytest.raises(OSError, match="at most 61440"):
            store.write(IMAGE, bytes(61441))
        with pytest.raises(OSError, match="emptied"):
            store.unlink(IMAGE)

    @staticmethod
    def _install(
        flash: tuple[MemoryFlash, MemoryFlash, MemoryFlash], image: bytes, manifest: Digest, *, confirm: bool = True
    ) -> McubootStore:
        store = McubootStore(IMAGE, *flash)
        store.begin(manifest, 1)
        store.write(IMAGE, image)
        store.commit(manifest, 1)
        boot(flash[0], flash[1])
        store = McubootStore(IMAGE, *flash)
        if confirm:
            store.confirm()
        return store


def test_memory_keeps_to_its_components() -> None:
    with pytest.raises(OSError, match="component"):
        MemoryStore({}).write(IMAGE, b"")


def test_flash_has_rules() -> None:
    flash = MemoryFlash(8192)
    flash.write(8, bytes(8))
    for wrong in (
        lambda: flash.write(8, bytes(8)),
        lambda: flash.write(4, bytes(8)),
        lambda: flash.write(16, bytes(7)),
        lambda: flash.erase(8, 4096),
        lambda: flash.read(8190, 3),
    ):
        with pytest.raises(OSError, match=r"."):
            wrong()
    with pytest.raises(ValueError, match="sectors"):
        MemoryFlash(5000)


def test_pages_have_a_size() -> None:
    with pytest.raises(OSError, match="two sectors"):
        Pages(MemoryFlash(4096))
    with pytest.raises(OSError, match="at most"):
        Pages(MemoryFlash(8192)).replace(bytes(4096))


def test_a_state_both_ways() -> None:
    assert State.decode(State().encode()) == State()
