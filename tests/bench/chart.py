"""The chart of docs/speed.md: each ratio as a bar, its spread as a line, and its target as a mark.

`python -m bench.chart [REPORT [SVG]]` draws the report of the last `make bench` into docs/speed.svg.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from bench.svg import redraw, text

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "build" / "bench" / "report.json"
CHART = ROOT / "docs" / "speed.svg"

FLOORS = ("plain pymilter", "pinned prefork pymilter", "C libmilter")

_WIDTH, _MARGIN = 940, 24
_BAR_FROM, _BAR_TO = 510, 810
_ROW, _HEAD, _GAP = 26, 34, 14
_THICK = 14

_STYLE = """
  svg { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
  .paper { fill: #ffffff; stroke: #d0d7de; } text { fill: #1f2328; } .dim { fill: #59636e; }
  .title { font-size: 17px; font-weight: 600; } .panel { font-weight: 600; } .value { font-weight: 600; }
  .met { fill: #2da44e; } .missed { fill: #d4762c; } .groove { fill: #eaeef2; }
  .target { stroke: #1f2328; stroke-width: 2.5; } .spread { stroke: #1f2328; stroke-opacity: .55; stroke-width: 1.2; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; stroke: #30363d; } text { fill: #e6edf3; } .dim { fill: #9198a1; }
    .met { fill: #2f9e4f; } .missed { fill: #d07a35; } .groove { fill: #21262d; }
    .target { stroke: #f0f6fc; } .spread { stroke: #f0f6fc; }
  }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A ratio: what it is of, and beside whom; the figures are None where nothing was measured."""

    title: str
    against: str
    metric: str
    target: float
    at_most: bool
    met: bool
    median: float | None
    least: float | None
    most: float | None


def bars(report: dict[str, Any]) -> list[Bar]:
    """Return the bars of a report, in its order."""
    return [
        Bar(
            title=load["load"]["title"],
            against=row["against"],
            metric=row["metric_in_words"],
            target=row["ratio"],
            **{name: row[name] for name in ("at_most", "met", "median", "least", "most")},
        )
        for load in report["loads"]
        for row in load["ratios"]
    ]


def draw(report: dict[str, Any]) -> str:
    """Return the chart of a report, as SVG; it follows the reader's light or dark mode."""
    every = bars(report)
    panels = (
        ("More is better: beside milters that accept everything", _choose(every, floors=True)),
        ("More is better: beside other programs", _choose(every, floors=False)),
        ("Less is better: cost and latency", [bar for bar in every if bar.at_most]),
    )
    body: list[str] = []
    y = 104
    for heading, rows in panels:
        if rows:
            body += _panel(heading, rows, y)
            y += _HEAD + len(rows) * _ROW + _GAP
    met = sum(bar.met for bar in every)
    rounds, machine = report["rounds"], report["machine"]
    said = f"{rounds} round{'s' * (rounds != 1)}, {report['connections']} connections, {machine['cpus']} CPUs"
    head = f"milter64's figures as multiples of the others': {met} of {len(every)} targets met"
    legend = "Bar: median of the ratios within a round. Thin line: their spread. Thick mark: the target."
    texts = [
        text(_MARGIN, 36, head, "title"),
        text(_MARGIN, 60, legend, "dim"),
        text(_MARGIN, 79, f"{said}, {report['begin']['time'][:10]}", "dim"),
    ]
    size = f'viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
            f'<title id="title">{escape(head)}</title>',
            f"<style>{_STYLE}</style>",
            f'<rect class="paper" x=".5" y=".5" width="{_WIDTH - 1}" height="{y - 1}" rx="8"/>',
            *texts,
            *body,
            "</svg>\n",
        ]
    )


def _choose(every: Sequence[Bar], *, floors: bool) -> list[Bar]:
    return [bar for bar in every if not bar.at_most and (bar.against in FLOORS) is floors]


def _panel(heading: str, rows: Sequence[Bar], y: int) -> Iterator[str]:
    """Yield a group of bars with a scale of its own, from 0 on."""
    longest = 1.05 * max(value for bar in rows for value in (bar.target, bar.median or 0.0))
    yield text(_MARGIN, y + 12, heading, "panel")
    for number, bar in enumerate(rows):
        yield from _row(bar, y + _HEAD + number * _ROW, (_BAR_TO - _BAR_FROM) / longest)


def _row(bar: Bar, y: int, scale: float) -> Iterator[str]:
    """Yield one bar; `scale` is the pixels of a ratio of 1."""

    def x(ratio: float) -> float:
        return min(_BAR_FROM + ratio * scale, _BAR_TO)

    middle = y + _THICK / 2
    what = "" if bar.metric == "sessions/s" else f"{bar.metric}, "
    yield text(_MARGIN, middle + 4.5, bar.title)
    yield text(_BAR_FROM - 10, middle + 4.5, f"{what}{bar.against}", "dim", "end")
    yield f'<rect class="groove" x="{_BAR_FROM}" y="{y}" width="{_BAR_TO - _BAR_FROM}" height="{_THICK}" rx="2"/>'
    if bar.median is not None:
        kind, width = ("met" if bar.met else "missed"), x(bar.median) - _BAR_FROM
        yield f'<rect class="{kind}" x="{_BAR_FROM}" y="{y}" width="{width:.1f}" height="{_THICK}" rx="2"/>'
    if bar.least is not None and bar.most is not None:
        yield f'<path class="spread" d="M{x(bar.least):.1f} {middle}H{x(bar.most):.1f}"/>'
    yield f'<path class="target" d="M{x(bar.target):.1f} {y - 4}V{y + _THICK + 4}"/>'
    value = "no figure" if bar.median is None else f"{bar.median:.2f}x" + " missed" * (not bar.met)
    yield text(_BAR_TO + 10, middle + 4.5, value, "value")


if __name__ == "__main__":
    redraw(sys.argv[1:], draw, REPORT, CHART)
