"""An entry of a list, and the line that it is in a file: `WHO [spares=greylist|spf|all] [until=TIME] [# comment]`."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from milter64.lists.listed import SPARED
from milter64.lists.mistakes import Mistake, Mistakes
from milter64.lists.who import Who, parse

USUAL = "greylist"
"""What is spared unless an entry says otherwise."""
LONGEST = 1000
"""Octets of a line."""


class Entry(NamedTuple):
    """Whom it names, as `written` too; what is spared, one of `listed.SPARED`, or "" where that was not said.

    `until` is the first second in which it doesn't count any more, in seconds since 1970; `because` is the comment.
    """

    who: Who
    written: str
    spares: str = ""
    until: float | None = None
    because: str = ""

    def counts(self, now: float) -> bool:
        """Whether it has not run out."""
        return self.until is None or now < self.until

    @property
    def line(self) -> str:
        """The line that it is in a file."""
        parts = [self.written]
        if self.spares:
            parts.append(f"spares={self.spares}")
        if self.until is not None:
            parts.append(f"until={shown_time(self.until)}")
        if self.because:
            parts.append(f"# {self.because}")
        return " ".join(parts)


def read_line(raw: bytes, mistakes: Mistakes, *, blocks: bool) -> Entry | None:
    """Return the entry in a line, None where there is none; `blocks` says that the list is the block list.

    Raises:
        Mistake: it can't count.
    """
    if len(raw) > LONGEST:
        raise Mistake(f"more than {LONGEST} octets", "write a shorter comment")
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError as error:
        raise Mistake(f"byte 0x{raw[error.start]:02x} is not UTF-8", "save it as UTF-8") from None
    if not text or text[0] == "#":
        return None
    if " " not in text and "\t" not in text and text.isprintable():  # most, in a third of the time
        return Entry(parse(text, mistakes), text)
    if not (shown := text.replace("\t", " ")).isprintable():
        character = next(character for character in shown if not character.isprintable())
        raise Mistake(f"holds the character U+{ord(character):04X}", "write it without")
    head, _, comment = shown.partition(" #")
    written, *options = head.split()
    values = dict(option.partition("=")[::2] for option in options)
    if unknown := [word for word in values if word not in ("spares", "until")]:
        remedy = f"write {'' if blocks else 'spares=all, '}until=2027-01-31, or a # before a comment"
        if re.fullmatch(r"/[0-9]+", options[0]):
            remedy = f"write {written}{options[0]}, without a blank"
        raise Mistake(f"{unknown[0]} is not understood", remedy)
    return made(
        written, mistakes, blocks=blocks, spares=values.get("spares"), until=values.get("until"), because=comment
    )


def made(  # noqa: PLR0913  all that an entry has
    written: str,
    mistakes: Mistakes,
    *,
    blocks: bool,
    spares: str | None = None,
    until: str | None = None,
    because: str = "",
) -> Entry:
    """Return an entry made of what people wrote.

    Raises:
        Mistake: it can't count.
    """
    if spares is not None and blocks:
        raise Mistake("who is blocked is spared nothing", "leave spares out")
    if spares is not None and spares not in SPARED:
        raise Mistake(f"{spares or 'nothing'} can't be spared", f"possible are {', '.join(SPARED)}")
    return Entry(
        who=parse(written, mistakes),
        written=written,
        spares=spares or "",
        until=None if until is None else moment(until),
        because=because.strip(),
    )


_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?", re.ASCII)


def moment(text: str) -> float:
    """Read a time, as seconds since 1970; of a day it is the beginning, in UTC.

    Raises:
        Mistake: it is none.
    """
    try:
        at = datetime.fromisoformat(text if _DATE.fullmatch(text) else "")
    except ValueError:
        remedy = "write 2027-01-31, or with the time of day and its zone: 2027-01-31T12:00Z"
        raise Mistake(f"{text or 'nothing'} is no time", remedy) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def shown_second(seconds: float) -> str:
    """Return a time as `moment` reads it, to the second: of two times the later one is the greater text, too."""
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"


def shown_time(seconds: float) -> str:
    """Return the same as people write it in a list, a whole minute without its seconds."""
    return shown_second(seconds).replace(":00Z", "Z")
