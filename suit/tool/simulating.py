"""`suit-tool simulate`: a manifest on a described device, step by step, and what the device then is.

{"vendor-id": "fa6b4a53-…", "class-id": "1492af14-…", "sequence": 3,
 "components": {"image": "old.bin", "configuration": null}, "slots": {"image": 0}, "now": 1800000000, "battery": 900}

A component's name is its identifier, parts joined by `/`, hex or text; its value a file beside the description, or null
for one that is empty. `keys` are files with what opens encrypted payloads, `domains` maps the prefix of a dependency to
the files with the keys it may be signed by; see `suit.tool.keys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suit.common import ComponentId
from suit.digest import Digest
from suit.envelope import VerifiedEnvelope
from suit.errors import SuitError
from suit.processor import ProcessResult, process, uninstall
from suit.recipient import DeviceDescription
from suit.records import Log, Step
from suit.report import Report, report_of
from suit.stores.memory import MemoryStore
from suit.tool.inputs import InvalidDescription, identifier, load, read_uuid
from suit.tool.keys import load_authority, load_opening
from suit.versions import Version
from suit.waiting import WaitInfo


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the description says of the device's surroundings."""

    time: int | None
    charge: int | None
    consents: bool
    versions: Mapping[ComponentId, Version]

    def now(self) -> int | None:
        """See `suit.recipient.Surroundings`."""
        return self.time

    def battery(self) -> int | None:
        """See `suit.recipient.Surroundings`."""
        return self.charge

    def authorizes(self, priority: int | None) -> bool:
        """See `suit.recipient.Surroundings`."""
        return self.consents

    def version(self, component: ComponentId) -> Version | None:
        """See `suit.recipient.Surroundings`."""
        return self.versions.get(component)

    def has_happened(self, events: WaitInfo) -> bool:
        """Whatever is waited for happens at once in a simulation."""
        return True


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """A described device. `sequence`: the highest sequence number it has taken, None for any."""

    device: DeviceDescription
    store: MemoryStore
    sequence: int | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """What happened: every step, how it ended, and the report the device would send."""

    steps: tuple[Step, ...]
    result: ProcessResult | None
    error: SuitError | None
    report: Report


def read_device(path: Path) -> SimulatedDevice:
    """The device in a JSON or YAML file. Raises `InvalidDescription`, `UnusableKey`, OSError."""
    item = load(path.read_bytes(), str(path))
    if not isinstance(item, dict):
        raise InvalidDescription(f"{path}: an object of names and values is expected")
    named: dict[str, Any] = item.get("components") or {}
    components = {
        identifier(name): None if file is None else (path.parent / file).read_bytes() for name, file in named.items()
    }
    versions = {identifier(name): tuple(version) for name, version in (item.get("versions") or {}).items()}
    around = Surroundings(item.get("now"), item.get("battery"), bool(item.get("authorized", True)), versions)
    device = DeviceDescription(
        read_uuid(item.get("vendor-id"), "vendor-id"),
        read_uuid(item.get("class-id"), "class-id"),
        None if item.get("device-id") is None else read_uuid(item["device-id"], "device-id"),
        surroundings=around,
        keys=tuple(load_opening(path.parent / name) for name in item.get("keys") or ()),
        domains={
            identifier(prefix): tuple(load_authority(path.parent / name) for name in names)
            for prefix, names in (item.get("domains") or {}).items()
        },
        strict=bool(item.get("strict", True)),
    )
    slots = {identifier(name): int(slot) for name, slot in (item.get("slots") or {}).items()}
    return SimulatedDevice(device, MemoryStore(components, slots), item.get("sequence"))


def simulate(
    envelope: VerifiedEnvelope, simulated: SimulatedDevice, payloads: Mapping[str, bytes], *, removing: bool = False
) -> Simulation:
    """Process the envelope; `payloads` are what the device could fetch, by URI. With `removing` uninstall it again."""
    log, steps = Log(), list[Step]()
    log.trace = steps.append
    result, failure = None, None
    try:
        result = process(
            envelope,
            device=simulated.device,
            store=simulated.store,
            last_sequence=simulated.sequence,
            fetched=payloads,
            log=log,
        )
        if removing:
            result = uninstall(envelope, device=simulated.device, store=simulated.store, log=log)
    except SuitError as error:
        failure = error
    report = report_of(envelope.digest, log, failure, uri=envelope.manifest.reference_uri)
    return Simulation(tuple(steps), result, failure, report)


def state_of(store: MemoryStore) -> list[tuple[str, str]]:
    """Components and what is in them, for people."""
    return [(shown(name), _content(content)) for name, content in store.components.items()]


def shown(component: ComponentId) -> str:
    """An identifier for people: printable parts as text, others in hex."""
    return "/".join(p.decode() if p.isascii() and p.decode().isprintable() and p else p.hex() for p in component)


def _content(content: bytes | None) -> str:
    return "empty" if content is None else f"{len(content)} bytes, SHA-256 {Digest.of(content).digest.hex()[:16]}…"
