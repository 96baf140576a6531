"""Device management operations as values that can be stored and carried out later (LwM2M Core 1.2, 6.3 and 6.4).

Values are kept in SenML CBOR, whatever format the device will be sent: it carries every type there is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from objects.path import Path


class Operation(StrEnum):
    """The operations of the device management and information reporting interfaces."""

    READ = "read"
    WRITE = "write"
    """Replace what is at the path."""
    UPDATE = "update"
    """Partial update: what the content does not name stays."""
    EXECUTE = "execute"
    CREATE = "create"
    DELETE = "delete"
    DISCOVER = "discover"
    WRITE_ATTRIBUTES = "write-attributes"
    OBSERVE = "observe"
    READ_COMPOSITE = "read-composite"
    WRITE_COMPOSITE = "write-composite"
    OBSERVE_COMPOSITE = "observe-composite"

    @property
    def idempotent(self) -> bool:
        """Whether carrying it out twice is the same as once (RFC 7252 5.1): POST that creates or runs is not."""
        return self not in {Operation.EXECUTE, Operation.CREATE}


@dataclass(frozen=True, slots=True)
class Order:
    """One operation. `paths`: one, or for composite operations any number.

    `content`: SenML CBOR of what Write, Create and Write-Composite carry. `arguments`: of Execute, by digit.
    `attributes`: of Write-Attributes, as its query (`pmin=10&pmax=60`).
    """

    operation: Operation
    paths: tuple[Path, ...]
    content: bytes = b""
    arguments: Mapping[int, str | None] = field(default_factory=dict)
    attributes: str = ""

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("an operation names at least one path")

    @property
    def path(self) -> Path:
        """The path of an operation on one place."""
        return self.paths[0]

    @property
    def size(self) -> int:
        """Bytes of its stored form."""
        return len(self.to_json())

    def to_json(self) -> str:
        """The form it is stored in; members that say nothing are left out."""
        members: dict[str, Any] = {"operation": self.operation.value, "paths": [str(path) for path in self.paths]}
        if self.content:
            members["content"] = base64.b64encode(self.content).decode()
        if self.arguments:
            members["arguments"] = {str(digit): value for digit, value in self.arguments.items()}
        if self.attributes:
            members["attributes"] = self.attributes
        return json.dumps(members, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read back what `to_json` wrote."""
        members = json.loads(text)
        return cls(
            Operation(members["operation"]),
            tuple(Path.parse(path) for path in members["paths"]),
            base64.b64decode(members.get("content", "")),
            {int(digit): value for digit, value in members.get("arguments", {}).items()},
            members.get("attributes", ""),
        )
