"""The picture of docs/speed.md that shows how milter64 grows: a column for each axis, a row for each figure.

`python -m bench.growth_chart [REPORT [SVG]]` draws the report of the last `make bench GROWTH=1` into docs/growth.svg.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from bench.growth_report import in_words
from bench.svg import redraw, text

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "build" / "bench" / "growth.json"
CHART = ROOT / "docs" / "growth.svg"

_WIDTH, _MARGIN, _TOP = 940, 24, 104
_COLUMN, _GUTTER, _PLOT, _INSET = 225, 40, 170, 14
_ROW, _HEAD, _HEIGHT = 204, 26, 120
_TICKS = 4
"""About so many on a linear scale."""
_THOUSAND, _MILLION = 1_000, 1_000_000

_STYLE = """
  svg { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
  .paper { fill: #ffffff; stroke: #d0d7de; } text { fill: #1f2328; } .dim { fill: #59636e; }
  .title { font-size: 17px; font-weight: 600; } .panel { font-weight: 600; }
  .tick, .missing { font-size: 11px; } .tick { fill: #59636e; } .missing { fill: currentColor; }
  .grid { stroke: #d8dee4; stroke-width: 1; }
  .line { fill: none; stroke-width: 1.8; } .spread { stroke-width: 1.4; stroke-opacity: .6; }
  .first { color: #1a7f37; } .second { color: #bc5a1a; } .line.second { stroke-dasharray: 5 3; }
  .line, .spread { stroke: currentColor; } .dot { fill: currentColor; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; stroke: #30363d; } text { fill: #e6edf3; } .dim { fill: #9198a1; }
    .tick { fill: #9198a1; } .grid { stroke: #262c34; }
    .first { color: #3fb950; } .second { color: #e0873f; }
  }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of panels: the figures in it, each by its key in a report and what it is called."""

    title: str
    unit: str
    figures: Mapping[str, str]
    logarithmic: bool = False


ROWS = (
    Row(title="Throughput, sessions/s", unit="sessions/s", figures={"throughput": ""}),
    Row(
        title="Latency until the reply to RCPT at a steady rate, ms",
        unit="ms",
        figures={"p50": "median ", "p99": "99th percentile "},
        logarithmic=True,
    ),
    Row(title="Memory of all processes, MB", unit="MB", figures={"memory": ""}),
)
_KINDS = ("first", "second")

Place = Callable[[float], float]
"""Where a value is, in pixels."""
Lines = Iterator[str]


def draw(report: Mapping[str, Any]) -> str:
    """Return the picture of a report, as SVG; it follows the reader's light or dark mode."""
    height = _TOP + len(ROWS) * _ROW
    rounds, machine = report["rounds"], report["machine"]
    head = "How milter64 grows with rows, senders, workers and the delay of DNS"
    legend = "Dot: median of the rounds. Upright line: their spread. Latency: median, and dashed the 99th percentile."
    said = f"{rounds} round{'s' * (rounds != 1)}, {report['connections']} connections, {machine['cpus']} CPUs"
    said += f", {report['begin']['time'][:10]}. Known senders come; where DNS's delay grows, first tries."
    body = [
        text(_MARGIN, 36, head, "title"),
        text(_MARGIN, 60, legend, "dim"),
        text(_MARGIN, 79, said, "dim"),
    ]
    for number, row in enumerate(ROWS):
        y = _TOP + number * _ROW
        body.append(text(_MARGIN, y + 10, row.title, "panel"))
        for column, axis in enumerate(report["axes"]):
            body += _panel(row, axis, _MARGIN + column * _COLUMN + _GUTTER, y + _HEAD)
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
            f'<title id="title">{escape(head)}</title>',
            f"<style>{_STYLE}</style>",
            f'<rect class="paper" x=".5" y=".5" width="{_WIDTH - 1}" height="{height - 1}" rx="8"/>',
            *body,
            "</svg>\n",
        ]
    )


def _panel(row: Row, axis: Mapping[str, Any], left: float, top: float) -> Lines:
    """Yield one figure along one axis, its plot's upper left corner at a place."""
    points = axis["points"]
    bottom = top + _HEIGHT
    x = _along([point["at"] for point in points], left)
    seen = [value for point in points for key in row.figures for value in (point["figures"][key] or {}).values()]
    ticks = decades(seen) if row.logarithmic else steps(seen)
    y = _up(ticks, bottom, logarithmic=row.logarithmic)
    for tick in ticks:
        yield f'<path class="grid" d="M{left} {y(tick):.1f}h{_PLOT}"/>'
        yield text(left - 6, y(tick) + 4, amount(tick), "tick", "end")
    for point in points:
        yield text(x(point["at"]), bottom + 16, amount(point["at"]), "tick", "middle")
    yield text(left + _PLOT / 2, bottom + 34, axis["title"], "dim", "middle")
    for kind, (key, name) in zip(_KINDS, row.figures.items(), strict=False):
        places = [(x(point["at"]), point["figures"][key]) for point in points]
        yield from _curve(places, y, bottom, kind)
        for point, (at, figure) in zip(points, places, strict=True):
            if figure:
                said = f"{point['at']:,} {axis['title']}: {name}{in_words(figure)} {row.unit}"
                yield f'<circle class="dot {kind}" cx="{at:.1f}" cy="{y(figure["median"]):.1f}" r="3.2">'
                yield f"<title>{escape(said)}</title></circle>"


def _curve(places: Sequence[tuple[float, Mapping[str, float] | None]], y: Place, bottom: float, kind: str) -> Lines:
    """Yield the spreads of figures, and lines through those that follow one another; places are across."""
    run: list[str] = []
    for at, figure in (*places, (0.0, None)):
        if figure:
            run.append(f"{at:.1f} {y(figure['median']):.1f}")
            yield f'<path class="spread {kind}" d="M{at:.1f} {y(figure["least"]):.1f}V{y(figure["most"]):.1f}"/>'
        elif run:
            yield f'<path class="line {kind}" d="M{"L".join(run)}"/>'
            run = []
    above = 5 + 12 * _KINDS.index(kind)
    yield from (text(at, bottom - above, "none", f"missing {kind}", "middle") for at, figure in places if not figure)


def _along(values: Sequence[float], left: float) -> Place:
    """Return a logarithmic scale from left to right; 0 has its place as far before the least as four times less has."""
    least = min(value for value in values if value) / 4

    def place(value: float) -> float:
        return math.log10(value or least)

    begin, end = min(map(place, values)), max(map(place, values))
    width = (_PLOT - 2 * _INSET) / ((end - begin) or 1)
    return lambda value: left + _INSET + (place(value) - begin) * width


def _up(ticks: Sequence[float], bottom: float, *, logarithmic: bool) -> Place:
    """Return a scale from the first tick, at the bottom, to the last one."""
    if logarithmic:
        begin, end = math.log10(ticks[0]), math.log10(ticks[-1])
        return lambda value: bottom - (math.log10(max(value, ticks[0])) - begin) * _HEIGHT / (end - begin)
    return lambda value: bottom - value * _HEIGHT / ticks[-1]


def steps(values: Sequence[float]) -> list[float]:
    """Return the ticks of a linear scale: round numbers from 0 to the most or just above it."""
    most = max(values, default=0.0) or 1.0
    rough = most / _TICKS
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next(times * decade for times in (1, 2, 5, 10) if times * decade >= rough)
    return [number * step for number in range(math.ceil(most / step) + 1)]


def decades(values: Sequence[float]) -> list[float]:
    """Return the ticks of a logarithmic scale: powers of ten from the least, or just below it, to the most."""
    above = [value for value in values if value > 0] or [1.0]
    first, last = math.floor(math.log10(min(above))), math.ceil(math.log10(max(above)))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def amount(value: float) -> str:
    """Return a number in few characters: 10k, 2.5M."""
    for size, letter in ((_MILLION, "M"), (_THOUSAND, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


if __name__ == "__main__":
    redraw(sys.argv[1:], draw, REPORT, CHART)
