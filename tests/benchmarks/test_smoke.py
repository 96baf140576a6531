"""Each benchmark runs through with a handful of devices; the figures mean nothing then, but they are all there."""

from __future__ import annotations

from pathlib import Path

from benchmarks import enrollment, firmware, handshakes, memory, oscore, registration, results, revocation, suit
from benchmarks.results import Result


def check(result: Result, folder: Path) -> None:
    """Every figure has both sides where it should, survives its file, and can be printed."""
    assert result.figures
    result.save(folder)
    assert results.load(folder) == [result]
    results.print_table(result)


async def test_firmware(tmp_path: Path) -> None:
    result = await firmware.run(firmware.SMOKE)
    check(result, tmp_path)
    assert all(figure.our_median > 0 and figure.their_median for figure in result.figures)


async def test_memory(tmp_path: Path) -> None:
    check(await memory.run(memory.SMOKE), tmp_path)


async def test_enrollment(tmp_path: Path) -> None:
    result = await enrollment.run(enrollment.SMOKE)
    check(result, tmp_path)
    assert all(figure.our_median > 0 and figure.their_median for figure in result.figures)


async def test_suit(tmp_path: Path) -> None:
    result = await suit.run(suit.SMOKE)
    check(result, tmp_path)
    assert all(figure.our_median > 0 and figure.their_median for figure in result.figures)


async def test_oscore(tmp_path: Path) -> None:
    result = await oscore.run(oscore.SMOKE)
    check(result, tmp_path)
    assert all(figure.our_median > 0 and figure.their_median for figure in result.figures)


async def test_revocation(tmp_path: Path) -> None:
    result = await revocation.run(revocation.SMOKE)
    check(result, tmp_path)
    assert all(figure.our_median > 0 for figure in result.figures)


async def test_registration(tmp_path: Path) -> None:
    result = await registration.run(registration.SMOKE)
    check(result, tmp_path)
    rate, _, lost, burst_lost = result.figures
    assert rate.our_median > 0
    assert rate.their_median
    assert (lost.our_median, burst_lost.our_median) == (0, 0)


async def test_handshakes(tmp_path: Path) -> None:
    result = await handshakes.run(handshakes.SMOKE)
    check(result, tmp_path)
    for rate, lost in (result.figures[:2], result.figures[2:4]):
        assert rate.our_median > 0
        assert rate.their_median
        assert (lost.our_median, lost.their_median) == (0, 0)
