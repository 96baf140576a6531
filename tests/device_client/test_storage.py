"""Files, vault and software state: whole or absent, bounded, erased for good."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from cose.keys import thumbprint
from device_client.emulator.storage.files import DeviceFiles, StorageError
from device_client.emulator.storage.manifests import MAX_MANIFESTS, Manifests
from device_client.emulator.storage.memory import MemoryFiles
from device_client.emulator.storage.preferences import Preferences, PreferencesFile
from device_client.emulator.storage.software import MAX_COMPONENT, SoftwareStore
from device_client.emulator.storage.vault import Vault
from suit.digest import Digest
from suit.templates import APPLICATION_DATA, IMAGE, component_id
from tests.device_client.pki import Pki


@pytest.fixture
def files(tmp_path: Path) -> DeviceFiles:
    return DeviceFiles(tmp_path / "device")


def test_a_write_replaces_the_file_for_its_owner_only(files: DeviceFiles) -> None:
    files.write("keys/a", b"one")
    files.write("keys/a", b"two")
    assert files.read("keys/a") == b"two"
    assert stat.S_IMODE(files.path("keys/a").stat().st_mode) == 0o600
    assert stat.S_IMODE(files.path("keys").stat().st_mode) == 0o700
    assert list(files.names("keys")) == ["a"]


def test_the_device_directory_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        DeviceFiles(tmp_path / "devices" / "device").write("keys/a", b"secret")
    finally:
        os.umask(before)
    for folder in ("devices", "devices/device", "devices/device/keys"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "devices/device/keys/a").stat().st_mode) == 0o600


def test_a_full_disk_is_a_storage_error_that_leaves_nothing_of_the_secret(
    files: DeviceFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write("keys/a", b"before")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="keys/a"):
            files.write("keys/a", b"secret")
    assert [path.name for path in files.path("keys").iterdir()] == ["a"]
    assert files.read("keys/a") == b"before"


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "", "a//b", ".", "a\0b"])
def test_no_name_leaves_the_directory(files: DeviceFiles, name: str) -> None:
    with pytest.raises(StorageError):
        files.write(name, b"x")


def test_a_torn_write_does_not_count_and_is_cleaned_up(files: DeviceFiles) -> None:
    files.write("keys/a", b"whole")
    files.path("keys/b.new").write_bytes(b"par")
    assert list(files.names("keys")) == ["a"]
    files.erase_leftovers("keys")
    assert not files.path("keys/b.new").exists()


def test_erasing_is_idempotent_and_takes_the_torn_write_along(files: DeviceFiles) -> None:
    files.write("keys/a", b"secret")
    files.path("keys/a.new").write_bytes(b"sec")
    files.erase("keys/a")
    files.erase("keys/a")
    files.erase("nowhere/b")
    assert list(files.root.rglob("a*")) == []


def test_a_missing_file_says_what_to_do(files: DeviceFiles) -> None:
    with pytest.raises(StorageError, match="factory"):
        files.read("record.cbor")


def test_a_device_lives_once(files: DeviceFiles) -> None:
    files.write("a", b"")
    with files.alone(), pytest.raises(StorageError, match="lives once"), DeviceFiles(files.root).alone():
        pass
    with files.alone():
        pass


def test_keys_are_named_by_their_thumbprint(files: DeviceFiles) -> None:
    vault = Vault(files)
    name, key = vault.make_key()
    assert name == thumbprint(key.public_key()) == thumbprint(vault.key(name).public_key())
    assert vault.key_names() == [name]
    vault.erase_keys([name])
    assert not vault.has_key(name)
    with pytest.raises(StorageError):
        vault.key(name)


def test_a_certificate_is_kept_once_under_its_fingerprint(files: DeviceFiles, pki: Pki) -> None:
    vault = Vault(files)
    name = vault.keep_certificate(pki.permanent.certificate)
    assert vault.keep_certificate(pki.permanent.certificate) == name
    assert vault.certificate(name) == pki.permanent.certificate


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_manifests_are_bounded_and_the_pinned_one_stays(files: DeviceFiles, kind: str) -> None:
    manifests = Manifests(files if kind == "disk" else MemoryFiles())
    pinned = bytes(32)
    manifests.keep(pinned, b"agreed", pinned=())
    for n in range(1, MAX_MANIFESTS + 3):
        manifests.keep(bytes([n]) * 32, b"m", pinned={pinned})
    assert len(manifests.names()) == MAX_MANIFESTS
    assert manifests.get(pinned) == b"agreed"
    assert manifests.get(b"\x01" * 32) is None


def test_software_is_installed_in_one_step_and_the_number_never_falls(files: DeviceFiles) -> None:
    SoftwareStore.create(files, b"image 0")
    store = SoftwareStore(files)
    assert store.installed() == Digest.of(b"image 0")
    store.write(component_id(IMAGE), b"image 1")
    assert SoftwareStore(files).read(component_id(IMAGE)) == b"image 0"
    store.commit(Digest.of(b"m1"), 7)
    store.write(component_id(IMAGE), b"image 2")
    store.commit(Digest.of(b"m2"), 3)
    again = SoftwareStore(files)
    assert (again.read(component_id(IMAGE)), again.state.sequence) == (b"image 2", 7)
    again.erase_unused()
    assert again.content(Digest.of(b"image 1").digest) == b"image 1"
    assert again.content(Digest.of(b"image 0").digest) is None
    again.settle()
    again.erase_unused()
    assert len(list(files.names("components"))) == 1


def test_beside_the_agreed_state_and_back(files: DeviceFiles) -> None:
    SoftwareStore.create(files, b"agreed")
    store = SoftwareStore(files)
    store.beside_agreed(keep=True)
    store.write(component_id(IMAGE), b"next provider's")
    store.commit(Digest.of(b"m"), 1)
    store.erase_unused()
    assert store.read(component_id(IMAGE)) == b"next provider's"
    store.return_to_agreed()
    store.erase_unused()
    assert SoftwareStore(files).read(component_id(IMAGE)) == b"agreed"


def test_components_are_known_and_bounded(files: DeviceFiles) -> None:
    SoftwareStore.create(files, b"x")
    store = SoftwareStore(files)
    assert store.supports(component_id(APPLICATION_DATA)) and not store.supports((b"radio",))
    with pytest.raises(StorageError):
        store.write(component_id(IMAGE), bytes(MAX_COMPONENT + 1))


def test_preferences_survive_and_are_erased(files: DeviceFiles) -> None:
    preferences = PreferencesFile(files)
    preferences.change(lifetime=30, candidate=b"k" * 32)
    assert PreferencesFile(files).now == Preferences(lifetime=30, candidate=b"k" * 32)
    preferences.erase()
    assert PreferencesFile(files).now == Preferences()


@pytest.mark.parametrize("name", ["software.cbor", "preferences.cbor"])
def test_damage_is_an_error_that_names_the_file(files: DeviceFiles, name: str) -> None:
    files.write(name, b"\xff\x00")
    with pytest.raises(StorageError, match=name):
        (SoftwareStore if name == "software.cbor" else PreferencesFile)(files)
