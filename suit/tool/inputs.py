"""Descriptions of updates as people write them: the JSON of the known suit-tool, unchanged, or the same in YAML.

Reading is strict about values and lenient about names: a name this tool does not know is reported, not refused, because
descriptions carry notes for other tools. Files a description names lie beside it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from suit.common import ComponentId
from suit.digest import Digest
from suit.numbers import ComponentTextKey, DigestAlgorithm, TextKey
from suit.text import Text, TextMap

MAX_FILE: Final = 1 << 20
"""Bytes of a description."""
_ALGORITHMS: Final = {
    "sha256": DigestAlgorithm.SHA_256,
    "sha384": DigestAlgorithm.SHA_384,
    "sha512": DigestAlgorithm.SHA_512,
    "shake128": DigestAlgorithm.SHAKE128,
    "shake256": DigestAlgorithm.SHAKE256,
}
_TEXTS: Final = {
    "manifest-description": TextKey.MANIFEST_DESCRIPTION,
    "update-description": TextKey.UPDATE_DESCRIPTION,
    "manifest-json-source": TextKey.MANIFEST_JSON_SOURCE,
    "manifest-yaml-source": TextKey.MANIFEST_YAML_SOURCE,
}
_COMPONENT_TEXTS: Final = {
    "vendor-name": ComponentTextKey.VENDOR_NAME,
    "model-name": ComponentTextKey.MODEL_NAME,
    "vendor-domain": ComponentTextKey.VENDOR_DOMAIN,
    "component-description": ComponentTextKey.COMPONENT_DESCRIPTION,
    "version": ComponentTextKey.COMPONENT_VERSION,
    "version-required": ComponentTextKey.VERSION_REQUIRED,
    "current-version": ComponentTextKey.CURRENT_VERSION,
}
"""The names of the known tool. It drops `model-info` and `component-version`, and so its output is only matched by
dropping them too: `version` is what to write."""


class InvalidDescription(ValueError):
    """A description that cannot be used; the text names the entry and what belongs there."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One image for a component: what is installed where, from where, and when it is the one."""

    install_id: ComponentId
    digest: Digest | None = None
    size: int | None = None
    slot: int | None = None
    uri: str | None = None
    vendor_id: bytes | None = None
    class_id: bytes | None = None
    bootable: bool = False
    download_id: ComponentId | None = None
    download_digest: Digest | None = None
    install_on_download: bool = True
    load_id: ComponentId | None = None
    load_digest: Digest | None = None
    load_size: int | None = None
    encryption_info: bytes | None = None
    file: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Description:
    """A whole update. `payloads` are integrated into the envelope under their URIs."""

    sequence_number: int
    choices: tuple[Choice, ...]
    texts: TextMap = field(default_factory=dict)
    severable: bool = False
    reference_uri: str | None = None
    payloads: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    unknown: tuple[str, ...] = ()
    """Names that mean nothing to this tool."""


def read(path: Path) -> Description:
    """The description in a JSON or YAML file. Raises `InvalidDescription`, OSError."""
    text = path.read_bytes()
    if len(text) > MAX_FILE:
        raise InvalidDescription(f"{path}: more than {MAX_FILE} bytes")
    return parse(load(text, str(path)), path.parent)


def load(text: bytes, source: str) -> Any:
    """JSON, or YAML without aliases (they could stand for more than fits into memory). Raises `InvalidDescription`."""
    try:
        if text.lstrip()[:1] == b"{":
            return json.loads(text)
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise InvalidDescription(f"{source}: YAML aliases are not read here; write the value out")
        return yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        if isinstance(error, InvalidDescription):
            raise
        raise InvalidDescription(f"{source}: neither JSON nor YAML: {error}") from error


def parse(item: Any, folder: Path) -> Description:
    """From the decoded JSON. Raises `InvalidDescription`, OSError for a file that is named and cannot be read."""
    reader = _Reader(item, "description", folder)
    version = reader.take("manifest-version", int, 1)
    if version != 1:
        raise InvalidDescription(f"manifest-version: {version} is not one this tool writes; give 1")
    components = reader.take("components", list)
    choices = [_choice(_Reader(one, f"components[{number}]", folder)) for number, one in enumerate(components)]
    texts = _texts(reader, [(choice.install_id, nested) for choice, nested in choices])
    payloads = {str(uri): reader.file(str(name)) for uri, name in reader.take("payloads", dict, {}).items()}
    found = Description(
        sequence_number=reader.take("manifest-sequence-number", int),
        choices=tuple(choice for choice, _ in choices),
        texts=texts,
        severable=reader.take("severable", bool, False),
        reference_uri=reader.take("reference-uri", str, None),
        payloads=payloads,
    )
    reader.take("include-json", bool, False)
    unknown = [*reader.left(), *(name for _, nested in choices for name in nested.left())]
    return Description(**{name: getattr(found, name) for name in Description.__slots__} | {"unknown": tuple(unknown)})


