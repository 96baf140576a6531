"""What the interfaces of the server have done, as plain numbers; `api.metrics` shows them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class RegistrationCounters:
    """Since the start of the process."""

    registered: int = 0
    updated: int = 0
    deregistered: int = 0
    expired: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Refusals by the name of their response code or of the limit they met; no device's words among them."""


@dataclass(slots=True)
class ReportCounters:
    """Of the information reporting interface, since the start of the process."""

    notified: int = 0
    unusable: int = 0
    """Notifications that could not be read."""
    ended: int = 0
    """Observations a device has ended by an error."""
    sent: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Refused Sends by the name of their response code."""
