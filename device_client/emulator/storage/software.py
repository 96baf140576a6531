"""What runs on the device: image, configuration and application data, installed by SUIT manifests.

Contents lie in files named by their hash; one small state file says which of them are installed. So installing is one
durable write, and what is installed *beside* the agreed state leaves it untouched: `agreed` names both sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cose import cbor
from device_client.emulator.storage.files import DeviceFiles, StorageError
from suit.common import ComponentId
from suit.digest import Digest
from suit.metadata import ComponentMetadata
from suit.templates import APPLICATION_DATA, CONFIGURATION, IMAGE, component_id

FILE: Final = "software.cbor"
REPORT: Final = "suit-report.cbor"
FOLDER: Final = "components"
COMPONENTS: Final = frozenset(component_id(parts) for parts in (IMAGE, CONFIGURATION, APPLICATION_DATA))
MAX_COMPONENT: Final = 1 << 20
"""Bytes of one component."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A set of installed contents (SHA-256 by component) and the manifest that installed it."""

    manifest: Digest
    contents: Mapping[ComponentId, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SoftwareState:
    """Everything about the software that must survive a power cut."""

    running: Installation
    sequence: int = 0
    """Highest SUIT sequence number taken; never falls."""
    agreed: Installation | None = None
    """The agreed state, while something else has been installed beside it."""
    package: bytes | None = None
    """Digest of the manifest that was written to object 5 last and is not yet processed."""
    updating: bool = False
    """The package was ordered to be processed."""
    result: int = 0
    """Update Result of object 5."""
    attempted: Digest | None = None
    """The manifest tried last: it alone may be tried again with its sequence number."""


class SoftwareStore:
    """The components of one device, as the SUIT processor sees them (`suit.store.ComponentStore`)."""

    def __init__(self, files: DeviceFiles) -> None:
        self._files = files
        self._staged: dict[ComponentId, bytes | None] = {}
        self._keep_agreed = False
        self.state = _decode(files.read(FILE))

    @staticmethod
    def create(files: DeviceFiles, image: bytes) -> None:
        """The state a device leaves the factory in; its digest is that of the image itself."""
        content = _keep(files, image)
        running = Installation(Digest.of(image), {component_id(IMAGE): content})
        files.write(FILE, _encode(SoftwareState(running)))

    def change(self, **changes: Any) -> None:
        """Replace members of the state in one durable write."""
        changed = replace(self.state, **changes)
        if changed != self.state:
            self._files.write(FILE, _encode(changed))
            self.state = changed

    def keep_report(self, report: bytes) -> None:
        """What became of the manifest processed last, unsigned."""
        self._files.write(REPORT, report)

    def report(self) -> bytes | None:
        """What `keep_report` was given last."""
        return self._files.read(REPORT) if self._files.exists(REPORT) else None

    def forget_report(self) -> None:
        """It says what a provider installed, and is that provider's."""
        if self._files.exists(REPORT):
            self._files.erase(REPORT)

    def beside_agreed(self, keep: bool) -> None:
        """Whether the next commit keeps what runs now as the agreed state."""
        self._keep_agreed = keep

    def keep_only(self, components: tuple[ComponentId, ...]) -> None:
        """Uninstall every other component, and what lay beside."""
        running = self.state.running
        contents = {name: content for name, content in running.contents.items() if name in components}
        self.change(running=replace(running, contents=contents), agreed=None)

    def return_to_agreed(self) -> None:
        """Run the agreed state again, if something else was installed beside it."""
        if self.state.agreed is not None:
            self.change(running=self.state.agreed, agreed=None)

    def erase_unused(self) -> None:
        """Erase contents that belong to no installation."""
        installations = [self.state.running, *([self.state.agreed] if self.state.agreed else [])]
        used = {content.hex() for one in installations for content in one.contents.values()}
        for name in list(self._files.names(FOLDER)):
            if name not in used:
                self._files.erase(f"{FOLDER}/{name}")
        self._files.erase_leftovers(FOLDER)

    def supports(self, component: ComponentId) -> bool:
        return component in COMPONENTS

    def slot(self, component: ComponentId) -> int | None:
        return None

    def read(self, component: ComponentId) -> bytes | None:
        if component in self._staged:
            return self._staged[component]
        content = self.state.running.contents.get(component)
        return None if content is None else self._files.read(f"{FOLDER}/{content.hex()}")

    def write(self, component: ComponentId, data: bytes, metadata: ComponentMetadata | None = None) -> None:
        """What the emulator keeps are contents; it has no use for file metadata."""
        if len(data) > MAX_COMPONENT:
            raise StorageError(f"a component has at most {MAX_COMPONENT} bytes")
        self._staged[component] = data

    def unlink(self, component: ComponentId) -> None:
        self._staged[component] = None

    def begin(self, digest: Digest, sequence_number: int) -> None:
        self._staged.clear()
        self.change(attempted=digest, sequence=max(self.state.sequence, sequence_number))

    def attempted(self) -> Digest | None:
        return self.state.attempted

    def discard(self) -> None:
        self._staged.clear()

    def commit(self, digest: Digest, sequence_number: int) -> None:
        before = self.state
        written = {name: data for name, data in self._staged.items() if data is not None}
        staged = {name: _keep(self._files, data) for name, data in written.items()}
        kept = {name: content for name, content in before.running.contents.items() if name not in self._staged}
        agreed = (before.agreed or before.running) if self._keep_agreed else before.agreed
        self.change(
            running=Installation(digest, {**kept, **staged}),
            agreed=agreed,
            sequence=max(before.sequence, sequence_number),
        )
        self._staged.clear()

    def installed(self) -> Digest | None:
        return self.state.running.manifest

    def invoke(self, component: ComponentId, arguments: bytes | None) -> None:
        """An emulated image needs no starting: the caller restarts the device."""


def _keep(files: DeviceFiles, data: bytes) -> bytes:
    content = hashlib.sha256(data).digest()
    files.write(f"{FOLDER}/{content.hex()}", data)
    return content


def _encode(state: SoftwareState) -> bytes:
    agreed = None if state.agreed is None else _installation_item(state.agreed)
    attempted = None if state.attempted is None else state.attempted.item
    members = [state.sequence, agreed, state.package, state.updating, state.result, attempted]
    return cbor.encode([_installation_item(state.running), *members])


def _decode(data: bytes) -> SoftwareState:
    try:
        running, sequence, agreed, package, updating, result, attempted = cbor.decode(data, max_size=65536)
        return SoftwareState(
            _installation(running),
            sequence,
            None if agreed is None else _installation(agreed),
            package,
            updating,
            result,
            None if attempted is None else Digest.from_item(attempted),
        )
    except (ValueError, TypeError) as error:
        raise StorageError(f"{FILE} is damaged: install the device again") from error


def _installation_item(installation: Installation) -> list[Any]:
    contents = [[list(name), content] for name, content in sorted(installation.contents.items())]
    return [installation.manifest.item, contents]


def _installation(item: Any) -> Installation:
    digest, contents = item
    return Installation(Digest.from_item(digest), {tuple(name): content for name, content in contents})
