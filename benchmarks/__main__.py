"""`python -m benchmarks`: run benchmarks, print their tables, keep their results."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from benchmarks import enrollment, firmware, handshakes, memory, oscore, registration, revocation, suit
from benchmarks.results import Result, print_table

BENCHMARKS: Final[dict[str, Callable[[bool], Coroutine[Any, Any, Result]]]] = {
    "registration": lambda smoke: registration.run(registration.SMOKE if smoke else registration.Plan()),
    "memory": lambda smoke: memory.run(memory.SMOKE if smoke else memory.Plan()),
    "firmware": lambda smoke: firmware.run(firmware.SMOKE if smoke else firmware.Plan()),
    "revocation": lambda smoke: revocation.run(revocation.SMOKE if smoke else revocation.Plan()),
    "enrollment": lambda smoke: enrollment.run(enrollment.SMOKE if smoke else enrollment.Plan()),
    "suit": lambda smoke: suit.run(suit.SMOKE if smoke else suit.Plan()),
    "oscore": lambda smoke: oscore.run(oscore.SMOKE if smoke else oscore.Plan()),
    "handshakes": lambda smoke: handshakes.run(handshakes.SMOKE if smoke else handshakes.Plan()),
}


def main() -> None:
    """Run what is named on the command line, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which benchmarks; all without a name")
    parser.add_argument("--smoke", action="store_true", help="tiny counts, nothing kept: does it still run?")
    arguments = parser.parse_args()
    for name in arguments.names or BENCHMARKS:
        result = asyncio.run(BENCHMARKS[name](arguments.smoke))
        print_table(result)
        if not arguments.smoke:
            print(f"  kept in {result.save()}\n")


if __name__ == "__main__":
    main()
