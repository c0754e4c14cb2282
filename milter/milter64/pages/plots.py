"""Plots as SVG, drawn once for any width: across they are in per cent, and what is written keeps its size.

A plot says all that it shows to who can't see it by its description; its numbers stand in a table beside it. Colours
are the page's own, by class, since its policy allows no style in an element.
"""

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10

from milter64.mail.clean_text import clean
from milter64.pages.document import Bars, Distribution, Plot, Shares, Table, numbers
from milter64.pages.wording import markup, said

_HEIGHT = 200
_ABOVE, _BELOW = 12, 24
"""Room for what is written above the highest line, and below the lowest."""
_MOST_LABELS = 12
_ROOM, _ROOM_ON_TELEPHONES = 110, 34
"""Characters of all labels together."""
_LONGEST_LABEL = 20
"""Characters; half of them fit in left of the first column, below the scale."""
_STEPS = 4
_COLOURS = 6
"""How many there are in page.css: .s0 to .s5."""
_ROW = 36
_BAR = 8
_LONGEST_NAME = 38
"""Characters of a name that fit on a telephone, beside its number; all of it stands in the table."""


def drawn(plot: Plot, *, title: str, name: str) -> Iterator[str]:
    """Yield a plot; `name` is an id of its own on the page."""
    if isinstance(plot, Bars) and len(plot.series) > 1:
        yield '<ul class="legend">'
        for number, series in enumerate(plot.series):
            swatch = f'<svg class="{_colour(number)}" aria-hidden="true"><rect width="100%" height="100%"/></svg>'
            yield f"<li>{swatch}{markup(series.name)}</li>"
        yield "</ul>"
    shares = isinstance(plot, Shares)
    height = _ROW * len(plot.shares) if isinstance(plot, Shares) else _ABOVE + _HEIGHT + _BELOW
    yield (
        f'<svg class="{"shares" if shares else "columns"}" height="{height}" role="img" '
        f'aria-labelledby="{name}-title" aria-describedby="{name}-desc">'
        f'<title id="{name}-title">{markup(title)}</title><desc id="{name}-desc">{markup(_described(plot))}</desc>'
    )
    match plot:
        case Shares():
            yield from _shares(plot)
        case Bars():
            yield from _columns(numbers(plot), gap=0.2)
            yield from _labels(plot.labels, shift=0.5)
        case Distribution():
            yield from _columns(numbers(plot), gap=0)
            yield from _labels([said(edge, plot.kind) for edge in plot.edges[:-1]], shift=0)
    yield "</svg>"


def _colour(number: int) -> str:
    return f"s{number % _COLOURS}"


def _described(plot: Plot) -> str:
    """Return what there is to see, in a sentence for each series."""
    table = numbers(plot)
    told = []
    for place, column in enumerate(table.columns[1:], start=1):
        values = [(float(row[place] or 0), str(row[0])) for row in table.rows]
        most, where = max(values, default=(0.0, ""))
        total = sum(value for value, _ in values)
        told.append(
            f"{column.name}: {said(total)} in all, most of them, {said(most)}, at {where}"
            if total
            else f"{column.name}: none"
        )
    return f"By {table.columns[0].name}. {'. '.join(told)}."


def _columns(table: Table, gap: float) -> Iterator[str]:
    """Yield lines to read the height by, and a column for each row, of which `gap` is left free."""
    names = [column.name for column in table.columns[1:]]
    stacks = [[float(value or 0) for value in row[1:]] for row in table.rows]
    top, step = _scale(max((sum(stack) for stack in stacks), default=0))
    for line in range(round(top / step) + 1):
        height = _ABOVE + _HEIGHT * (1 - line * step / top)
        yield f'<line x1="0" x2="100%" y1="{height:.1f}" y2="{height:.1f}"/>'
        yield f'<text class="scale" x="-8" y="{height + 4:.1f}">{said(line * step)}</text>'
    width = 100 / (len(stacks) or 1)
    for place, (stack, row) in enumerate(zip(stacks, table.rows, strict=True)):
        below = 0.0
        for number, (value, series) in enumerate(zip(stack, names, strict=True)):
            if value:
                left, height = (place + gap / 2) * width, _HEIGHT * value / top
                above = _ABOVE + _HEIGHT * (1 - below / top) - height
                yield (
                    f'<rect class="{_colour(number)}" x="{left:.2f}%" width="{width * (1 - gap):.2f}%" '
                    f'y="{above:.1f}" height="{height:.1f}"><title>{markup(row[0])}, {markup(series)}: {said(value)}'
                    "</title></rect>"
                )
            below += value


def _scale(most: float) -> tuple[float, float]:
    """Return where a scale that holds `most` ends, and its steps: 1, 2 or 5 of some power of ten, and whole."""
    if most <= 0:
        return 1.0, 1.0
    power = 10.0 ** floor(log10(most / _STEPS))
    step = max(next(power * times for times in (1, 2, 5, 10) if power * times * _STEPS >= most), 1.0)
    return step * ceil(most / step), step


def _labels(labels: Sequence[str], shift: float) -> Iterator[str]:
    """Yield as many labels as fit, none of which sticks out to the right; on a telephone some of them are spared."""
    shown = [clean(label, _LONGEST_LABEL) for label in labels]
    longest = max(map(len, shown), default=0) + 2
    every = ceil(len(shown) / min(_MOST_LABELS, max(_ROOM // longest, 1))) or 1
    kept = ceil(len(shown) / every / max(_ROOM_ON_TELEPHONES // longest, 1))
    for place in range(0, len(shown), every):
        left = (place + shift) * 100 / len(shown)
        room = (100 - left) / 50  # that a label in the middle of which it stands may have, as a part of the width
        spare = " spare" if place // every % kept or room * _ROOM_ON_TELEPHONES < longest else ""
        if room * _ROOM >= longest or not place:
            yield (
                f'<text class="label{spare if place else ""}" x="{left:.2f}%" y="{_ABOVE + _HEIGHT + 18}">'
                f"{markup(shown[place])}</text>"
            )


def _shares(plot: Shares) -> Iterator[str]:
    """Yield a row for each share: its name and its number, and a bar below."""
    most = max((value for _, value in plot.shares), default=0) or 1
    for place, (name, value) in enumerate(plot.shares):
        line = place * _ROW + 15
        yield f'<text class="name" x="0" y="{line}">{markup(clean(name, _LONGEST_NAME))}</text>'
        yield f'<text class="number" x="100%" y="{line}">{said(value)}</text>'
        yield (
            f'<rect class="s0" x="0" y="{line + 6}" width="{100 * value / most:.2f}%" height="{_BAR}">'
            f"<title>{markup(name)}: {said(value)}</title></rect>"
        )
