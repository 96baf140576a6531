"""Whether the copy of a moved device was refused everywhere, by its own log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


async def was_refused(log: Path) -> Any:
    """SP1 ended its handshake, and CA1 answered 4.03: True; else what is missing."""
    events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    by_server = any(event["event"] == "connection_failed" for event in events)
    by_authority = any(event["event"] == "enrollment_refused" and event.get("code") == "4.03" for event in events)
    return (by_server and by_authority) or f"refused by SP1: {by_server}, by CA1: {by_authority}"
