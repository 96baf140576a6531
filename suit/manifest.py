"""The manifest: what is updated, for whom, and by which commands (draft-ietf-suit-manifest-37, section 8.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from cose import cbor
from suit import decoding
from suit.commands import CommandSequence, decode_sequence, encode_sequence
from suit.digest import Digest, of_element
from suit.errors import SuitError, SuitReason
from suit.numbers import ENCODING_VERSION, CommonKey, ManifestKey

MAX_COMPONENTS: Final = 16
MAX_URI: Final = 2048

ComponentId: TypeAlias = tuple[bytes, ...]
"""A component's identifier: a path of byte strings."""

SEQUENCE_KEYS: Final = (
    ManifestKey.VALIDATE,
    ManifestKey.LOAD,
    ManifestKey.INVOKE,
    ManifestKey.PAYLOAD_FETCH,
    ManifestKey.INSTALL,
)
SEVERABLE_KEYS: Final = (ManifestKey.PAYLOAD_FETCH, ManifestKey.INSTALL, ManifestKey.TEXT)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest. In `sequences`, and for `text`, a Digest stands for an element severed into the envelope."""

    sequence_number: int
    components: tuple[ComponentId, ...]
    shared: CommandSequence = ()
    sequences: Mapping[ManifestKey, CommandSequence | Digest] = field(default_factory=dict)
    reference_uri: str | None = None
    text: bytes | Digest | None = None

    def encode(self) -> bytes:
        """The encoded manifest, without the head of the byte string around it in the envelope."""
        return cbor.encode(
            {
                ManifestKey.ENCODING_VERSION: ENCODING_VERSION,
                ManifestKey.SEQUENCE_NUMBER: self.sequence_number,
                ManifestKey.COMMON: self._common(),
                **({} if self.reference_uri is None else {ManifestKey.REFERENCE_URI: self.reference_uri}),
                **{key: _element(value) for key, value in self.sequences.items()},
                **({} if self.text is None else {ManifestKey.TEXT: _element(self.text)}),
            }
        )

    @property
    def digest(self) -> Digest:
        """The SUIT_Digest that is signed and names this manifest."""
        return of_element(self.encode())

    def _common(self) -> bytes:
        common: dict[int, Any] = {}
        if self.components:
            common[CommonKey.COMPONENTS] = [list(component) for component in self.components]
        if self.shared:
            common[CommonKey.SHARED_SEQUENCE] = encode_sequence(self.shared)
        return cbor.encode(common)


def parse_manifest(data: bytes) -> Manifest:
    """A manifest from its encoding. Raises SuitError."""
    item = decoding.mapping(decoding.decode(data, "manifest"), "manifest")
    fields = decoding.known_keys(item, ManifestKey, "manifest")
    if fields.get(ManifestKey.ENCODING_VERSION) != ENCODING_VERSION:
        raise SuitError(SuitReason.VERSION, f"{fields.get(ManifestKey.ENCODING_VERSION)!r}")
    components, shared = _parse_common(decoding.octets(fields.get(ManifestKey.COMMON), "common"))
    return Manifest(
        sequence_number=decoding.integer(fields.get(ManifestKey.SEQUENCE_NUMBER), "sequence number"),
        components=components,
        shared=shared,
        sequences={key: _parse_sequence(key, fields[key]) for key in SEQUENCE_KEYS if key in fields},
        reference_uri=_parse_uri(fields),
        text=_parse_text(fields),
    )


def _element(value: CommandSequence | Digest | bytes) -> bytes | list[int | bytes]:
    if isinstance(value, Digest):
        return value.item
    return value if isinstance(value, bytes) else encode_sequence(value)


def _parse_common(data: bytes) -> tuple[tuple[ComponentId, ...], CommandSequence]:
    fields = decoding.known_keys(decoding.mapping(decoding.decode(data, "common"), "common"), CommonKey, "common")
    components = decoding.array(fields.get(CommonKey.COMPONENTS, []), "components")
    if len(components) > MAX_COMPONENTS:
        raise SuitError(SuitReason.LIMIT, f"more than {MAX_COMPONENTS} components")
    shared = fields.get(CommonKey.SHARED_SEQUENCE)
    return (
        tuple(_parse_component(item) for item in components),
        () if shared is None else decode_sequence(decoding.octets(shared, "shared sequence"), "shared sequence"),
    )


def _parse_component(item: Any) -> ComponentId:
    parts = decoding.array(item, "component identifier")
    return tuple(decoding.octets(part, "component identifier") for part in parts)


def _parse_sequence(key: ManifestKey, item: Any) -> CommandSequence | Digest:
    if isinstance(item, list) and key in SEVERABLE_KEYS:
        return Digest.from_item(item)
    return decode_sequence(decoding.octets(item, key.name), key.name)


def _parse_uri(fields: Mapping[Any, Any]) -> str | None:
    if ManifestKey.REFERENCE_URI not in fields:
        return None
    uri = decoding.text(fields[ManifestKey.REFERENCE_URI], "reference URI")
    if len(uri) > MAX_URI:
        raise SuitError(SuitReason.LIMIT, f"reference URI longer than {MAX_URI} characters")
    return uri


def _parse_text(fields: Mapping[Any, Any]) -> bytes | Digest | None:
    item = fields.get(ManifestKey.TEXT)
    if isinstance(item, list):
        return Digest.from_item(item)
    return None if item is None else decoding.octets(item, "text")
