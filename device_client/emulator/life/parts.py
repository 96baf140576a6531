"""The parts of one device, put together once when it starts."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.serialization import Encoding

from device_client.emulator.life.credentials import Credentials
from device_client.emulator.life.enrolling import Enroller
from device_client.emulator.life.host import TransferHost
from device_client.emulator.life.links import Links
from device_client.emulator.life.provider import firmware_authority, is_moving
from device_client.emulator.life.sessions import Sessions
from device_client.emulator.life.sources import Sources
from device_client.emulator.life.trust import Trust
from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.dispatch import Dispatcher
from device_client.emulator.lwm2m.firmware.component import Component
from device_client.emulator.lwm2m.firmware.objects import firmware_update
from device_client.emulator.lwm2m.firmware.suit_report import ReportObject
from device_client.emulator.lwm2m.reading import BY_VERSION
from device_client.emulator.lwm2m.registration import VERSION
from device_client.emulator.lwm2m.standard.device import device_object
from device_client.emulator.lwm2m.standard.sensors import location, reset_extremes, temperature
from device_client.emulator.lwm2m.standard.simulation import Simulation
from device_client.emulator.lwm2m.transfer.access import TransferAccess
from device_client.emulator.lwm2m.transfer.enrollment import enrollment_object
from device_client.emulator.lwm2m.transfer.server import server_object
from device_client.emulator.lwm2m.transfer.trust_transfer import Nonce, fallback_object, transfer_object
from device_client.emulator.lwm2m.tree import ObjectTree
from device_client.emulator.orders import Order, Orders
from device_client.emulator.settings import Pauses, RunSettings
from device_client.emulator.software.payloads import Payloads
from device_client.emulator.software.software import Software
from device_client.emulator.software.suit_packages import SuitPackages
from device_client.emulator.storage import identity
from device_client.emulator.storage.agreement_keys import AgreementKeys
from device_client.emulator.storage.files import DeviceFiles
from device_client.emulator.storage.identity import FactoryRecord
from device_client.emulator.storage.manifests import Manifests
from device_client.emulator.storage.preferences import PreferencesFile
from device_client.emulator.storage.record_file import RecordFile
from device_client.emulator.storage.software import SoftwareStore
from device_client.emulator.storage.vault import Vault
from device_client.emulator.transport.wire import WireMeter
from objects.model import MODEL
from suit.digest import Digest
from suit.recipient import DeviceDescription
from trust_transfer.device.facts import Facts, Pace
from trust_transfer.messages.values import SuitDigest


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a device gets from outside: time, chance, patience, a log."""

    settings: RunSettings
    log: Logger
    rng: random.Random
    now: Callable[[], int] = lambda: int(time.time())
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything one device consists of."""

    outside: Surroundings
    factory: FactoryRecord
    vault: Vault
    preferences: PreferencesFile
    manifests: Manifests
    software_store: SoftwareStore
    software: Software
    agreement_keys: AgreementKeys
    firmware: Component
    report: ReportObject
    nonce: Nonce
    host: TransferHost
    trust: Trust
    sessions: Sessions
    enroller: Enroller
    credentials: Credentials
    orders: Orders
    dispatcher: Dispatcher
    links: Links
    thermometers: DeviceObject
    simulation: Simulation
    conversation: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the device talks to its servers: normal operation and a transfer's steps exclude each other."""

    @property
    def log(self) -> Logger:
        return self.outside.log

    def forget_volatile(self) -> None:
        """What a restart loses: the nonce, open orders, and what was measured since power on."""
        self.nonce.forget()
        self.credentials.forget_volatile()
        self.report.forget()
        self.orders.clear()
        reset_extremes(self.thermometers)

    def lifetime(self) -> int:
        """The LwM2M lifetime, seconds: the server's wish, else the run's, else the factory's."""
        return lifetime(self.preferences, self.outside.settings, self.factory)


def lifetime(preferences: PreferencesFile, settings: RunSettings, factory: FactoryRecord) -> int:
    return preferences.now.lifetime or settings.lifetime or factory.require().lifetime


