"""The contract of a `ComponentStore`, as tests: subclass it, say how a store is opened, run pytest.

class TestMyStore(ComponentStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path):
        return lambda: MyStore(tmp_path, [IMAGE])

`open_store` opens the same storage again and again, as each start of the device does; at first it is empty. The store
has the component IMAGE, with room for 4 KiB, and nothing called UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from suit.common import ComponentId
from suit.digest import Digest
from suit.store import ComponentStore

IMAGE: Final[ComponentId] = (b"image",)
UNKNOWN: Final[ComponentId] = (b"image", b"..", b"/etc/passwd")
FIRST, SECOND = Digest.of(b"first manifest"), Digest.of(b"second manifest")
OLD, NEW = b"old image" * 10, b"new image" * 400
MANY: Final = 1 << 24
"""Bytes no component has room for."""

OpenStore = Callable[[], ComponentStore]


class ComponentStoreContract:
    """What the processor relies on."""

    def test_an_empty_store(self, open_store: OpenStore) -> None:
        store = open_store()
        assert store.supports(IMAGE)
        assert not store.supports(UNKNOWN)
        assert store.read(IMAGE) is None
        assert store.installed() is None
        assert store.attempted() is None

    def test_what_is_committed_is_there_after_a_restart(self, open_store: OpenStore) -> None:
        store = open_store()
        store.begin(FIRST, 1)
        store.write(IMAGE, OLD)
        store.commit(FIRST, 1)
        for found in (store, open_store()):
            assert (found.read(IMAGE), found.installed(), found.attempted()) == (OLD, FIRST, FIRST)

    def test_what_is_staged_is_read_and_not_installed(self, open_store: OpenStore) -> None:
        store = open_store()
        store.begin(FIRST, 1)
        store.write(IMAGE, NEW)
        assert store.read(IMAGE) == NEW
        assert store.installed() is None
        assert open_store().read(IMAGE) is None

    def test_the_last_write_counts(self, open_store: OpenStore) -> None:
        store = open_store()
        store.begin(FIRST, 1)
        for content in (NEW, b"", OLD):
            store.write(IMAGE, content)
            assert store.read(IMAGE) == content
        store.commit(FIRST, 1)
        assert store.read(IMAGE) == open_store().read(IMAGE) == OLD

    @pytest.mark.parametrize("way", ["discard", "begin"])
    def test_staging_is_forgotten(self, open_store: OpenStore, way: str) -> None:
        store = open_store()
        store.begin(FIRST, 1)
        store.write(IMAGE, OLD)
        if way == "discard":
            store.discard()
        else:
            store.begin(SECOND, 2)
        assert store.read(IMAGE) is None
        store.commit(SECOND, 2)
        assert store.read(IMAGE) is None

    def test_an_attempt_is_durable(self, open_store: OpenStore) -> None:
        open_store().begin(SECOND, 2)
        assert open_store().attempted() == SECOND
        assert open_store().installed() is None

    def test_too_many_bytes_change_nothing(self, open_store: OpenStore) -> None:
        store = open_store()
        store.begin(FIRST, 1)
        store.write(IMAGE, OLD)
        with pytest.raises(OSError, match=r"."):
            store.write(IMAGE, bytes(MANY))
        store.discard()
        assert store.read(IMAGE) is None

    def test_an_unknown_component_is_not_written(self, open_store: OpenStore) -> None:
        store = open_store()
        store.begin(FIRST, 1)
        with pytest.raises(OSError, match=r"."):
            store.write(UNKNOWN, NEW)
