"""Settings of the present provider that are no matter of trust; a reset erases them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from cose import cbor
from device_client.emulator.storage.files import DeviceFiles, StorageError

FILE: Final = "preferences.cbor"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a server may set. Times in seconds; None: the device's own default."""

    lifetime: int | None = None
    renew_before: int | None = None
    candidate: bytes | None = None
    """Thumbprint of a key whose certificate is being asked for: a repeated try asks for the same key."""


class PreferencesFile:
    """The settings in memory and on disk; every change is durable when `change` returns."""

    def __init__(self, files: DeviceFiles) -> None:
        self._files = files
        self.now = self._load()

    def change(self, **changes: int | bytes | None) -> None:
        changed = replace(self.now, **changes)  # type: ignore[arg-type]
        self._files.write(FILE, cbor.encode([changed.lifetime, changed.renew_before, changed.candidate]))
        self.now = changed

    def erase(self) -> None:
        self._files.erase(FILE)
        self.now = Preferences()

    def _load(self) -> Preferences:
        if not self._files.exists(FILE):
            return Preferences()
        try:
            lifetime, renew_before, candidate = cbor.decode(self._files.read(FILE), max_size=1024)
        except (ValueError, TypeError) as error:
            raise StorageError(f"{FILE} is damaged: remove it, the server can set it again") from error
        return Preferences(lifetime, renew_before, candidate)
