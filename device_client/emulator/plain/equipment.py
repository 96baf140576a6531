"""What a standard client is equipped with: the objects its words ask for, what changes them, its firmware."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.firmware.component import Component
from device_client.emulator.lwm2m.firmware.objects import advanced_firmware_update, firmware_update
from device_client.emulator.lwm2m.firmware.packages import FileScratch, Kind, MemoryScratch, Scratch, plain, suit
from device_client.emulator.lwm2m.standard.connectivity import connectivity_monitoring, connectivity_statistics
from device_client.emulator.lwm2m.standard.device import client_device_object
from device_client.emulator.lwm2m.standard.sensors import location, temperature
from device_client.emulator.lwm2m.standard.simulation import Step
from device_client.emulator.lwm2m.standard.test_object import test_object
from device_client.emulator.plain.downloads import Downloads
from device_client.emulator.plain.settings import ClientSettings
from device_client.emulator.settings import Pauses
from device_client.emulator.storage.files import DeviceFiles
from device_client.emulator.transport.wire import WireMeter
from objects.model import ObjectModel

FOLDER: Final = "firmware"
COMPONENTS: Final = ("application", "modem")
"""Of object 33629."""


@dataclass(slots=True)
class Equipment:
    """Objects beside the accounts."""

    objects: list[DeviceObject] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)

    def add(self, made: DeviceObject, step: Step | None = None) -> None:
        self.objects.append(made)
        if step is not None:
            self.steps.append(step)


class Workshop:
    """Makes the equipment of one device."""

    def __init__(
        self,
        settings: ClientSettings,
        model: ObjectModel,
        *,
        meter: WireMeter,
        downloads: Downloads,
        rng: random.Random,
        touch: Callable[[], None],
        log: Logger,
        files: DeviceFiles | None,
    ) -> None:
        self._settings = settings
        self._model = model
        self._meter = meter
        self._downloads = downloads
        self._rng = rng
        self._touch = touch
        self._log = log
        self._files = files

    def equip(self, endpoint: str, reboot: Callable[[], None]) -> Equipment:
        """Object 3 and what the settings ask for. Raises StorageError when what is kept of the firmware is damaged."""
        equipment = Equipment()
        early_queue = self._settings.queue_mode and self._settings.version == "1.0"
        equipment.add(*client_device_object(self._model, endpoint, _now, reboot, binding="UQ" if early_queue else "U"))
        makers: dict[str, Callable[[Equipment], None]] = {
            "connectivity": lambda e: e.add(*connectivity_monitoring(self._model)),
            "firmware": self._firmware,
            "location": lambda e: e.add(*location(self._model, _now)),
            "statistics": lambda e: e.add(connectivity_statistics(self._model, self._meter)),
            "temperature": lambda e: e.add(*temperature(self._model)),
            "test": lambda e: e.add(test_object(self._rng)),
            "advanced-firmware": self._advanced_firmware,
        }
        for word in self._settings.objects:
            makers[word](equipment)
        return equipment

    def _firmware(self, equipment: Equipment) -> None:
        component = self._component("firmware")
        equipment.components.append(component)
        equipment.add(firmware_update(self._model, component))

    def _advanced_firmware(self, equipment: Equipment) -> None:
        components = [self._component(name) for name in COMPONENTS]
        equipment.components += components
        equipment.add(advanced_firmware_update(self._model, components))

    def _component(self, name: str) -> Component:
        run = self._settings.run
        return Component(
            f"{FOLDER}/{name}" if self._files is not None else name,
            scratch=self._scratch(name),
            kind=self._kind(),
            open_source=self._downloads.source,
            pauses=lambda: Pauses(run.retry_min, run.retry_max, self._rng),
            now=_now,
            touch=self._touch,
            log=self._log,
            files=self._files,
        )

    def _scratch(self, name: str) -> Scratch:
        return MemoryScratch() if self._files is None else FileScratch(self._files, f"{FOLDER}/{name}.package")

    def _kind(self) -> Kind:
        return suit(self._settings.firmware_authority) if self._settings.firmware_authority else plain


def _now() -> int:
    return int(time.time())
