"""What a standard client is equipped with: the objects its words ask for, what changes them, its firmware."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cose.keys import PrivateKey
from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.firmware.component import FOLDER, Component
from device_client.emulator.lwm2m.firmware.objects import advanced_firmware_update, firmware_update
from device_client.emulator.lwm2m.firmware.packages import Packages, PlainPackages
from device_client.emulator.lwm2m.firmware.suit_report import ReportObject
from device_client.emulator.lwm2m.standard.connectivity import connectivity_monitoring, connectivity_statistics
from device_client.emulator.lwm2m.standard.device import client_device_object
from device_client.emulator.lwm2m.standard.sensors import location, temperature
from device_client.emulator.lwm2m.standard.simulation import Step
from device_client.emulator.lwm2m.standard.test_object import test_object
from device_client.emulator.plain.downloads import Downloads
from device_client.emulator.plain.settings import ClientSettings
from device_client.emulator.settings import Pauses
from device_client.emulator.software.payloads import Payloads
from device_client.emulator.software.software import Software
from device_client.emulator.software.suit_packages import SuitPackages
from device_client.emulator.storage.agreement_keys import AgreementKeys
from device_client.emulator.storage.files import Files
from device_client.emulator.storage.manifests import Manifests
from device_client.emulator.storage.software import SoftwareStore
from device_client.emulator.transport.wire import WireMeter
from objects.model import ObjectModel
from suit.recipient import DeviceDescription

COMPONENTS: Final = ("application", "modem")
"""Of object 33629."""
FIRST_IMAGE: Final = b"the image a standard client is born with"


@dataclass(slots=True)
class Equipment:
    """Objects beside the accounts."""

    objects: list[DeviceObject] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)
    software: list[Software] = field(default_factory=list)
    """What components hold whose packages are SUIT envelopes."""
    report: ReportObject | None = None

    def restarted(self) -> None:
        """Forget what a restart loses."""
        if self.report is not None:
            self.report.forget()

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
        files: Files,
        signs: Callable[[], PrivateKey],
    ) -> None:
        """`signs` gives the key that signs SUIT reports."""
        self._settings = settings
        self._model = model
        self._meter = meter
        self._downloads = downloads
        self._rng = rng
        self._touch = touch
        self._log = log
        self._files = files
        self._signs = signs
        self._keys = AgreementKeys(files)

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
        if equipment.software:
            self._keys.make_first()
            equipment.report = ReportObject(equipment.software, self._keys, self._signs)
            equipment.add(equipment.report.object())
        return equipment

    def _firmware(self, equipment: Equipment) -> None:
        component = self._component("firmware", equipment)
        equipment.add(firmware_update(self._model, component))

    def _advanced_firmware(self, equipment: Equipment) -> None:
        components = [self._component(name, equipment) for name in COMPONENTS]
        equipment.add(advanced_firmware_update(self._model, components))

    def _component(self, name: str, equipment: Equipment) -> Component:
        component = Component(
            name,
            packages=self._packages(name, equipment),
            open_source=self._downloads.source,
            pauses=self._pauses,
            now=_now,
            touch=self._touch,
            log=self._log,
            files=self._files,
        )
        equipment.components.append(component)
        return component

    def _packages(self, name: str, equipment: Equipment) -> Packages:
        """SUIT envelopes where the settings name an authority for them; each component has software of its own."""
        authority = self._settings.firmware_authority
        if not authority:
            return PlainPackages()
        place = f"{FOLDER}/{name}/"
        software = Software(
            SoftwareStore.opened(self._files, place, FIRST_IMAGE),
            Manifests(self._files, place),
            DeviceDescription(self._settings.vendor_id, self._settings.class_id),
            self._keys.openers,
            self._log,
        )
        equipment.software.append(software)
        payloads = Payloads(self._downloads.source, self._pauses, self._log)
        return SuitPackages(software, lambda: authority, payloads.fetch, self._log)

    def _pauses(self) -> Pauses:
        return Pauses(self._settings.run.retry_min, self._settings.run.retry_max, self._rng)


def _now() -> int:
    return int(time.time())
