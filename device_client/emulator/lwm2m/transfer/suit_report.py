"""Object 33004 (SUIT Report): what became of the manifest processed last, signed when it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cose.keys import PrivateKey
from device_client.emulator.life.software import Software
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Content
from secure_coap.errors import BadRequest
from suit.report import MAX_NONCE
from trust_transfer.device.events import Source

MIN_NONCE: Final = 8


class ReportObject:
    """`key` gives the key that signs: the factory key, which stays with a device whoever manages it."""

    def __init__(self, software: Software, key: Callable[[], PrivateKey]) -> None:
        self._software = software
        self._key = key
        self._nonce: bytes | None = None
        self._signed: tuple[bytes, bytes] | None = None

    def object(self) -> DeviceObject:
        return DeviceObject.single("SUIT Report", readers={"Report": self._read}, writers={"Nonce": self._write_nonce})

    def forget(self) -> None:
        """A restart loses the nonce."""
        self._nonce = None

    def _read(self) -> bytes | None:
        report = self._software.report
        if report is None:
            return None
        unsigned = replace(report, nonce=self._nonce)
        encoded = unsigned.encode()
        if self._signed is None or self._signed[0] != encoded:
            self._signed = encoded, unsigned.sign(self._key())
        return self._signed[1]

    def _write_nonce(self, content: Content, source: Source) -> None:
        if not isinstance(content, bytes) or not MIN_NONCE <= len(content) <= MAX_NONCE:
            raise BadRequest(f"a nonce has {MIN_NONCE} to {MAX_NONCE} bytes")
        self._nonce = content
