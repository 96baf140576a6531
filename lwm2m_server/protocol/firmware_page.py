"""Renders the table of firmware updates as the documentation's page; `lwm2m_server.reference` prints it."""

from __future__ import annotations

from collections.abc import Sequence

from lwm2m_server.protocol.firmware import Failure, Phase
from lwm2m_server.protocol.firmware_table import ROWS, Patience, Row
from objects.firmware import UpdateState

_INTRODUCTION = """\
# Firmware updates: the table

Generated from `lwm2m_server/protocol/firmware_table.py` by `python -m lwm2m_server.reference firmware-update`; do not
edit.

The server's side of the update of one component: object 5, or one instance of 33629. *Phase* is the server's word,
*state* is what the device shows in its resource 3. The first row that applies decides; its phase is stored, then its
action follows. After a crash of either side the device is looked at again and the table says how to go on.
"""


def render() -> str:
    """The whole page."""
    lines = [
        _INTRODUCTION,
        "| phase | device's state | when | next phase | action |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {_names(row.phases, tuple(Phase))} | {_names(row.states, tuple(UpdateState))} | {row.when} "
        f"| {_next(row)} | {row.action.value} |"
        for row in ROWS
    ]
    patience = Patience()
    lines += [
        "",
        "## Bounds",
        "",
        f"A transfer is begun at most {patience.attempts} times. It stalls after {patience.stall:.0f} s without a byte",
        "or a change; a device that has registered anew gets its time again. Installing may take",
        f"{patience.install:.0f} s. An Update without effect is repeated after {patience.repeat:.0f} s. The order",
        "as a whole ends at its expiry.",
        "",
        "## Payloads left out",
        "",
        "A device is not sent payloads it has already. When an update fails by its result or is refused after some",
        "were left out, that proves nothing yet: it is pending again, once, and everything is sent.",
        "",
        "## Failures",
        "",
        *[f"- `{failure.value}`" for failure in Failure],
        "",
    ]
    return "\n".join(lines)


def _names(chosen: frozenset[Phase] | frozenset[UpdateState], everything: Sequence[Phase | UpdateState]) -> str:
    named = [one for one in everything if not isinstance(one, Phase) or one.open]
    if all(one in chosen for one in named):
        return "any"
    return ", ".join(one.name.lower() for one in named if one in chosen)


def _next(row: Row) -> str:
    if row.next_phase is None:
        return "same"
    return row.next_phase.value if row.failure is None else f"{row.next_phase.value}: {row.failure.value}"
