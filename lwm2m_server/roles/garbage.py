"""Cyclic garbage collection for a process that keeps much and makes few cycles.

Reference counts free what a server drops. The collector is there for cycles, which come from failed tasks and their
tracebacks and die young. By its own settings it would walk all that is kept again and again: every registration, peer
and remembered message, to find nothing, while every device waits.
"""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (20_000, 10, 1_000)
"""New containers before a collection of the youngest, then collections of each generation before one of the next."""


def tune() -> None:
    """At the start of the process: collect the young often enough, the old rarely."""
    gc.set_threshold(*THRESHOLDS)


def settle() -> None:
    """When a role is ready: what it has loaded stays, and is not looked at any more."""
    gc.collect()
    gc.freeze()
