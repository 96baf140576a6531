"""Programs in Go that are peers in tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def go_program(name: str) -> str:
    """The path of a program, built when it is not there; the text of a failure says what is missing."""
    built = subprocess.run([ROOT / "tools" / "go-program", name], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise RuntimeError(f"{name} is needed for this test: {built.stderr[-2000:]}")
    return built.stdout.strip()
