"""The story: the life of a device (docs/explanation/life-cycle.md) step by step, brought about by commands.

Each method is one step. What it leaves for later ones is in `Notes`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509

from cose.keys import save_public_key
from device_pki.bag import decode_x5bag, encode_x5bag
from device_pki.fingerprints import der
from device_pki.keys import public_key
from device_pki.names import endpoint_name
from lwm2m_server.demo.cast import Cast
from lwm2m_server.demo.clone import was_refused
from lwm2m_server.demo.hierarchy import PERMANENT
from lwm2m_server.demo.operators import DEVICE, PATIENCE_SECONDS, Operator, StoryFailed, devices_say, insist, until
from lwm2m_server.demo.plan import Plan
from lwm2m_server.demo.processes import CommandFailed, run
from lwm2m_server.demo.progress import Progress
from lwm2m_server.demo.world import SERVER, World
from lwm2m_server.fleet.profiles import Profile

GROUP = "meters"
VENDOR = "7c1d6a6a-93b1-4a4e-8d0c-5d1c9e0a4f10"
DEVICE_CLASS = "2f6a3a54-5f0b-4f0e-9a3d-1f0c8f6f2b77"
LIFETIME = 10
"""Seconds; a device notices within half of it that its server was started again."""
WINDOW = 3600
IMAGE_SIZE = 6000
RENEW = "/33002/0/7"
MAX_BAG = 1000
"""Devices of a run."""
AT_ONCE = 4
"""Commands typed side by side."""

STEPS = {
    "setup": "Five organisations make keys and start their servers",
    "factory": "Factory: keys on the devices, certificates in a batch",
    "enrollment": "Initial enrollment with CA1, registration at SP1",
    "firmware": "SUIT firmware push to the group; re-enrollment",
    "agreement": "Agreement: profiles, device list, CA2, template",
    "delivery": "TransferMessages delivered to the devices",
    "switch-over": "Reset, enrollment with CA2, registration at SP2, commit",
    "exceptions": "One fell back, one was cancelled, one missed its window",
    "completion": "Receipts, releases, revocation of the old certificates",
    "clone": "A clone of a moved device is refused by SP1 and CA1",
    "books": "Both books, CA1's list and every device's files agree",
}


@dataclass(slots=True)
class Notes:
    """What one step leaves for the next."""

    cast: Cast = field(default_factory=lambda: Cast("", "", "", ()))
    ca_uris: Mapping[Profile, str] = field(default_factory=dict)
    agreed_state: str = ""
    cti: str = ""
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the devices said before anything was offered."""
    sleeper_latest: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line wants of a run."""

    devices: int
    form: str
    plan: Plan
    update_first: bool


@dataclass(slots=True)
class Story:
    """One run."""

    world: World
    progress: Progress
    order: Order
    patience: float
    """Seconds given to what takes one or two where nothing disturbs it."""
    sp1: Operator
    sp2: Operator
    notes: Notes = field(default_factory=Notes)

    # ---- 1 factory ------------------------------------------------------------------------------

    async def factory(self) -> None:
        layout = self.world.layout
        csrs, bag = layout.exchange / "factory-csrs.cbor", layout.exchange / "factory.x5bag"
        make = [DEVICE, "factory", "make", "--data", str(layout.devices), "--count", str(self.order.devices)]
        await run([*make, "--csrs", str(csrs)])
        ca = ["--ca-api", layout.https_uri(PERMANENT)]
        ca += ["--ca-certificate", str(self.world.https_certificate(PERMANENT))]
        station = [SERVER, "factory", "certify", "--csrs", str(csrs), "--out", str(bag), *ca]
        await insist([*station, "--data", str(layout.organisation("sp1"))])
        added = await self.sp1.order("devices", "add", "--bag", str(bag), "--group", GROUP)
        self.notes.ca_uris = {Profile.DTLS: added["ca_uri"], Profile.COMPACT: added["compact_ca_uri"]}
        self.notes.cast = Cast.of(added["devices"])
        certificates = {endpoint_name(one): one for one in decode_x5bag(bag.read_bytes(), MAX_BAG)}
        for profile, endpoints in self.order.plan.shares(sorted(certificates)).items():
            share = layout.exchange / f"factory-{profile}.x5bag"
            share.write_bytes(encode_x5bag([der(certificates[name]) for name in endpoints]))
            await self._install(share, profile)

    async def _install(self, bag: Path, profile: Profile) -> None:
        layout, ca1 = self.world.layout, str(self.world.certificate("ca1"))
        transfer, firmware = (self._public_key(name) for name in ("transfer", "firmware"))
        image = _image(layout.exchange / "image-1.bin", 1)
        argv = [DEVICE, "factory", "install", "--data", str(layout.devices), "--certificates", str(bag), "--lab"]
        argv += ["--permanent-anchor", str(self.world.certificate(PERMANENT)), "--ca-uri", self.notes.ca_uris[profile]]
        server = layout.coap_uri("sp1") if profile is Profile.DTLS else layout.oscore_uri("sp1")
        argv += ["--ca-anchor", ca1, "--server-uri", server, "--server-anchor", ca1, "--profile", profile]
        if self.order.plan.mixed:
            argv += ["--also", Profile.COMPACT if profile is Profile.DTLS else Profile.DTLS]
        argv += ["--transfer-authority", str(transfer), "--firmware-authority", str(firmware)]
        argv += ["--vendor-id", VENDOR.replace("-", ""), "--class-id", DEVICE_CLASS.replace("-", "")]
        argv += ["--image", str(image), "--minimum-form", self.order.form, "--lifetime", str(LIFETIME)]
        await run(argv)

    def _public_key(self, role: str) -> Path:
        """What the station is told of SP1's keys: the public half, out of the certificate."""
        chain = x509.load_pem_x509_certificates((self.world.layout.exchange / f"sp1-{role}.pem").read_bytes())
        path = self.world.layout.exchange / f"sp1-{role}-public.pem"
        save_public_key(path, public_key(chain[0]))
        return path

    # ---- 2 enrollment ---------------------------------------------------------------------------

    async def enrollment(self) -> None:
        for name in self.notes.cast.processes:
            await self.world.supervisor.start(name, self.device_process(name))
        seen: set[str] = set()
        await self._until("all devices registered at SP1", lambda: self._registered(seen))

    def device_process(self, name: str) -> list[str]:
        argv = [DEVICE, "run", "--data", str(self.world.layout.devices)]
        for endpoint in self.notes.cast.processes[name]:
            argv += ["--select", endpoint]
        return [*argv, *self._patient_devices()]

    @staticmethod
    def _patient_devices() -> list[str]:
        return ["--ack-timeout", "0.2", "--max-retransmit", "4", "--handshake-timeout", "10", "--retry-max", "2"]

    async def _registered(self, seen: set[str]) -> Any:
        """Each once; while processes are killed they may never all be there at the same moment."""
        devices = await self.sp1.look("/devices", group=GROUP) or []
        seen |= {device["endpoint"] for device in devices if device["online"] and device["registered"]}
        self.progress.detail(f"{len(seen)} of {self.order.devices}")
        return len(seen) == self.order.devices or f"{len(seen)} of {self.order.devices} registered"

    # ---- 3 firmware -----------------------------------------------------------------------------

    async def firmware(self) -> None:
        kept = self.world.layout.messages / "manifest-firmware.suit"
        digest = await self._build(self.sp1, 2, "--out", str(kept))
        await self.sp1.order("firmware", "push", digest, "--group", GROUP)
        await self._until("the firmware installed everywhere", lambda: self._pushed(digest))
        await self._renew()

    async def _renew(self) -> None:
        """Order everybody to enroll again; an order that a killed process took with it is given once more."""
        before = await self._certificates()
        await self._order_renewal("groups", GROUP)
        while True:
            try:
                return await self._until("every certificate renewed", lambda: self._renewed(before), 2 * self.patience)
            except StoryFailed:
                now = await self._certificates()
                late = [name for name in before if now[name] in {None, before[name]}]
                await asyncio.gather(*(self._order_renewal("devices", name) for name in late[:AT_ONCE]))

    async def _order_renewal(self, kind: str, name: str) -> None:
        with contextlib.suppress(CommandFailed):
            await run(self.sp1.command(kind, "execute", name, RENEW, "--wait", "20"))

    async def _build(self, operator: Operator, version: int, *extra: str) -> str:
        image = _image(self.world.layout.exchange / f"image-{version}.bin", version)
        words = ["firmware", "build", str(image), "--version", str(version), "--vendor", VENDOR]
        built = await operator.order(*words, "--class", DEVICE_CLASS, *extra)
        return str(built["digest"])

    async def _pushed(self, digest: str) -> Any:
        pushes = [push for push in await self.sp1.look("/firmware/pushes") or [] if push["digest"] == digest]
        states = [push["state"] for push in pushes]
        self.progress.detail(f"{states.count('installed')} of {self.order.devices} installed")
        return states.count("installed") == self.order.devices or _counts(states)

    async def _certificates(self) -> dict[str, str | None]:
        said = await devices_say(self.world.layout.devices)
        return {name: _serial(status) for name, status in said.items()}

    async def _renewed(self, before: Mapping[str, str | None]) -> Any:
        now = await self._certificates()
        renewed = sum(now[name] not in {None, before[name]} for name in before)
        self.progress.detail(f"{renewed} of {self.order.devices} renewed")
        return renewed == self.order.devices or f"{renewed} renewed"

    # ---- 4 agreement ----------------------------------------------------------------------------

    async def agreement(self) -> None:
        exchange = self.world.layout.exchange
        configuration = exchange / "agreed-configuration.json"
        configuration.write_text('{"interval": 900}\n')
        self.notes.agreed_state = await self._build(self.sp1, 3, "--agreed-configuration", str(configuration))
        for giver, taker in ((self.sp1, self.sp2), (self.sp2, self.sp1)):
            profile = exchange / f"{giver.name}-profile.toml"
            argv = [SERVER, "partners", "export", "--agreed-state", self.notes.agreed_state, "--out", str(profile)]
            await insist([*argv, "--config", str(self.world.layout.config(giver.name))])
            await taker.order("partners", "add", str(profile))
        await self._prepare()
        await self._until("the device list at SP2", self._announced)
        words = ["transfer", "accept", self.notes.cti, "--profile", self.order.plan.transfer]
        if self.order.update_first:
            words += ["--update-first", await self._build(self.sp2, 4)]
        await self.sp2.order(*words)
        await self._remove_entry(self.notes.cast.refused)
        await self._until("the template at SP1", self._answered)

    async def _prepare(self) -> None:
        now = int(time.time())
        cast = self.notes.cast
        self.notes.sleeper_latest = now + round(5 * self.patience)
        windows = {
            cast.cancelled: (now + WINDOW // 2, now + WINDOW),
            cast.sleeper: (now + round(4 * self.patience), self.notes.sleeper_latest),
        }
        words = ["transfer", "prepare", "--group", GROUP, "--partner", "sp2", "--form", self.order.form]
        words += ["--agreed-state", self.notes.agreed_state, "--earliest", str(now), "--latest", str(now + WINDOW)]
        for endpoint, (earliest, latest) in windows.items():
            words += ["--device-window", f"{endpoint}={earliest}..{latest}"]
        self.notes.cti = (await self.sp1.order(*words))["transfer"]

    async def _announced(self) -> Any:
        return await self.sp2.look(f"/transfers/{self.notes.cti}") is not None or "no list yet"

    async def _answered(self) -> Any:
        page = await self.sp1.look(f"/transfers/{self.notes.cti}")
        return bool(page and page["template"]) or "no template yet"

    async def _remove_entry(self, endpoint: str) -> None:
        """CA2's operator: this device gets no certificate here."""
        data = str(self.world.layout.organisation("ca2"))
        (label,) = json.loads(await insist([SERVER, "ca", "labels", "list", "--data", data, "-o", "json"]))
        # A label is base64url and may begin with a hyphen.
        await insist([SERVER, "ca", "labels", "close", "--data", data, "--", label["label"], endpoint])

    # ---- 4 delivery -----------------------------------------------------------------------------

    async def delivery(self) -> None:
        self.notes.before = await devices_say(self.world.layout.devices)
        cloned = self.notes.cast.cloned
        shutil.copytree(self.world.layout.devices / cloned, self.world.layout.clone / cloned, dirs_exist_ok=True)
        await self.sp1.order("transfer", "offer", self.notes.cti)
        # Switched off before its window opens, which is not long.
        await self._until("the sleeper's message accepted", self._sleeper_accepted)
        await self.world.supervisor.stop("sleeper")
        await self._until("every message accepted", self._delivered)

    async def _sleeper_accepted(self) -> Any:
        said = (await self.sp1.transfer(self.notes.cti)).get(self.notes.cast.sleeper, {"offers": []})
        answers = [offer["delivery"] for offer in said["offers"]]
        return answers == ["accepted"] or answers

    async def _delivered(self) -> Any:
        devices = await self.sp1.transfer(self.notes.cti)
        answers = [offer["delivery"] for device in devices.values() for offer in device["offers"]]
        accepted = answers.count("accepted")
        self.progress.detail(f"{accepted} of {self.order.devices} accepted")
        return accepted == self.order.devices or _counts(answers)

    # ---- 5 switch-over --------------------------------------------------------------------------

    async def switch_over(self) -> None:
        cast = self.notes.cast
        await self.sp1.order("transfer", "cancel", self.notes.cti, "--device", cast.cancelled)
        movers = [word for name in (cast.refused, *cast.movers) for word in ("--device", name)]
        await self.sp1.order("transfer", "start", self.notes.cti, *movers)
        await self._until("every mover committed", self._committed)

    async def _committed(self) -> Any:
        devices = await self.sp2.transfer(self.notes.cti)
        committed = sum(device["committed"] for device in devices.values())
        self.progress.detail(f"{committed} of {len(self.notes.cast.movers)} committed")
        return committed == len(self.notes.cast.movers) or f"{committed} committed"

    # ---- 6 exceptions ---------------------------------------------------------------------------

    async def exceptions(self) -> None:
        cast = self.notes.cast
        self.progress.detail(f"{cast.refused} returns to SP1")
        await self._until(f"{cast.refused} enrolled at CA1 again", self._taken_back)
        await self.sp1.order("devices", "read", cast.refused, "/3/0", "--wait", "60")
        self.progress.detail(f"{cast.sleeper} sleeps past its window")
        await self._until("the sleeper's window closed", self._window_closed)
        await self.world.supervisor.restart("sleeper")
        await self._until("the sleeper and the cancelled one settled", self._settled)

    async def _taken_back(self) -> Any:
        """With a certificate newer than the one it had, and registered with that."""
        said = (await devices_say(self.world.layout.devices))[self.notes.cast.refused]
        serial = _serial(said)
        new = serial not in {None, _serial(self.notes.before[self.notes.cast.refused])}
        page = await self.sp1.look(f"/devices/{self.notes.cast.refused}") or {}
        return bool(new and said["state"] == "idle" and page.get("online")) or (said["state"], serial)

    async def _window_closed(self) -> Any:
        left = self.notes.sleeper_latest - time.time()
        return left < 0 or f"{left:.0f} s left"

    async def _settled(self) -> Any:
        devices = await self.sp1.transfer(self.notes.cti)
        quiet = [devices.get(name) for name in (self.notes.cast.cancelled, self.notes.cast.sleeper)]
        offers = [offer["settled"] for device in quiet if device for offer in device["offers"]]
        return bool(offers and all(offers)) or offers

    # ---- 7 completion ---------------------------------------------------------------------------

    async def completion(self) -> None:
        await self._until("old certificates revoked, release delivered", self._completed)

    async def books(self) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        """Both providers' books, once both answer."""
        found: dict[str, dict[str, dict[str, Any]]] = {}

        async def both_answer() -> Any:
            for operator in (self.sp1, self.sp2):
                found[operator.name] = await operator.transfer(self.notes.cti)
            return all(found.values()) or [name for name, book in found.items() if book]

        await self._until("both providers answer", both_answer)
        return found["sp1"], found["sp2"]

    async def _completed(self) -> Any:
        devices = await self.sp1.transfer(self.notes.cti)
        revoked = sum(device["revoked"] for device in devices.values())
        released = [one["released"] for device in devices.values() for one in device["fell_back"]]
        idle = not any(device["duties"] for device in devices.values())
        self.progress.detail(f"{revoked} of {len(self.notes.cast.movers)} revoked")
        others = await self.sp2.transfer(self.notes.cti)
        idle = idle and bool(others) and not any(device["duties"] for device in others.values())
        done = revoked == len(self.notes.cast.movers) and released == [True] and idle
        return done or f"{revoked} revoked, releases {released}, duties left: {not idle}"

    # ---- the clone ------------------------------------------------------------------------------

    async def clone(self) -> None:
        argv = [DEVICE, "run", "--data", str(self.world.layout.clone), *self._patient_devices()]
        service = await self.world.supervisor.start("clone", argv)
        await self._until("the clone refused by SP1 and CA1", lambda: was_refused(service.log))
        await self.world.supervisor.stop("clone")

    async def _until(self, what: str, condition: Any, patience: float = PATIENCE_SECONDS) -> None:
        await until(what, condition, self.world.supervisor, patience)


def _image(path: Path, version: int) -> Path:
    """A firmware image: its version, then filler that no compression or chance makes equal to another one's."""
    head = f"firmware {version}\n".encode()
    path.write_bytes(head + bytes((index * 31 + version * 17) % 256 for index in range(IMAGE_SIZE - len(head))))
    return path


def _serial(status: Mapping[str, Any]) -> str | None:
    certificate = status.get("operational_certificate")
    return None if certificate is None else str(certificate["serial"])


def _counts(states: list[str]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))) or "nothing yet"
