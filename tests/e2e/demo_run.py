"""Run the demo as a person would and read what it says and leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).parent / "lwm2m-server")
SECONDS = 420


@dataclass(frozen=True, slots=True)
class DemoRun:
    """The JSON object of the last line of stdout, and the directory of `--keep`."""

    result: dict[str, Any]
    directory: Path

    @property
    def messages(self) -> Path:
        return self.directory / "messages"


def run_demo(directory: Path, *options: str, devices: int = 6) -> DemoRun:
    """Raises AssertionError with the end of what was printed unless the exit code is 0."""
    argv = [COMMAND, "demo", "--devices", str(devices), "--json", "--keep", str(directory), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{argv} ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return DemoRun(json.loads(done.stdout.splitlines()[-1]), directory)


def assert_everybody_is_where_it_should_be(run: DemoRun, devices: int) -> None:
    """One fell back, one was cancelled, one missed its window; all others committed and their old ones were revoked."""
    result = run.result
    assert result["devices"] == devices
    assert result["committed"] == devices - 3
    assert result["revoked"] == devices - 3
    assert (result["fell_back"], result["cancelled"], result["window_missed"]) == (1, 1, 1)
    assert (result["in_doubt"], result["rejected"], result["unaccounted"]) == (0, 0, 0)
