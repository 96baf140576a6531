"""Builds our Java peers, on others' libraries, once per content, with Maven."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

LESHAN: Final = Path(__file__).with_name("leshan")
BOUNCY_CASTLE: Final = Path(__file__).with_name("bouncycastle")
DEFINITIONS: Final = Path(__file__).parents[2] / "objects" / "definitions"


def command(project: Path, *jvm_options: str) -> list[str]:
    """The command that runs a peer; builds it when its sources are new."""
    folder = _built(project)
    return ["java", *jvm_options, "-cp", f"{folder / 'classes'}:{folder / 'libraries'}/*", "peer.Main"]


def _built(project: Path) -> Path:
    sources = sorted((project / "src").rglob("*.java"))
    digest = hashlib.sha256()
    for path in (project / "pom.xml", *sources):
        digest.update(path.read_bytes())
    target = project / "target"
    folder = target / digest.hexdigest()[:16]
    target.mkdir(exist_ok=True)
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers start together
        if not (folder / "complete").exists():
            for old in (path for path in target.iterdir() if path.is_dir()):
                shutil.rmtree(old)
            _build(project, folder)
            (folder / "complete").touch()
    return folder


def _build(project: Path, folder: Path) -> None:
    """From Maven's own store when it has all; else by way of the network."""
    goals = [f"-Dpeer.target={folder}", "compile", "dependency:copy-dependencies"]
    if subprocess.run(["mvn", "-q", "-B", "-o", *goals], cwd=project, capture_output=True, check=False).returncode == 0:
        return
    result = subprocess.run(["mvn", "-q", "-B", *goals], cwd=project, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"Maven cannot build {project} (is Java 17 or newer installed?): {result.stdout[-2000:]}")
