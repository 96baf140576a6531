"""The manifest: what is updated, for whom, and by which commands (draft-ietf-suit-manifest-37, section 8.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from cose import cbor
from suit import decoding, templates
from suit.commands import CommandSequence, decode_sequence, encode_sequence
from suit.common import Common, ComponentId, parse_component
from suit.digest import Digest, of_element
from suit.errors import SuitError, SuitReason
from suit.numbers import ENCODING_VERSION, ManifestKey, ParameterKey
from suit.templates import component_id
from suit.text import TextMap, decode_text
from suit.versions import Version, parse_version

MAX_URI: Final = 2048

SEQUENCE_KEYS: Final = (
    ManifestKey.VALIDATE,
    ManifestKey.LOAD,
    ManifestKey.INVOKE,
    ManifestKey.DEPENDENCY_RESOLUTION,
    ManifestKey.PAYLOAD_FETCH,
    ManifestKey.CANDIDATE_VERIFICATION,
    ManifestKey.INSTALL,
    ManifestKey.UNINSTALL,
)
SEVERABLE_SEQUENCES: Final = (
    ManifestKey.DEPENDENCY_RESOLUTION,
    ManifestKey.PAYLOAD_FETCH,
    ManifestKey.CANDIDATE_VERIFICATION,
    ManifestKey.INSTALL,
)
INFORMATIVE_KEYS: Final = (ManifestKey.TEXT, ManifestKey.COSWID)
"""Elements no recipient needs for processing."""
SEVERABLE_KEYS: Final = (*SEVERABLE_SEQUENCES, *INFORMATIVE_KEYS)

Informative: TypeAlias = bytes | Digest
"""An element as its bytes, or the Digest that stands for it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest. In `sequences`, and for `text` and `coswid`, a Digest stands for an element that is severed."""

    sequence_number: int
    components: tuple[ComponentId, ...]
    shared: CommandSequence = ()
    sequences: Mapping[ManifestKey, CommandSequence | Digest] = field(default_factory=dict)
    reference_uri: str | None = None
    text: Informative | None = None
    coswid: Informative | None = None
    component_id: ComponentId | None = None
    """Where a root manifest is kept (draft-ietf-suit-trust-domains)."""
    version: Version | None = None
    """What the installed components then are (draft-ietf-suit-update-management, suit-set-version)."""
    dependencies: Mapping[int, ComponentId | None] = field(default_factory=dict)
    """Component indices that are envelopes of other manifests, and the prefix of what each is about; see `Common`."""

    @classmethod
    def firmware_update(
        cls,
        *,
        sequence_number: int,
        image: bytes,
        vendor_id: bytes,
        class_id: bytes,
        component: Sequence[str | bytes] = templates.IMAGE,
        uri: str = templates.IMAGE_URI,
    ) -> Manifest:
        """Install `image` as `component` and start it. A `uri` with `#` lies in the envelope; others are fetched."""
        return cls(
            sequence_number=sequence_number,
            components=(component_id(component),),
            shared=templates.identity_check(vendor_id, class_id, templates.image_parameters(image)),
            sequences={
                ManifestKey.VALIDATE: templates.IMAGE_MATCH,
                ManifestKey.INVOKE: templates.INVOKE,
                ManifestKey.INSTALL: templates.download(uri),
            },
        )

    @classmethod
    def reset_to(
        cls,
        *,
        sequence_number: int,
        image: bytes,
        configuration: bytes,
        vendor_id: bytes,
        class_id: bytes,
        install_image: bool = False,
        application_data: bytes = b"",
    ) -> Manifest:
        """The state two providers agree on: this image, this configuration, this application data (none by default).

        The configuration lies in the envelope under CONFIGURATION_URI. The image must be on the device, or, with
        `install_image`, lies in the envelope under IMAGE_URI and is installed where it is not there yet.
        """
        components = (templates.IMAGE, templates.CONFIGURATION, templates.APPLICATION_DATA)
        return cls(
            sequence_number=sequence_number,
            components=tuple(component_id(component) for component in components),
            shared=(
                templates.select(0),
                *templates.identity_check(vendor_id, class_id, templates.image_parameters(image)),
                templates.select(1),
                templates.override(templates.image_parameters(configuration)),
                templates.select(2),
                templates.override({ParameterKey.CONTENT: application_data}),
            ),
            sequences={
                ManifestKey.VALIDATE: (
                    *(templates.select(0, 1), *templates.IMAGE_MATCH),
                    *(templates.select(2), templates.CHECK_CONTENT),
                ),
                ManifestKey.INVOKE: (templates.select(0), *templates.INVOKE),
                ManifestKey.INSTALL: (
                    *(templates.select(0), *templates.present(install=install_image)),
                    *(templates.select(1), *templates.download(templates.CONFIGURATION_URI)),
                    *(templates.select(2), templates.WRITE, templates.CHECK_CONTENT),
                ),
            },
        )

    @property
    def common(self) -> Common:
        """Components, shared sequence and dependencies: the common data."""
        return Common(self.components, self.shared, self.dependencies)

    def element(self, key: ManifestKey) -> CommandSequence | Informative | None:
        """What the manifest has under the key of a severable element; None when there is nothing."""
        if key is ManifestKey.TEXT:
            return self.text
        return self.coswid if key is ManifestKey.COSWID else self.sequences.get(key)

    @property
    def texts(self) -> TextMap | None:
        """The texts for people, unless they are severed.

        Raises SuitError when they are malformed, or about a component the manifest does not have.
        """
        return decode_text(self.text, self.components) if isinstance(self.text, bytes) else None

    def encode(self) -> bytes:
        """The encoded manifest, without the head of the byte string around it in the envelope."""
        optional: dict[ManifestKey, Any] = {
            ManifestKey.REFERENCE_URI: self.reference_uri,
            ManifestKey.COMPONENT_ID: None if self.component_id is None else list(self.component_id),
            ManifestKey.SET_VERSION: None if self.version is None else cbor.encode(list(self.version)),
            ManifestKey.TEXT: _element(self.text),
            ManifestKey.COSWID: _element(self.coswid),
        }
        return cbor.encode(
            {
                ManifestKey.ENCODING_VERSION: ENCODING_VERSION,
                ManifestKey.SEQUENCE_NUMBER: self.sequence_number,
                ManifestKey.COMMON: self.common.encode(),
                **{key: value for key, value in optional.items() if value is not None},
                **{key: _element(value) for key, value in self.sequences.items()},
            }
        )

    @property
    def digest(self) -> Digest:
        """The SUIT_Digest that is signed and names this manifest."""
        return of_element(self.encode())


@dataclass(frozen=True, slots=True)
class Outline:
    """A manifest as far as it is read at once: its number; `elements`, beside common data, as they were encoded."""

    sequence_number: int
    common: bytes
    elements: Mapping[ManifestKey, Any]

    @classmethod
    def read(cls, data: bytes) -> Outline:
        """The outline of an encoded manifest. Raises SuitError MALFORMED, VERSION."""
        fields = decoding.mapping(decoding.decode(data, "manifest"), "manifest")
        elements = decoding.known_keys(fields, ManifestKey, "manifest")
        version = elements.pop(ManifestKey.ENCODING_VERSION, None)
        if type(version) is not int or version != ENCODING_VERSION:
            raise SuitError(SuitReason.VERSION, f"{version!r:.40}")
        number = decoding.integer(elements.pop(ManifestKey.SEQUENCE_NUMBER, None), "sequence number")
        return cls(number, decoding.octets(elements.pop(ManifestKey.COMMON, None), "common"), elements)

    def severed(self, key: ManifestKey) -> Digest | None:
        """The digest that stands for an element. Raises SuitError MALFORMED."""
        item = self.elements.get(key)
        return Digest.from_item(item) if isinstance(item, list) else None

    def manifest(self) -> Manifest:
        """The manifest, every command of it. Raises SuitError."""
        common = Common.decode(self.common)
        sequences, others = {}, {}
        for key, value in self.elements.items():
            if key in _OPTIONAL:
                name, parse = _OPTIONAL[key]
                others[name] = parse(value, name)
            else:
                sequences[key] = _parse_sequence(key, value)
        return Manifest(
            self.sequence_number,
            common.components,
            common.shared,
            sequences,
            dependencies=common.dependencies,
            **others,
        )


def parse_manifest(data: bytes) -> Manifest:
    """A manifest from its encoding. Raises SuitError."""
    return Outline.read(data).manifest()


def element_bytes(value: CommandSequence | Informative | None) -> bytes | None:
    """An element as the envelope holds it once it is severed; None for one that is not there or is severed already."""
    if isinstance(value, Digest):
        return None
    return encode_sequence(value) if isinstance(value, tuple) else value


def _element(value: CommandSequence | Informative | None) -> bytes | list[int | bytes] | None:
    return value.item if isinstance(value, Digest) else element_bytes(value)


def _parse_sequence(key: ManifestKey, item: Any) -> CommandSequence | Digest:
    if isinstance(item, list) and key in SEVERABLE_SEQUENCES:
        return Digest.from_item(item)
    return decode_sequence(decoding.octets(item, key.name), key.name)


def _parse_uri(item: Any, what: str) -> str:
    uri = decoding.text(item, what)
    if len(uri) > MAX_URI:
        raise SuitError(SuitReason.LIMIT, f"{what} longer than {MAX_URI} characters")
    return uri


def _parse_informative(item: Any, what: str) -> Informative:
    return Digest.from_item(item) if isinstance(item, list) else decoding.octets(item, what)


def _parse_version(item: Any, what: str) -> Version:
    return parse_version(decoding.decode(decoding.octets(item, what), what))


_OPTIONAL: Final[Mapping[ManifestKey, tuple[str, Callable[[Any, str], Any]]]] = {
    ManifestKey.REFERENCE_URI: ("reference_uri", _parse_uri),
    ManifestKey.COMPONENT_ID: ("component_id", parse_component),
    ManifestKey.SET_VERSION: ("version", _parse_version),
    ManifestKey.COSWID: ("coswid", _parse_informative),
    ManifestKey.TEXT: ("text", _parse_informative),
}
"""Elements that may be left out: the manifest's attribute, and how it is read."""
