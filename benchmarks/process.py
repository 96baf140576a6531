"""What the kernel says of a process: processor time and memory, all its threads included (proc(5)). Linux only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

SERVER_CORE: Final = "0"
LOAD_CORE: Final = str(max(os.sched_getaffinity(0)))
"""Where server and load run; on a machine of one core they share it, and the results say so."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def pinned(core: str) -> list[str]:
    """The prefix of a command that is to run on one core only."""
    return ["taskset", "-c", core]


def cpu_seconds(pid: int) -> float:
    """Processor time used so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """Resident memory now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has ended")
