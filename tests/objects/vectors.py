"""Where the vectors lie: our own copies, and the collection beside the checkout when it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors"
SHARED = Path(__file__).parents[2].parent / "shared" / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())
