"""Builds our Java peer on Eclipse Leshan's libraries once per content, with Maven."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).with_name("leshan")
TARGET: Final = PROJECT / "target"
DEFINITIONS: Final = Path(__file__).parents[2] / "objects" / "definitions"


def command(*jvm_options: str) -> list[str]:
    """The command that runs the peer; builds it when its sources are new."""
    folder = _built()
    return ["java", *jvm_options, "-cp", f"{folder / 'classes'}:{folder / 'libraries'}/*", "peer.Main"]


def _built() -> Path:
    sources = sorted((PROJECT / "src").rglob("*.java"))
    digest = hashlib.sha256()
    for path in (PROJECT / "pom.xml", *sources):
        digest.update(path.read_bytes())
    folder = TARGET / digest.hexdigest()[:16]
    TARGET.mkdir(exist_ok=True)
    with (TARGET / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers start together
        if not (folder / "complete").exists():
            for old in (path for path in TARGET.iterdir() if path.is_dir()):
                shutil.rmtree(old)
            _build(folder)
            (folder / "complete").touch()
    return folder


def _build(folder: Path) -> None:
    """From Maven's own store when it has all; else by way of the network."""
    goals = [f"-Dpeer.target={folder}", "compile", "dependency:copy-dependencies"]
    if subprocess.run(["mvn", "-q", "-B", "-o", *goals], cwd=PROJECT, capture_output=True, check=False).returncode == 0:
        return
    result = subprocess.run(["mvn", "-q", "-B", *goals], cwd=PROJECT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"Maven cannot build {PROJECT} (is Java 17 or newer installed?): {result.stdout[-2000:]}")
