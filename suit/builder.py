"""Manifests of any kind in a few readable lines. What it writes are the draft's templates; nothing is hidden.

build = Builder(sequence_number=4)
build.for_devices(vendor_id, class_id)
image, settings = build.component("image"), build.component("settings")
build.install(image, firmware, uri="https://cdn.example/firmware.bin")
build.install(settings, configuration, uri="#settings")
build.start(image)
envelope = sign(build.manifest(), key, payloads={"#settings": configuration})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from suit import templates
from suit.commands import Command, CommandSequence
from suit.common import ComponentId
from suit.digest import Digest
from suit.envelope import Envelope
from suit.manifest import Manifest
from suit.numbers import CommandCode, ManifestKey, ParameterKey, ReportPolicy
from suit.parameters import ParameterValue
from suit.templates import command, component_id, override
from suit.text import Text, TextMap, encode_text

Settings = Mapping[ParameterKey, ParameterValue]
_QUIET: Final = ReportPolicy.RECORD_ON_FAILURE
_INTEGRITY: Final = command(CommandCode.CONDITION_DEPENDENCY_INTEGRITY)
_PROCESS: Final = command(CommandCode.DIRECTIVE_PROCESS_DEPENDENCY, _QUIET)


@dataclass(frozen=True, slots=True)
class Component:
    """A component of the manifest being built: its index, and what it is called."""

    index: int
    identifier: ComponentId


class Builder:
    """Collects what a manifest is to do. Sections fill in the order of the calls."""

    def __init__(self, sequence_number: int, reference_uri: str | None = None) -> None:
        self._sequence_number = sequence_number
        self._reference_uri = reference_uri
        self._components: list[ComponentId] = []
        self._dependencies: dict[int, ComponentId | None] = {}
        self._identity: tuple[bytes, bytes] | None = None
        self._shared: dict[int, dict[ParameterKey, ParameterValue]] = {}
        self._sections: dict[ManifestKey, list[tuple[int, CommandSequence]]] = {}
        self._texts: dict[str, Text] = {}

    def for_devices(self, vendor_id: bytes, class_id: bytes) -> None:
        """Which devices it is for (UUIDs); a strict recipient takes no manifest that does not say."""
        self._identity = vendor_id, class_id

    def component(self, *identifier: str | bytes) -> Component:
        """A component of the device."""
        self._components.append(component_id(identifier))
        return Component(len(self._components) - 1, self._components[-1])

    def depends_on(self, dependency: Envelope, *, uri: str, prefix: Sequence[str | bytes] | None = None) -> Component:
        """Another manifest that is fetched from `uri`, checked, and processed in every section it has.

        `prefix`: what the identifiers of its components begin with, where it is about a part of the device only.
        """
        found = self.component(*(prefix or ("dependency", str(len(self._components)))))
        self._dependencies[found.index] = None if prefix is None else component_id(prefix)
        self.set(found, {ParameterKey.IMAGE_DIGEST: dependency.digest})
        fetch = (override({ParameterKey.URI: uri}), command(CommandCode.DIRECTIVE_FETCH, _QUIET), _INTEGRITY)
        self.add(ManifestKey.DEPENDENCY_RESOLUTION, found, *fetch)
        for section in dependency.manifest.sequences:
            if section is ManifestKey.DEPENDENCY_RESOLUTION:
                self.add(section, found, _PROCESS)
            elif section is not ManifestKey.UNINSTALL:
                self.add(section, found, _INTEGRITY, _PROCESS)
        return found

    def install(
        self, component: Component, image: bytes, *, uri: str, encryption_info: bytes | None = None, check: bool = True
    ) -> None:
        """Get `image` from `uri` into a component; validate it at every start too, with `check`.

        With `encryption_info` what lies at the URI is the encrypted image.
        """
        self.set(component, templates.image_parameters(image))
        source: dict[ParameterKey, ParameterValue] = {ParameterKey.URI: uri}
        if encryption_info is not None:
            source[ParameterKey.ENCRYPTION_INFO] = encryption_info
        fetch = (override(source), command(CommandCode.DIRECTIVE_FETCH, _QUIET), *templates.IMAGE_MATCH)
        self.add(ManifestKey.INSTALL, component, *fetch)
        if check:
            self.add(ManifestKey.VALIDATE, component, *templates.IMAGE_MATCH)

    def write(self, component: Component, content: bytes) -> None:
        """Put a few bytes of the manifest itself into a component."""
        self.set(component, {ParameterKey.CONTENT: content})
        self.add(ManifestKey.INSTALL, component, templates.WRITE, templates.CHECK_CONTENT)

    def load(self, component: Component, source: Component, digest: Digest | None = None) -> None:
        """Copy a component to where it runs, at every start; what arrives there must have this digest."""
        values: dict[ParameterKey, ParameterValue] = {ParameterKey.SOURCE_COMPONENT: source.index}
        if digest is not None:
            values[ParameterKey.IMAGE_DIGEST] = digest
        copy = (override(values), command(CommandCode.DIRECTIVE_COPY, _QUIET), *templates.IMAGE_MATCH)
        self.add(ManifestKey.LOAD, component, *copy)

    def start(self, component: Component, arguments: bytes | None = None) -> None:
        """Invoke a component at every start."""
        told = () if arguments is None else (override({ParameterKey.INVOKE_ARGS: arguments}),)
        self.add(ManifestKey.INVOKE, component, *told, *templates.INVOKE)

    def set(self, component: Component, values: Settings) -> None:
        """Parameters that hold in every section."""
        self._shared.setdefault(component.index, {}).update(values)

    def add(self, section: ManifestKey, component: Component, *commands: Command) -> None:
        """Any commands of a section, for a component."""
        self._sections.setdefault(section, []).append((component.index, commands))

    def describe(self, texts: TextMap) -> None:
        """Texts for people, by language."""
        self._texts.update(texts)

    def manifest(self) -> Manifest:
        """The manifest of all that was said. Raises SuitError for texts in no language."""
        single = len(self._components) == 1
        manifest = Manifest(
            sequence_number=self._sequence_number,
            components=tuple(self._components),
            shared=self._shared_sequence(single=single),
            sequences={section: self._sequence(section, single=single) for section in self._sections},
            reference_uri=self._reference_uri,
            dependencies=dict(self._dependencies),
        )
        return replace(manifest, text=encode_text(self._texts)) if self._texts else manifest

    def _shared_sequence(self, *, single: bool) -> CommandSequence:
        found: list[Command] = []
        for index in range(len(self._components)):
            values = self._shared.get(index, {})
            own: CommandSequence = (override(dict(values)),) if values else ()
            if index == 0 and self._identity is not None:
                own = templates.identity_check(*self._identity, values)
            if own:
                found += (*(() if single else (templates.select(index),)), *own)
        return tuple(found)

    def _sequence(self, section: ManifestKey, *, single: bool) -> CommandSequence:
        found: list[Command] = []
        for index, commands in self._sections[section]:
            found += (*(() if single else (templates.select(index),)), *commands)
        return tuple(found)
