"""milter-greylist's dump: each pair of a sender and a recipient by client, and until when, or from when, it passes."""

import re
from calendar import timegm
from collections.abc import Iterator
from pathlib import Path
from time import strptime
from typing import NamedTuple

from milter64.address.networks import pack
from milter64.takeover.conversion import Conversion, LeftOut, LeftOutError, Row, converted, whole_number

_LONGEST = 4096
"""Octets of a line."""
HEADER = re.compile(rb"# (?:milter-greylist|greylist) databases?, dumped by milter-greylist-[^ ]+ on ([0-9: -]{19})\.")
_LINE = re.compile(
    r"(?P<client>\S+)\t<?(?P<sender>.*?)>?\t<?(?P<recipient>.*?)>?\t"
    r"(?P<at>\S+)(?:\t\S+)? ?(?P<word>AUTO|TARPIT)? *(?:# (?P<date>[0-9-]{10} [0-9:]{8}))?\s*"
)


class _Facts(NamedTuple):
    """What a dump says of itself: when it was made, and for how long one is let in, in seconds."""

    dumped: float
    lets_in: float


def rows(path: Path, conversion: Conversion, left_out: LeftOut) -> Iterator[Row]:
    """Yield a row for each pair.

    One that waits has the time from which it may pass. We count from the first attempt, which isn't there: the row is
    made so that it may pass at the same time, or when our own wait is over since the dump, whichever is sooner.

    One that is let in has the time when that ends, `autowhite` after it was last seen; neither is there. The one that
    ends last was seen last, just before the dump; each other one as much earlier as it ends earlier. Where ACLs have
    autowhites of their own, those who have a shorter one count as seen earlier than they were. Nobody knows when they
    were seen first, and nobody asks of one who has passed.
    """
    facts = _facts(path)

    def make(numbered: tuple[int, str]) -> Iterator[Row]:
        if not (match := _LINE.fullmatch(numbered[1])):
            raise LeftOutError("it is no row of milter-greylist's")
        at = whole_number(match["at"])
        if match["word"] == "AUTO":
            record = conversion.record(at - facts.lets_in, at - facts.lets_in)
        else:
            record = conversion.record(min(at - conversion.settings.delay, facts.dumped))
        try:
            packed = pack(match["client"].partition("%")[0])
        except ValueError:
            raise LeftOutError("its client is no IP address") from None
        pair = conversion.pair(match["sender"], match["recipient"])
        yield pair, conversion.group(packed, len(packed) * 8), record

    return converted(_lines(path), make, lambda numbered: f"line {numbered[0]}: {numbered[1]}", left_out)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that have rows, by their numbers; the rest of a line that is too long is one more, and no row."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST):
            number += 1
            if line.strip() and not line.startswith(b"#"):
                yield number, line.decode(errors="surrogateescape").rstrip("\n")


def _facts(path: Path) -> _Facts:
    """Read what a dump says of itself. Its own time is local; the rows have both, which tells how far that is off."""
    local = offset = None
    last = 0.0
    with path.open("rb") as file:
        while line := file.readline(_LONGEST):
            if local is None and (match := HEADER.match(line)):
                local = _seconds(match[1].decode())
            elif row := _LINE.fullmatch(line.decode(errors="surrogateescape")):
                at = float(row["at"]) if re.fullmatch("[0-9]{1,12}", row["at"]) else 0.0
                if offset is None and row["date"] and (date := _seconds(row["date"])) is not None:
                    offset = date - at
                if row["word"] == "AUTO":
                    last = max(last, at)
    dumped = path.stat().st_mtime if local is None or offset is None else local - offset
    return _Facts(dumped, max(0.0, last - dumped))


def _seconds(text: str) -> float | None:
    try:
        return float(timegm(strptime(text, "%Y-%m-%d %H:%M:%S")))
    except ValueError:
        return None
