"""From a description to a manifest: the draft's templates, for components with one or several images each.

What all images of a component share is set once; what distinguishes them - a slot - is tried, one after the other. The
output for the draft's six examples is theirs, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from suit.commands import Alternatives, Command, CommandSequence
from suit.common import ComponentId
from suit.digest import of_element
from suit.manifest import Manifest, element_bytes
from suit.numbers import CommandCode, ManifestKey, ParameterKey, ReportPolicy
from suit.parameters import ParameterValue
from suit.templates import command, override, select
from suit.text import encode_text
from suit.tool.inputs import Choice, Description, InvalidDescription

_SEVERED: Final = (ManifestKey.PAYLOAD_FETCH, ManifestKey.INSTALL)
_QUIET: Final = ReportPolicy.RECORD_ON_FAILURE
_IMAGE_MATCH: Final = command(CommandCode.CONDITION_IMAGE_MATCH)
_SLOT: Final = command(
    CommandCode.CONDITION_COMPONENT_SLOT, ReportPolicy.RECORD_ON_SUCCESS | ReportPolicy.SYSINFO_ON_SUCCESS
)

Settings = dict[ParameterKey, ParameterValue]
Reader = Callable[[Choice], Settings]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A manifest, and what was severed from it."""

    manifest: Manifest
    severed: Mapping[ManifestKey, bytes]


def compile_description(description: Description) -> Compiled:
    """The manifest of a description. Raises `InvalidDescription`."""
    update = _Update(description.choices)
    manifest = Manifest(
        sequence_number=description.sequence_number,
        components=update.components,
        shared=update.shared(),
        sequences={key: sequence for key, sequence in update.sequences().items() if sequence},
        reference_uri=description.reference_uri,
        text=encode_text(description.texts) if description.texts and description.severable else None,
    )
    return sever(manifest) if description.severable else Compiled(manifest, {})


def sever(manifest: Manifest) -> Compiled:
    """Put digests in the place of what is not needed to decide whether the manifest applies."""
    severed: dict[ManifestKey, bytes] = {}
    sequences = dict(manifest.sequences)
    for key in _SEVERED:
        data = element_bytes(sequences.get(key))
        if data is not None:
            severed[key], sequences[key] = data, of_element(data)
    text = manifest.text
    if isinstance(text, bytes):
        severed[ManifestKey.TEXT], text = text, of_element(text)
    return Compiled(replace(manifest, sequences=sequences, text=text), severed)