def assemble(files: DeviceFiles, outside: Surroundings) -> Parts:
    """The device whose directory this is. Raises StorageError when it was not installed or is damaged."""
    factory = identity.load(files)
    installed = factory.require()
    vault, preferences, agreement_keys = Vault(files), PreferencesFile(files), AgreementKeys(files)
    store, manifests = SoftwareStore(files), Manifests(files)
    description = DeviceDescription(installed.vendor_id, installed.class_id)
    software = Software(store, manifests, description, agreement_keys.openers, outside.log)
    nonce, orders = Nonce(), Orders()
    pace = Pace(outside.settings.retry_min, outside.settings.retry_max)
    permanent = installed.permanent_anchor.public_bytes(Encoding.DER)

    def facts() -> Facts:
        return Facts(
            running=named(software.running),
            manifests=frozenset(map(named, software.signed_by(host.record.account.authorities.firmware))),
            nonce=nonce.value,
            permanent_anchor=permanent,
            pace=pace,
        )

    host = TransferHost(RecordFile(files), facts, outside.now, outside.log)

    def no_earlier_than_known() -> int:
        """A clock set back makes no expired certificate valid again."""
        return max(outside.now(), host.record.time_floor)

    trust = Trust(vault, installed.permanent_anchor, no_earlier_than_known)
    sessions = Sessions(
        trust,
        outside.settings,
        WireMeter(),
        outside.log,
        schemes=lambda: host.record.minimum.schemes,
        lab=installed.lab,
    )
    enroller = Enroller(factory.endpoint, sessions, trust, vault)
    credentials = Credentials(
        factory=factory,
        host=host,
        vault=vault,
        trust=trust,
        enroller=enroller,
        preferences=preferences,
        now=no_earlier_than_known,
        renew_at=outside.settings.renew_at,
    )
    report = ReportObject([software], agreement_keys, lambda: credentials.factory().private_key)
    sources = Sources(host, credentials, sessions, lab=installed.lab)

    def touch() -> None:
        dispatcher.tree.touch()

    def pauses() -> Pauses:
        return Pauses(outside.settings.retry_min, outside.settings.retry_max, outside.rng)

    firmware = Component(
        "firmware",
        packages=SuitPackages(
            software,
            lambda: firmware_authority(host.record),
            Payloads(sources.source, pauses, outside.log).fetch,
            outside.log,
            beside=lambda: is_moving(host.record),
        ),
        open_source=sources.source,
        pauses=pauses,
        now=outside.now,
        touch=touch,
        log=outside.log,
        files=files,
        ordered=lambda: orders.give(Order.FIRMWARE),
    )
    place, walk = location(MODEL, outside.now)
    thermometers, warm = temperature(MODEL)
    objects = (
        server_object(
            preferences,
            lambda: lifetime(preferences, outside.settings, factory),
            lambda: orders.give(Order.UPDATE),
        ),
        device_object(factory.endpoint, outside.now, lambda: orders.give(Order.REBOOT)),
        firmware_update(MODEL, firmware),
        report.object(),
        transfer_object(host, nonce),
        enrollment_object(host, credentials, vault, preferences, lambda: orders.give(Order.ENROLL)),
        fallback_object(host),
        place,
        thermometers,
    )
    dispatcher = Dispatcher(
        ObjectTree(objects, TransferAccess(lambda: host.record.state)), content_formats=BY_VERSION[VERSION]
    )
    simulation = Simulation(factory.endpoint, (walk, warm), dispatcher.tree.touch)
    links = Links(factory.endpoint, host, sessions, dispatcher, outside.log)
    return Parts(
        outside=outside,
        factory=factory,
        vault=vault,
        preferences=preferences,
        manifests=manifests,
        software_store=store,
        software=software,
        agreement_keys=agreement_keys,
        firmware=firmware,
        report=report,
        nonce=nonce,
        host=host,
        trust=trust,
        sessions=sessions,
        enroller=enroller,
        credentials=credentials,
        orders=orders,
        dispatcher=dispatcher,
        links=links,
        thermometers=thermometers,
        simulation=simulation,
    )


def named(digest: Digest) -> SuitDigest:
    """A manifest's digest as the transfer's messages have it."""
    return SuitDigest(digest.alg, digest.digest)
