"""LwM2M data model: object definitions, paths, values and content formats (OMA LwM2M Core 1.2)."""

from objects.definition import ObjectDefinition, Operations, ResourceDefinition
from objects.errors import (
    FormatError,
    FormatReason,
    InvalidDefinition,
    InvalidPath,
    InvalidValue,
    ObjectsError,
    UnknownDefinition,
)
from objects.model import MODEL, ObjectModel
from objects.nodes import (
    AnyResource,
    MultipleResource,
    Node,
    ObjectInstance,
    ObjectNode,
    Resource,
    ResourceInstance,
    walk,
)
from objects.path import MAX_ID, UNASSIGNED, Path
from objects.ranges import Range
from objects.values import ObjectLink, ResourceType, Value

__all__ = [
    "MAX_ID",
    "MODEL",
    "UNASSIGNED",
    "AnyResource",
    "FormatError",
    "FormatReason",
    "InvalidDefinition",
    "InvalidPath",
    "InvalidValue",
    "MultipleResource",
    "Node",
    "ObjectDefinition",
    "ObjectInstance",
    "ObjectLink",
    "ObjectModel",
    "ObjectNode",
    "ObjectsError",
    "Operations",
    "Path",
    "Range",
    "Resource",
    "ResourceDefinition",
    "ResourceInstance",
    "ResourceType",
    "UnknownDefinition",
    "Value",
    "walk",
]
