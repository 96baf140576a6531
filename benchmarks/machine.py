"""What a result was measured on and with."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def description() -> dict[str, str]:
    """Processor, cores, kernel and the versions of what takes part."""
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "java": java.splitlines()[0],
        "leshan": "2.0.0-M18",
        "openssl": version("pyOpenSSL"),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
