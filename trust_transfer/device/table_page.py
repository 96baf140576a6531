"""Print the state table as the documentation's page: `python -m trust_transfer.device.table_page`.

The page in docs/reference/state-table.md is exactly this output; a test compares them.
"""

from __future__ import annotations

from trust_transfer.device.record import WORKING
from trust_transfer.device.table import ROWS, Row
from trust_transfer.messages.numbers import State

_ORDER = (
    State.IDLE,
    State.ACCEPTED,
    *sorted(WORKING),
    State.FALLING_BACK,
    State.COMMITTED,
    State.FELL_BACK,
)

_INTRODUCTION = """\
# The device's state table

Generated from `trust_transfer/device/table.py` by `python -m trust_transfer.device.table_page`; do not edit.

Each row is one atomic write; the action follows it and is repeated after a restart. An event not listed is refused or
ignored and changes nothing. *Working* = resetting, attesting, updating, enrolling, registering.
"""


def render() -> str:
    """The whole page, Markdown with a Mermaid diagram."""
    rows = "\n".join(_table_line(row) for row in ROWS)
    head = "| State | Event | Stored in one write | Next state | Action |\n| --- | --- | --- | --- | --- |"
    return f"{_INTRODUCTION}\n{head}\n{rows}\n\n{_diagram()}"


def _table_line(row: Row) -> str:
    return f"| {_names(row.states)} | {row.event} | {row.stored} | {_next(row)} | {row.action} |"


def _next(row: Row) -> str:
    return row.next_state or (_names(row.next_states, last=" or ") if row.next_states else "same")


def _names(states: frozenset[State], last: str = ", ") -> str:
    """The states in the order of a transfer, the five working ones by their common name."""
    names: list[str] = []
    for state in _ORDER:
        if state in states:
            name = "working" if states >= WORKING and state in WORKING else _name(state)
            names += [] if name in names else [name]
    return last.join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _name(state: State) -> str:
    return state.name.lower().replace("_", " ")


def _diagram() -> str:
    arrows = [
        f"    {before.name.lower()} --> {after.name.lower()} : {row.event}"
        for row in ROWS
        for before in _ORDER
        for after in _ORDER
        if before in row.states and after in row.next_states and before is not after
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> idle", *arrows, "```", ""])


if __name__ == "__main__":
    print(render(), end="")
