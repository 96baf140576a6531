"""The device's record as one file, replaced as a whole."""

from __future__ import annotations

from typing import Final

from device_client.emulator.storage.files import DeviceFiles, StorageError
from trust_transfer.device import codec
from trust_transfer.device.record import DeviceRecord

FILE: Final = "record.cbor"


class RecordFile:
    """Loads and saves the record of one device."""

    def __init__(self, files: DeviceFiles) -> None:
        self._files = files

    def load(self) -> DeviceRecord:
        """Raises StorageError when the device was not installed or the file is damaged."""
        try:
            return codec.decode(self._files.read(FILE))
        except codec.RecordError as error:
            raise StorageError(f"{FILE}: {error}") from error

    def save(self, record: DeviceRecord) -> None:
        self._files.write(FILE, codec.encode(record))
