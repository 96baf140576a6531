"""docs/reference/python-api.md from the docstrings: what a program that embeds the server works with."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Final

from lwm2m_server.protocol import errors, observations
from lwm2m_server.protocol.operations import Found
from lwm2m_server.protocol.samples import Sample
from lwm2m_server.server import events, observing, sessions
from lwm2m_server.server.device import Device
from lwm2m_server.server.firmware.images import Images
from lwm2m_server.server.firmware.service import Firmware
from lwm2m_server.server.latest import LatestValues
from lwm2m_server.server.queueing import Queued
from lwm2m_server.server.sending import Sent
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.server.standing import UnknownObservation
from lwm2m_server.server.subscriptions import Notification, Subscription
from objects.attributes import Attributes
from objects.errors import FormatError, InvalidPath, InvalidValue

_CLASSES: Final[tuple[tuple[type, tuple[str, ...]], ...]] = (
    (Lwm2mServer, ("open", "bind", "device", "devices", "route", "drop")),
    (
        Device,
        (
            "read",
            "write",
            "update",
            "execute",
            "create",
            "delete",
            "discover",
            "write_attributes",
            "read_composite",
            "write_composite",
            "observe",
            "observe_composite",
            "enqueue",
            "upload",
        ),
    ),
    (Queued, ("cancel",)),
    (Firmware, ("order", "cancel", "updates", "progress")),
    (Images, ("add", "get", "everything", "remove")),
    (Subscription, ("close", "cancel")),
    (Notification, ("value", "values")),
    (Sample, ()),
    (Sent, ()),
    (Found, ()),
    (Attributes, ("parse",)),
    (observing.Observing, ("of", "listen", "cancel")),
    (LatestValues, ("of",)),
    (events.Events, ("on", "stream")),
)
"""Classes of the API in the order of the page, with the members to show."""

_EVENTS: Final = (events.Registered, events.Updated, events.Deregistered, events.Expired, Notification, Sent)
_ERRORS: Final = (
    InvalidPath,
    InvalidValue,
    FormatError,
    sessions.DeviceOffline,
    errors.DeviceRefused,
    errors.FormatRefused,
    errors.AnswerUnusable,
    observations.NotObservable,
    observing.TooManyObservations,
    UnknownObservation,
)

_HEAD: Final = """# Python API

```python
async with Lwm2mServer.open(data) as server:
    await server.bind("127.0.0.1", port)
    sensor = server.device("sensor", wait=60)
    manufacturer = await sensor.read("/3/0/0")
```

The programs in [examples](../../examples) run as they are; [talk to a device](../how-to/talk-to-a-device.md) and
[observe](../how-to/observe.md) explain them. A place is a path (`"/3/0/1"` or `objects.Path`) or a resource definition
(`MODEL["Device"]["UTC Offset"]`, of instance 0). Values are plain Python: `str`, `int`, `float`, `bool`, `bytes`,
`objects.ObjectLink`; times are seconds since 1970; what lies beneath a place is a dict by id. Everything that takes
time is awaited on one asyncio event loop."""


def render() -> str:
    """The page."""
    lines = [_HEAD]
    for kind, members in _CLASSES:
        lines += ["", f"## {kind.__name__}", "", f"`{kind.__module__}`. {_text(kind)}"]
        if is_dataclass(kind):
            lines += ["", "Fields: " + ", ".join(f"`{one.name}: {one.type}`" for one in fields(kind)) + "."]
        lines += [line for name in members for line in _member(kind, name)]
    lines += ["", "## What happens", "", "What `server.events.on` and `.stream` take.", ""]
    lines += [f"- `{kind.__module__}.{kind.__name__}`: {_text(kind)}" for kind in _EVENTS]
    lines += ["", "## Errors", ""]
    lines += [f"- `{kind.__module__}.{kind.__name__}`: {_text(kind)}" for kind in _ERRORS]
    return "\n".join(lines) + "\n"


def _member(kind: type, name: str) -> Iterator[str]:
    found = inspect.getattr_static(kind, name)
    yield ""
    if isinstance(found, property):
        yield f"`.{name}`: {_text(found)}"
        return
    function = getattr(kind, name)
    awaited = "await " if inspect.iscoroutinefunction(inspect.unwrap(function)) else ""
    yield f"`{awaited}.{name}{_signature(function)}`"
    yield ""
    yield _text(function)


def _signature(function: Any) -> str:
    """As written, without `self`; what is returned is said by the text."""
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "self"]
    shown = str(inspect.Signature(parameters)).replace("'", "")
    return re.sub(r"\s+", " ", shown)


def _text(what: Any) -> str:
    """The docstring on one line."""
    text = inspect.getdoc(what)
    assert text is not None, f"{what} has a docstring"
    return " ".join(text.split())
