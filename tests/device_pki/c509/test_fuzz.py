"""Coverage-guided fuzzing, for as long as a soak takes: no crash, no input that takes long or much memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 300


@pytest.mark.soak
@pytest.mark.timeout(SECONDS * 3)
def test_whatever_comes_ends_in_c509_error(tmp_path: Path) -> None:
    options = (f"-max_total_time={SECONDS}", "-timeout=10", "-rss_limit_mb=1024", "-max_len=4096")
    command = [sys.executable, "-m", "tests.device_pki.c509.fuzz", str(tmp_path), *options]
    command.append(f"-artifact_prefix={tmp_path}/")
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
