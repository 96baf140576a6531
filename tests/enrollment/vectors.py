"""Published EST-coaps examples: our own copies always, the shared folder where it lies beside the checkout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

OWN = Path(__file__).parents[1] / "vectors" / "est-coaps" / "examples.json"
SHARED = Path(__file__).parents[2].parent / "shared" / "vectors" / "est-coaps" / "est18_appendices.json"


@dataclass(frozen=True)
class Example:
    name: str
    kind: str
    data: bytes


def examples() -> list[Example]:
    found = [Example(r["reference"], r["kind"], bytes.fromhex(r["hex"])) for r in json.loads(OWN.read_text())]
    if SHARED.exists():
        for number, record in enumerate(json.loads(SHARED.read_text())["vectors"]):
            kind = {"pkcs": "bundle", "csr:": "request"}.get(record["parsed"][:4])
            if kind is not None:
                found.append(Example(f"shared {number}", kind, bytes.fromhex(record["hex"])))
    return found
