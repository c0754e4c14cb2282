"""What all charts have in common: a line of text, and how a report is drawn anew."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return words at a place in pixels; `kind` is their class, `anchor` SVG's text-anchor."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def redraw(words: Sequence[str], draw: Callable[[dict[str, Any]], str], report: Path, chart: Path) -> None:
    """Draw a report: `words` are its path and that of the chart, those given if they are left out."""
    source, target = [*map(Path, words), *(report, chart)[len(words) :]]
    target.write_text(draw(json.loads(source.read_text())))