class _Update:
    """Components in order of appearance, each with its images."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        if not choices:
            raise InvalidDescription("components: at least one is needed")
        self._images: dict[ComponentId, list[Choice]] = {}
        for choice in choices:
            self._images.setdefault(choice.install_id, []).append(choice)
        others = [
            component
            for choice in choices
            for component in (choice.download_id, choice.load_id)
            if component is not None
        ]
        self.components = tuple(dict.fromkeys((*self._images, *others)))

    def _select(self, component: ComponentId) -> CommandSequence:
        """With one component there is nothing to choose."""
        return () if len(self.components) == 1 else (select(self.components.index(component)),)

    def shared(self) -> CommandSequence:
        """Identity and images of every component."""
        found: list[Command] = []
        for component, images in self._images.items():
            checks = (
                *((command(CommandCode.CONDITION_VENDOR_IDENTIFIER),) if images[0].vendor_id else ()),
                *((command(CommandCode.CONDITION_CLASS_IDENTIFIER),) if images[0].class_id else ()),
            )
            found += (*self._select(component), *_set(images, _identity), *checks)
        return tuple(found)

    def sequences(self) -> dict[ManifestKey, CommandSequence]:
        """The sections, empty ones included."""
        return {
            ManifestKey.VALIDATE: self._each(lambda _, images: (_IMAGE_MATCH,) if _any(images, "digest") else ()),
            ManifestKey.LOAD: self._each(self._load, lambda one: one.load_id),
            ManifestKey.INVOKE: self._each(_invoke, _started),
            ManifestKey.PAYLOAD_FETCH: self._each(_download, _downloaded_apart),
            ManifestKey.INSTALL: self._each(self._install),
        }

    def _each(
        self,
        commands: Callable[[ComponentId, list[Choice]], CommandSequence],
        where: Callable[[Choice], ComponentId | None] = lambda one: one.install_id,
    ) -> CommandSequence:
        found: list[Command] = []
        for component, images in self._images.items():
            place = where(images[0])
            sequence = () if place is None else commands(component, images)
            if place is not None and sequence:
                found += (*self._select(place), *sequence)
        return tuple(found)

    def _install(self, component: ComponentId, images: list[Choice]) -> CommandSequence:
        if not _any(images, "uri"):
            return ()
        if images[0].install_on_download:
            return (*_set(images, _uri), command(CommandCode.DIRECTIVE_FETCH, _QUIET), _IMAGE_MATCH)
        source = self._source(images[0].download_id or component)
        return (override(source), command(CommandCode.DIRECTIVE_COPY, _QUIET), _IMAGE_MATCH)

    def _load(self, component: ComponentId, images: list[Choice]) -> CommandSequence:
        image = images[0]
        values: Settings = _given(
            {ParameterKey.IMAGE_DIGEST: image.load_digest, ParameterKey.IMAGE_SIZE: image.load_size}
        )
        values |= self._source(component)
        return (override(values), command(CommandCode.DIRECTIVE_COPY, _QUIET), _IMAGE_MATCH)

    def _source(self, component: ComponentId) -> Settings:
        return {ParameterKey.SOURCE_COMPONENT: self.components.index(component)}


def _download(_: ComponentId, images: list[Choice]) -> CommandSequence:
    def values(image: Choice) -> Settings:
        return _given({ParameterKey.IMAGE_DIGEST: image.download_digest}) | _uri(image)

    return (*_set(images, values), command(CommandCode.DIRECTIVE_FETCH, _QUIET), _IMAGE_MATCH)


def _invoke(_: ComponentId, images: list[Choice]) -> CommandSequence:
    return (command(CommandCode.DIRECTIVE_INVOKE, _QUIET),) if len(images) == 1 and images[0].bootable else ()


def _started(image: Choice) -> ComponentId:
    return image.load_id or image.install_id


def _downloaded_apart(image: Choice) -> ComponentId | None:
    return None if image.install_on_download or image.uri is None else image.download_id or image.install_id


def _identity(image: Choice) -> Settings:
    return _given(
        {
            ParameterKey.VENDOR_IDENTIFIER: image.vendor_id,
            ParameterKey.CLASS_IDENTIFIER: image.class_id,
            ParameterKey.IMAGE_DIGEST: image.digest,
            ParameterKey.IMAGE_SIZE: image.size,
        }
    )


def _uri(image: Choice) -> Settings:
    return _given({ParameterKey.URI: image.uri, ParameterKey.ENCRYPTION_INFO: image.encryption_info})


def _given(values: Mapping[ParameterKey, ParameterValue | None]) -> Settings:
    return {key: value for key, value in values.items() if value is not None}


def _any(images: Sequence[Choice], name: str) -> bool:
    return any(getattr(image, name) is not None for image in images)


def _set(images: Sequence[Choice], values: Reader) -> CommandSequence:
    """Set what all images share, then try which of them this is and set what is its own."""
    settings = [values(image) for image in images]
    first, *others = settings
    shared = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    common = (override(shared),) if shared else ()
    if not others or all(one == first for one in others):
        return common
    alternatives = tuple(
        (*_slot(image), override({key: value for key, value in one.items() if key not in shared}))
        for image, one in zip(images, settings, strict=True)
    )
    return (*common, Command(CommandCode.DIRECTIVE_TRY_EACH, Alternatives(alternatives)))


def _slot(image: Choice) -> CommandSequence:
    if image.slot is None:
        raise InvalidDescription("several images for one component: give each its slot")
    return (override({ParameterKey.COMPONENT_SLOT: image.slot}), _SLOT)
