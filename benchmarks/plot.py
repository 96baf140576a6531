"""`python -m benchmarks.plot`: the kept results as SVG for the documentation, and their table in its page."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from benchmarks import results
from benchmarks.results import Figure, Result, number

DOCS: Final = Path(__file__).parents[1] / "docs" / "explanation"
WIDTH: Final = 720
ROW: Final = 54
TOP: Final = 56
BAR: Final = 16
LEFT: Final = 20
LONGEST: Final = 440
OURS: Final = "#1b6e8c"
THEIRS: Final = "#c4a484"
_BEGIN: Final = "<!-- figures: written by python -m benchmarks.plot -->"
_END: Final = "<!-- end of figures -->"


def svg(result: Result) -> str:
    """Two bars for each figure that has both sides, each figure on a scale of its own."""
    shown = [figure for figure in result.figures if figure.their_median is not None]
    height = TOP + ROW * len(shown) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        '  font-family="sans-serif" font-size="13">',
        f"<title>{escape(result.title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="16">{escape(result.title)}</text>',
        *_key(LEFT, 34, OURS, "ours"),
        *_key(LEFT + 80, 34, THEIRS, result.peer),
    ]
    for place, figure in enumerate(shown):
        lines += _bars(figure, TOP + ROW * place)
    return "\n".join([*lines, "</svg>", ""])


def _key(x: int, y: int, colour: str, name: str) -> list[str]:
    return [
        f'<rect x="{x}" y="{y}" width="11" height="11" fill="{colour}"/>',
        f'<text x="{x + 17}" y="{y + 10}">{escape(name)}</text>',
    ]


def _bars(figure: Figure, y: int) -> list[str]:
    values = (figure.our_median, figure.their_median or 0.0)
    scale = LONGEST / (max(*values, 0.0) or 1.0)
    ratio = "" if figure.ratio is None else f" · {figure.ratio:.2f} x as good"
    lines = [f'<text x="{LEFT}" y="{y + 14}">{escape(f"{figure.name}, {figure.unit}{ratio}")}</text>']
    for row, (value, colour) in enumerate(zip(values, (OURS, THEIRS), strict=True)):
        top, width = y + 19 + row * BAR, max(value * scale, 1.0)
        lines.append(f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR - 3}" fill="{colour}"/>')
        lines.append(f'<text x="{LEFT + width + 6:.1f}" y="{top + 11}" font-size="12">{number(value)}</text>')
    return lines


def table(kept: list[Result]) -> str:
    """Every figure of every result, and what they were measured on."""
    lines = []
    for result in kept:
        lines += [f"### {result.title}", "", f"![{result.title}]({result.benchmark}.svg)", ""]
        lines += [f"| | unit | ours | {result.peer} | ratio | goal |", "| --- | --- | ---: | ---: | ---: | --- |"]
        for one in result.figures:
            theirs = "" if one.their_median is None else number(one.their_median)
            ratio = "" if one.ratio is None else f"{one.ratio:.2f} x"
            lines.append(f"| {one.name} | {one.unit} | {number(one.our_median)} | {theirs} | {ratio} | {one.goal} |")
        lines += ["", *(f"- {name}: {text}" for name, text in result.configuration.items()), ""]
    if kept:
        lines += ["Measured on: " + "; ".join(f"{name} {text}" for name, text in kept[0].machine.items()) + ".", ""]
    return "\n".join(lines)


def page(text: str, kept: list[Result]) -> str:
    """The page with its figures replaced."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{table(kept)}\n{_END}{after}"


def main() -> None:
    """Draw and write."""
    kept = results.load()
    for result in kept:
        (DOCS / f"{result.benchmark}.svg").write_text(svg(result), encoding="utf-8")
    performance = DOCS / "performance.md"
    performance.write_text(page(performance.read_text(encoding="utf-8"), kept), encoding="utf-8")


if __name__ == "__main__":
    main()
