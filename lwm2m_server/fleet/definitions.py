"""The objects a transfer works with."""

from __future__ import annotations

from objects.definition import ObjectDefinition
from objects.model import MODEL

TRANSFER: ObjectDefinition = MODEL["Trust Transfer"]
ENROLLMENT: ObjectDefinition = MODEL["Enrollment"]
FIRMWARE: ObjectDefinition = MODEL["Firmware Update"]