class _Reader:
    """Takes entries out of a decoded object and remembers which."""

    def __init__(self, item: Any, where: str, folder: Path) -> None:
        if not isinstance(item, dict):
            raise InvalidDescription(f"{where}: an object of names and values is expected")
        self._item = item
        self._where = where
        self._folder = folder
        self._taken: set[str] = set()

    def take(self, name: str, kind: type[Any], default: Any = ...) -> Any:
        self._taken.add(name)
        if name not in self._item:
            if default is ...:
                raise InvalidDescription(f"{self._where}: {name} is missing")
            return default
        value = self._item[name]
        if not isinstance(value, kind) or (kind is int and (isinstance(value, bool) or value < 0)):
            raise InvalidDescription(f"{self._where}.{name}: a value of type {kind.__name__} is expected")
        return value

    def file(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def named_file(self, name: str) -> bytes | None:
        found = self.take(name, str, None)
        return None if found is None else self.file(found)

    def component(self, name: str, default: Any = ...) -> ComponentId | None:
        parts = self.take(name, list, default)
        return None if parts is None else tuple(_part(part, f"{self._where}.{name}") for part in parts)

    def digest(self, name: str) -> Digest | None:
        item = self.take(name, dict, None)
        if item is None:
            return None
        where = f"{self._where}.{name}"
        algorithm = _ALGORITHMS.get(str(item.get("algorithm-id", "sha256")))
        if algorithm is None:
            raise InvalidDescription(f"{where}.algorithm-id: one of {', '.join(_ALGORITHMS)}")
        if "file" in item:
            return Digest.of(self.file(str(item["file"])), algorithm)
        return Digest(algorithm, _hex(item.get("digest-bytes"), f"{where}.digest-bytes"))

    def identifier(self, name: str) -> bytes | None:
        value = self.take(name, str | dict, None)  # type: ignore[arg-type]
        return None if value is None else read_uuid(value, f"{self._where}.{name}")

    def left(self) -> list[str]:
        return [f"{self._where}.{name}" for name in self._item if name not in self._taken and name != "description"]

    def texts(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.take("description", dict, {})
        return found


def _choice(reader: _Reader) -> tuple[Choice, _Reader]:
    file = reader.named_file("file")
    digest, size = reader.digest("install-digest"), reader.take("install-size", int, None)
    if file is not None:
        digest, size = digest or Digest.of(file), len(file) if size is None else size
    loadable = reader.take("loadable", bool, False)
    load_id = reader.component("load-id", None)
    if loadable and load_id is None:
        raise InvalidDescription("a loadable component needs load-id, where it is loaded to")
    install_id = reader.component("install-id")
    assert install_id is not None, "there is no default"
    info = reader.take("encryption-info", str, None)
    choice = Choice(
        install_id=install_id,
        digest=digest,
        size=size,
        slot=reader.take("slot", int, None),
        uri=reader.take("uri", str, None),
        vendor_id=reader.identifier("vendor-id"),
        class_id=reader.identifier("class-id"),
        bootable=reader.take("bootable", bool, False),
        download_id=reader.component("download-id", None),
        download_digest=reader.digest("download-digest"),
        install_on_download=reader.take("install-on-download", bool, True),
        load_id=load_id,
        load_digest=reader.digest("load-digest"),
        load_size=reader.take("load-size", int, None),
        encryption_info=None if info is None else reader.file(info),
        file=file,
    )
    return choice, reader


def _part(value: Any, where: str) -> bytes:
    """Hex, as in the known tool; anything else is text."""
    if not isinstance(value, str):
        raise InvalidDescription(f"{where}: parts of an identifier are texts or hex")
    try:
        return bytes.fromhex(value)
    except ValueError:
        return value.encode()


def identifier(text: str) -> ComponentId:
    """A component identifier written as `00/image`."""
    return tuple(_part(part, text) for part in text.split("/"))


def _hex(value: Any, where: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise InvalidDescription(f"{where}: hex digits are expected") from None


def read_uuid(value: Any, where: str) -> bytes:
    """A UUID, or the names it is made of: `{"namespace": …, "name": …}`; without a namespace the name is a domain."""
    try:
        if isinstance(value, dict):
            names = value.get("RFC4122_UUID", value)
            space = names.get("namespace")
            return uuid.uuid5(uuid.NAMESPACE_DNS if space is None else uuid.UUID(space), str(names["name"])).bytes
        return uuid.UUID(value).bytes
    except (ValueError, KeyError, AttributeError, TypeError):
        raise InvalidDescription(f"{where}: a UUID, or an object with name and namespace") from None


def _texts(reader: _Reader, components: Sequence[tuple[ComponentId, _Reader]]) -> TextMap:
    manifest = {language: _named(texts, _TEXTS) for language, texts in reader.texts().items()}
    about: dict[str, dict[ComponentId, dict[ComponentTextKey | int, str]]] = {}
    for component, nested in components:
        for language, texts in nested.texts().items():
            about.setdefault(language, {}).setdefault(component, {}).update(_named(texts, _COMPONENT_TEXTS))
    languages = dict.fromkeys((*manifest, *about))
    return {one: Text(manifest.get(one, {}), about.get(one, {})) for one in languages}


def _named(texts: Any, names: Mapping[str, Any]) -> dict[Any, str]:
    if not isinstance(texts, dict):
        raise InvalidDescription("description: texts by language, each an object of names and texts")
    return {names[name]: str(text) for name, text in texts.items() if name in names}
