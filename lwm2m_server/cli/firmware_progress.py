"""Following firmware updates on the terminal: one bar per device and component."""

import time
from typing import Any

from lwm2m_server.cli.common import Server, printable

_ENDED = frozenset({"installed", "kept", "failed", "cancelled"})
_PAUSE = 0.5
"""Seconds between two looks."""


def follow(server: Server, device: str | None, image: str | None) -> list[Any]:
    """Show bars until every update has ended; returns the updates as they ended."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[int, Any] = {}
        while True:
            updates: list[Any] = server.get("firmware/pushes", device=device, image=image)
            for one in updates:
                if one["id"] not in tasks:
                    name = printable(f"{one['endpoint']} {one['component']}")
                    tasks[one["id"]] = progress.add_task(name, total=one["bytes"], state="")
                state = f"{one['state']} {one['rate'] / 1024:.0f} KiB/s" if one["rate"] else one["state"]
                progress.update(tasks[one["id"]], completed=one["transferred"], state=state)
            if all(one["state"] in _ENDED for one in updates):
                return updates
            time.sleep(_PAUSE)
