"""Who asks, and what the operations are: what every decision about a request needs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from objects.path import Path
from secure_coap.errors import CoapError
from trust_transfer.device.events import Source


class Operation(Enum):
    """The operations a server can ask for; Discover, Observe and Write-Attributes need the right to read."""

    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"
    CREATE = "create"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Caller:
    """A server, known by the session its requests come in by."""

    source: Source = Source.SERVER
    """What it is to the trust transfer; a device without one knows only its servers."""
    server: int = 1
    """Its Short Server ID."""


class Access(Protocol):
    """Who may do what: decided before an object sees the request."""

    def refused(self, caller: Caller, operation: Operation, path: Path) -> CoapError | None:
        """Why this request is refused, or None when the object itself decides."""

    def created(self, caller: Caller, path: Path) -> None:
        """This server has just created this instance."""

    def deleted(self, path: Path) -> None:
        """This instance is not there any more."""
