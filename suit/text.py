"""Texts about a manifest and its components, by language (draft-ietf-suit-manifest-37, section 8.4.4).

Nothing in them has any effect; they are for people, and severed on the way to constrained devices.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

from cose import cbor
from suit import decoding
from suit.errors import SuitError, SuitReason
from suit.numbers import ComponentTextKey, TextKey

MAX_LANGUAGES: Final = 64
_LANGUAGE: Final = re.compile(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*", re.ASCII)

Key = TypeVar("Key", TextKey, ComponentTextKey)
Texts: TypeAlias = Mapping[Key | int, str]
"""Texts by what they say; negative numbers are an application's own."""


@dataclass(frozen=True, slots=True)
class Text:
    """One language's texts: about the manifest, and about components by their identifier."""

    manifest: Texts[TextKey] = field(default_factory=dict)
    components: Mapping[tuple[bytes, ...], Texts[ComponentTextKey]] = field(default_factory=dict)


TextMap = Mapping[str, Text]
"""Texts by language tag (RFC 5646)."""


def encode_text(texts: TextMap) -> bytes:
    """The encoded map. Raises SuitError MALFORMED for a name that is no language."""
    return cbor.encode({_language(language): _item(text) for language, text in texts.items()})


def decode_text(data: bytes, components: Collection[tuple[bytes, ...]] | None = None) -> TextMap:
    """From its encoding; about these `components` only, where they are given. Raises SuitError."""
    item = decoding.mapping(decoding.decode(data, "text", array_keys=True), "text")
    if not 1 <= len(item) <= MAX_LANGUAGES:
        raise SuitError(SuitReason.LIMIT, f"text in 1 to {MAX_LANGUAGES} languages")
    found = {_language(language): _parse(texts) for language, texts in item.items()}
    if components is not None and any(one not in components for text in found.values() for one in text.components):
        raise SuitError(SuitReason.MALFORMED, "a text is about a component the manifest does not have")
    return found


def _item(text: Text) -> dict[Any, Any]:
    components = {identifier: _plain(texts) for identifier, texts in text.components.items()}
    return {**_plain(text.manifest), **components}


def _plain(texts: Mapping[Any, str]) -> dict[int, str]:
    return {int(key): value for key, value in texts.items()}


def _parse(item: Any) -> Text:
    fields = decoding.mapping(item, "text")
    manifest = {key: value for key, value in fields.items() if not isinstance(key, tuple)}
    components = {
        _identifier(key): _texts(decoding.mapping(value, "text of a component"), ComponentTextKey)
        for key, value in fields.items()
        if isinstance(key, tuple)
    }
    return Text(_texts(manifest, TextKey), components)


def _texts(fields: Mapping[Any, Any], registry: type[Key]) -> dict[Key | int, str]:
    own: dict[Any, Any] = {key: value for key, value in fields.items() if isinstance(key, int) and key < 0}
    named = {key: value for key, value in fields.items() if key not in own}
    members: dict[Any, Any] = {**decoding.known_keys(named, registry, "text"), **own}
    return {key: decoding.text(value, f"text {key}") for key, value in members.items()}


def _identifier(key: tuple[Any, ...]) -> tuple[bytes, ...]:
    return tuple(decoding.octets(part, "component identifier") for part in key)


def _language(value: Any) -> str:
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
        raise SuitError(SuitReason.MALFORMED, f"{value!r:.40} is no language tag")
    return value
