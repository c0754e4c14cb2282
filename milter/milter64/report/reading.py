"""Blocks of a log's lines into figures.

Nearly all lines of a log are of one form, and have nothing in them that was quoted but our own reason and reply. Such
lines are taken apart here, a block at a time, in a tenth of the time; all others by `history.own_lines`.
"""

import re
import time
from calendar import timegm
from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import ceil, inf

from milter64.history.own_lines import events
from milter64.report.figures import SECONDS, Figures, Kind
from milter64.report.outcome import OUTCOMES, Shape, reasons

_LINE = re.compile(
    r'^(?>(?:(?!time=)[^=<"{\n]*[ :](?=time=))?)time=(.{13}):([0-5][0-9]:[0-5][0-9])[^ ]*+ level=info event=([^ ]*+)'
    r" (?>(?:(?:ban|queue)=[^ ]*+ )?)session=[^ ]*+ client=([^ ]*+ wire=[^ ]*+ port=[^ ]*+ origin=([^ ]*+)"
    r' helo=[^ "]*+) from=<([^ "]*+ to=[^ "]*)> ((?>(?:[^ "g\n][^ "\n]*+ )*))(?:because="([^"\\\n]*+)" )?'
    r'((?:greylist=[a-z]*+ )?)(?:group=[^ "\n]*+ )?(?:wait=[0-9]*+ )?(?:reply="[^"\n]*+" )?'
    r"((?:observe=[a-z]*+ )?)ms=[^ \n]*+$"
    r"|^(.+)$",
    re.MULTILINE,
)
"""The findings begin with any letter but the g of what comes behind them.

(?>...) gives nothing back, as the "+" behind a quantifier; that doesn't work behind a group before Python 3.11.5.
"""
_Parts = tuple[str, str, str, str, str, str, str, str, str, str, str]
_REMEMBERED = 4096


def read(blocks: Iterable[bytes], figures: Figures, since: float = 0.0, until: float = inf) -> None:
    """Take the figures of all lines from `since` on and before `until`, in seconds since 1970."""
    for at, name, fields in events(_others(blocks, figures, _Span(since, until)), figures.skip):
        if since <= at < until:
            figures.event(at, name, fields)


class _Span:
    """A span of time, by whole seconds as lines have them."""

    def __init__(self, since: float, until: float) -> None:
        self._whole = since <= 0 and until == inf
        self._since, self._until = _second(since), _second(until)

    def of(self, lines: list[_Parts]) -> list[_Parts]:
        """Return those of lines that are within it, or of another form."""
        if self._whole:
            return lines
        return [parts for parts in lines if parts[-1] or self._since <= f"{parts[0]}:{parts[1]}" < self._until]


def _second(at: float) -> str:
    """Return the first whole second that isn't before a time."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ceil(max(at, 0.0))))
    except (OverflowError, ValueError):
        return "~"  # behind all years


def _others(blocks: Iterable[bytes], figures: Figures, span: _Span) -> Iterator[bytes]:
    """Take the figures of lines of the usual form, and yield the others, one at a time so that all stay in order."""
    kinds: dict[tuple[str, ...], Kind] = {}
    waiting, this_hour, begins, second = figures.waiting, "none yet", 0, ""
    for block in blocks:
        lines: list[_Parts] = span.of(_LINE.findall(block.decode("latin-1")))
        for hour, second, event, host, origin, mail, found, because, standing, observed, other in lines:
            if hour != this_hour:
                if other or (began := _hour(hour)) is None:
                    yield f"{other or hour}\n".encode("latin-1")
                    if figures.hour != begins:  # it was of another hour
                        this_hour = "none yet"
                    continue
                begins, this_hour, kinds = began, hour, {}
                figures.turn(begins, begins + SECONDS[second])
            why = because and (reasons(because) if ";" in because else because.partition(":")[0])
            key = event, origin, found, why, standing, observed
            kind = kinds.get(key) or _kind(figures, kinds, key)
            kind.count += 1
            if kind.look:
                kind.look(kind, begins + SECONDS[second], host, mail)
            elif kind.passes and (hash(mail) in waiting or ">,<" in mail):
                figures.let_in(kind, begins + SECONDS[second], host, mail)
        if lines and hour == this_hour:
            figures.stamp(begins + SECONDS[second])


def _kind(figures: Figures, kinds: dict[tuple[str, ...], Kind], key: tuple[str, str, str, str, str, str]) -> Kind:
    """Return what lines are counted by that have the same in them, and remember it."""
    shape = _shape(key)
    kind = figures.kind(shape) if shape.event in OUTCOMES else Kind(shape, None)
    if len(kinds) < _REMEMBERED:
        kinds[key] = kind
    return kind


_BECAUSE, _BEHIND = re.compile("because=([^ ]*) "), re.compile("(?:because|observe|wait)=[^ ]* ")


def _shape(key: tuple[str, str, str, str, str, str]) -> Shape:
    """Return a shape of what lines have of it; a reason of one word is among the findings."""
    event, origin, found, why, standing, observed = key
    if bare := _BECAUSE.search(found):
        why = bare[1]
    named = _BEHIND.sub("", found).rstrip(" ")
    return Shape(event, observed[len("observe=") : -1], origin, named, why, standing[len("greylist=") : -1])


@lru_cache(maxsize=64)
def _hour(text: str) -> int | None:
    """Return when an hour began, in seconds since 1970; None if there is none of that name."""
    try:
        return timegm(time.strptime(text, "%Y-%m-%dT%H"))
    except ValueError:
        return None
