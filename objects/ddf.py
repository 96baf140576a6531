"""Object definition files: the OMA form (LWM2M.xsd), read with limits and without entities or external references.

What people get wrong without changing the meaning is taken: capitals, and elements for people that are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from objects.definition import ObjectDefinition, Operations, ResourceDefinition
from objects.errors import InvalidDefinition
from objects.path import MAX_ID
from objects.ranges import Range
from objects.values import ResourceType

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_FILE: Final = 1 << 20
"""Bytes of one file. The largest of the registry is under 300 kB."""
MAX_FILES: Final = 4096
MAX_OBJECTS: Final = 64
MAX_RESOURCES: Final = 1024
MAX_TEXT: Final = 65536
"""Characters of one element."""

_TYPES: Final = {kind.value.lower(): kind for kind in ResourceType}
_FLAGS: Final = {"R": Operations.READ, "W": Operations.WRITE, "E": Operations.EXECUTE}


def read_folder(folder: FilePath) -> Iterator[ObjectDefinition]:
    """The definitions in every `*.xml` of a folder, by file name; files with another root, such as DDF.xml, are not
    definitions and are left out.

    Raises InvalidDefinition, OSError.
    """
    files = sorted(folder.glob("*.xml"))
    if len(files) > MAX_FILES:
        raise InvalidDefinition(f"{folder}: more than {MAX_FILES} files")
    for file in files:
        if file.stat().st_size > MAX_FILE:
            raise InvalidDefinition(f"{file}: larger than {MAX_FILE} bytes")
        yield from parse(file.read_bytes(), str(file))


def parse(data: bytes, source: str) -> tuple[ObjectDefinition, ...]:
    """The definitions in one file; none when its root is not LWM2M. Raises InvalidDefinition naming `source`."""
    if len(data) > MAX_FILE:
        raise InvalidDefinition(f"{source}: larger than {MAX_FILE} bytes")
    try:
        root = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InvalidDefinition(f"{source}: not safe, well-formed XML: {error}") from error
    if root.tag != "LWM2M":
        return ()
    elements = root.findall("Object")
    if not 1 <= len(elements) <= MAX_OBJECTS:
        raise InvalidDefinition(f"{source}: 1 to {MAX_OBJECTS} objects expected, found {len(elements)}")
    return tuple(_object(element, source) for element in elements)


def _object(element: Element, source: str) -> ObjectDefinition:
    number = _id(_text(element, "ObjectID", source), source)
    name = _name(element, source)
    items = element.findall("Resources/Item")
    if len(items) > MAX_RESOURCES:
        raise InvalidDefinition(f"{source}: more than {MAX_RESOURCES} resources")
    resources = [_resource(item, number, name, source) for item in items]
    by_id = {r.id: r for r in resources}
    if len(by_id) != len(resources):
        raise InvalidDefinition(f"{source}: object {number} defines a resource twice")
    return ObjectDefinition(
        id=number,
        version=_text(element, "ObjectVersion", source, default="1.0") or "1.0",
        name=name,
        urn=_text(element, "ObjectURN", source),
        multiple=_choice(element, "MultipleInstances", "Multiple", "Single", source),
        mandatory=_choice(element, "Mandatory", "Mandatory", "Optional", source),
        description=_text(element, "Description1", source, default=""),
        resources=by_id,
    )


def _resource(item: Element, object_id: int, object_name: str, source: str) -> ResourceDefinition:
    return ResourceDefinition(
        object_id=object_id,
        object_name=object_name,
        id=_id(item.get("ID", ""), source),
        name=_name(item, source),
        operations=_operations(_text(item, "Operations", source), source),
        multiple=_choice(item, "MultipleInstances", "Multiple", "Single", source),
        mandatory=_choice(item, "Mandatory", "Mandatory", "Optional", source),
        type=_type(_text(item, "Type", source), source),
        range=Range.parse(_text(item, "RangeEnumeration", source, default="")),
        units=_text(item, "Units", source, default=""),
        description=_text(item, "Description", source, default=""),
    )


def _text(element: Element, tag: str, source: str, *, default: str | None = None) -> str:
    child = element.find(tag)
    if child is None:
        if default is not None:
            return default
        raise InvalidDefinition(f"{source}: element {tag} is missing")
    text = (child.text or "").strip()
    if len(text) > MAX_TEXT:
        raise InvalidDefinition(f"{source}: element {tag} is longer than {MAX_TEXT} characters")
    return text


def _name(element: Element, source: str) -> str:
    """A name with single spaces: the registry has some typed with two, and names are looked up."""
    return " ".join(_text(element, "Name", source).split())


def _id(text: str, source: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5) or int(text) > MAX_ID:
        raise InvalidDefinition(f"{source}: not an id 0..{MAX_ID}: {text[:20]!r}")
    return int(text)


def _choice(element: Element, tag: str, yes: str, no: str, source: str) -> bool:
    text = _text(element, tag, source).capitalize()
    if text not in (yes, no):
        raise InvalidDefinition(f"{source}: {tag} is {yes} or {no}, not {text[:20]!r}")
    return text == yes


def _operations(text: str, source: str) -> Operations:
    if text not in ("", "R", "W", "RW", "E"):
        raise InvalidDefinition(f"{source}: Operations are R, W, RW, E or empty, not {text[:20]!r}")
    operations = Operations.NONE
    for letter in text:
        operations |= _FLAGS[letter]
    return operations


def _type(text: str, source: str) -> ResourceType:
    kind = _TYPES.get(text.lower())
    if kind is None:
        raise InvalidDefinition(f"{source}: unknown Type {text[:20]!r}")
    return kind
