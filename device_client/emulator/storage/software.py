"""What runs on the device: image, configuration and application data, installed by SUIT manifests.

Contents lie in files named by their hash; one small state file says which of them are installed. So installing is one
durable write, and what is installed *beside* the agreed state leaves it untouched: `agreed` names both sets. What was
installed before stays too, so that it needs not be sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cose import cbor
from device_client.emulator.storage.files import Files, StorageError
from suit.common import ComponentId
from suit.digest import Digest
from suit.metadata import ComponentMetadata
from suit.templates import APPLICATION_DATA, CONFIGURATION, IMAGE, component_id

FILE: Final = "software.cbor"
REPORT: Final = "suit-report.cbor"
FOLDER: Final = "components"
COMPONENTS: Final = frozenset(component_id(parts) for parts in (IMAGE, CONFIGURATION, APPLICATION_DATA))
DEPENDENCY: Final = b"dependency"
"""What the identifiers of the places for the envelopes of dependencies begin with; a number follows."""
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
    before: Installation | None = None
    """What was installed before."""
    attempted: Digest | None = None
    """The manifest tried last: it alone may be tried again with its sequence number."""


class SoftwareStore:
    """The components of one device, as the SUIT processor sees them (`suit.store.ComponentStore`).

    `place` is what the names of its files begin with, where a device has several such stores.
    """

    def __init__(self, files: Files, place: str = "") -> None:
        self._files = files
        self._file, self._report, self._folder = f"{place}{FILE}", f"{place}{REPORT}", f"{place}{FOLDER}"
        self._staged: dict[ComponentId, bytes | None] = {}
        self._keep_agreed = False
        self.state = _decode(files.read(self._file))

    @classmethod
    def opened(cls, files: Files, place: str, image: bytes) -> SoftwareStore:
        """The store at this place, made with `image` when there is none yet."""
        if not files.exists(f"{place}{FILE}"):
            cls.create(files, image, place)
        return cls(files, place)

    @staticmethod
    def create(files: Files, image: bytes, place: str = "") -> None:
        """The state a device leaves the factory in; its digest is that of the image itself."""
        content = _keep(files, f"{place}{FOLDER}", image)
        running = Installation(Digest.of(image), {component_id(IMAGE): content})
        files.write(f"{place}{FILE}", _encode(SoftwareState(running)))

    def _change(self, **changes: Any) -> None:
        """Replace members of the state in one durable write."""
        changed = replace(self.state, **changes)
        if changed != self.state:
            self._files.write(self._file, _encode(changed))
            self.state = changed

    def keep_report(self, report: bytes) -> None:
        """What became of the manifest processed last, unsigned."""
        self._files.write(self._report, report)

    def report(self) -> bytes | None:
        """What `keep_report` was given last."""
        return self._files.read(self._report) if self._files.exists(self._report) else None

    def reported_at(self) -> int:
        """Orders reports by time; 0 without one."""
        return self._files.written_at(self._report) if self._files.exists(self._report) else 0

    def forget_report(self) -> None:
        """It says what a provider installed, and is that provider's."""
        if self._files.exists(self._report):
            self._files.erase(self._report)

    def beside_agreed(self, keep: bool) -> None:
        """Whether the next commit keeps what runs now as the agreed state."""
        self._keep_agreed = keep

    def keep_only(self, components: tuple[ComponentId, ...]) -> None:
        """Uninstall every other component, and what lay beside or was there before."""
        running = self.state.running
        contents = {name: content for name, content in running.contents.items() if name in components}
        self._change(running=replace(running, contents=contents), agreed=None, before=None)

    def return_to_agreed(self) -> None:
        """Run the agreed state again, if something else was installed beside it."""
        if self.state.agreed is not None:
            self._change(running=self.state.agreed, agreed=None, before=None)

    def settle(self) -> None:
        """What runs now is all there is."""
        self._change(agreed=None, before=None)

    def erase_unused(self) -> None:
        """Erase contents that belong to no installation."""
        state = self.state
        installations = [one for one in (state.running, state.agreed, state.before) if one is not None]
        used = {content.hex() for one in installations for content in one.contents.values()}
        for name in list(self._files.names(self._folder)):
            if name not in used:
                self._files.erase(f"{self._folder}/{name}")
        self._files.erase_leftovers(self._folder)

    def content(self, sha256: bytes) -> bytes | None:
        """What is there with this hash, installed or kept; decayed bytes count as none."""
        name = f"{self._folder}/{sha256.hex()}"
        data = self._files.read(name) if self._files.exists(name) else b""
        return data if hashlib.sha256(data).digest() == sha256 else None

    def dependencies(self) -> Iterator[bytes]:
        """The envelopes of dependencies that are installed or kept."""
        installations = [one for one in (self.state.running, self.state.before) if one is not None]
        for component, sha256 in (item for one in installations for item in one.contents.items()):
            if component[0] == DEPENDENCY and (content := self.content(sha256)) is not None:
                yield content

    def supports(self, component: ComponentId) -> bool:
        return component in COMPONENTS or (len(component) == 2 and component[0] == DEPENDENCY)

    def slot(self, component: ComponentId) -> int | None:
        return None

    def read(self, component: ComponentId) -> bytes | None:
        if component in self._staged:
            return self._staged[component]
        content = self.state.running.contents.get(component)
        return None if content is None else self._files.read(f"{self._folder}/{content.hex()}")

    def write(self, component: ComponentId, data: bytes, metadata: ComponentMetadata | None = None) -> None:
        """What the emulator keeps are contents; it has no use for file metadata."""
        if len(data) > MAX_COMPONENT:
            raise StorageError(f"a component has at most {MAX_COMPONENT} bytes")
        self._staged[component] = data

    def unlink(self, component: ComponentId) -> None:
        self._staged[component] = None

    def begin(self, digest: Digest, sequence_number: int) -> None:
        self._staged.clear()
        self._change(attempted=digest, sequence=max(self.state.sequence, sequence_number))

    def attempted(self) -> Digest | None:
        return self.state.attempted

    def discard(self) -> None:
        self._staged.clear()

    def commit(self, digest: Digest, sequence_number: int) -> None:
        before = self.state
        written = {name: data for name, data in self._staged.items() if data is not None}
        staged = {name: _keep(self._files, self._folder, data) for name, data in written.items()}
        kept = {name: content for name, content in before.running.contents.items() if name not in self._staged}
        agreed = (before.agreed or before.running) if self._keep_agreed else before.agreed
        self._change(
            running=Installation(digest, {**kept, **staged}),
            agreed=agreed,
            before=before.running,
            sequence=max(before.sequence, sequence_number),
        )
        self._staged.clear()

    def installed(self) -> Digest | None:
        return self.state.running.manifest

    def invoke(self, component: ComponentId, arguments: bytes | None) -> None:
        """An emulated image needs no starting: the caller restarts the device."""


def _keep(files: Files, folder: str, data: bytes) -> bytes:
    content = hashlib.sha256(data).digest()
    files.write(f"{folder}/{content.hex()}", data)
    return content


def _encode(state: SoftwareState) -> bytes:
    beside = [None if one is None else _installation_item(one) for one in (state.agreed, state.before)]
    attempted = None if state.attempted is None else state.attempted.item
    return cbor.encode([_installation_item(state.running), state.sequence, *beside, attempted])


def _decode(data: bytes) -> SoftwareState:
    try:
        running, sequence, agreed, before, attempted = cbor.decode(data, max_size=65536)
        return SoftwareState(
            _installation(running),
            sequence,
            None if agreed is None else _installation(agreed),
            None if before is None else _installation(before),
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
