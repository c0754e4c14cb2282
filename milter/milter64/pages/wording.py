"""How a value is written for people, wherever it is shown."""

from datetime import UTC, datetime
from html import escape
from typing import Literal, TypeAlias

from milter64.mail.clean_text import clean

Kind: TypeAlias = Literal["text", "number", "time", "duration"]
Value: TypeAlias = str | float | None
"""A text; a number; a time in seconds since 1970; a duration in seconds; or nothing."""
_LONGEST = 2000
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def said(value: Value, kind: Kind = "text") -> str:
    """Return a value in words that are safe to show on a terminal: one line of printable ASCII; "-" for nothing."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return clean(value, _LONGEST)
    if kind == "time":
        return _time(value)
    if kind == "duration":
        return _duration(value)
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def markup(value: Value, kind: Kind = "text") -> str:
    """Return a value in words that are safe in HTML and SVG too, in text and in an attribute."""
    return escape(said(value, kind))


def whole(line: str) -> str:
    """Return a line that is to be pasted as it is, unless it holds what could harm."""
    return line if line.isascii() and line.isprintable() else clean(line, _LONGEST)


def _time(value: float) -> str:
    try:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (OverflowError, ValueError, OSError):  # as of a broken clock
        return f"{value:.0f}"


def _duration(value: float) -> str:
    """Return a duration by its greatest unit, and the next one if there is any of it: "1 d 2 h", "5 min", "0.4 s"."""
    if not 1 <= value < float("inf"):
        return f"{value:.1g} s" if value else "0 s"
    left = round(value)
    place = next(place for place, (_, seconds) in enumerate(_UNITS) if left >= seconds)
    words = []
    for unit, seconds in _UNITS[place : place + 2]:
        count, left = divmod(left, seconds)
        words += [f"{count:,} {unit}"] if count else []
    return " ".join(words)
