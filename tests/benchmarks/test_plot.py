"""The page and its pictures show what was kept."""

from __future__ import annotations

from benchmarks import plot, results


def test_the_page_has_the_kept_figures() -> None:
    text = (plot.DOCS / "performance.md").read_text()
    kept = results.load()
    assert kept
    assert plot.page(text, kept) == text, "run: python -m benchmarks.plot"
    for result in kept:
        assert (plot.DOCS / f"{result.benchmark}.svg").read_text() == plot.svg(result)
