"""Lines of an allow list, as lists/list_file.py reads them, out of other greylisters' lists of whom they let in.

Names are proven by confirmed reverse DNS here, and senders by SPF; what they spare is the greylist.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from milter64.address.networks import parse_network
from milter64.lists.entry import USUAL, made
from milter64.lists.list_file import read_list
from milter64.lists.mistakes import Mistake, Mistakes
from milter64.mail.clean_text import clean
from milter64.takeover import greylist_conf, sqlgrey
from milter64.takeover.conversion import Conversion, LeftOut, LeftOutError, Unreadable, converted
from milter64.takeover.recognise import Kind, head, recognise

_LONGEST_COMMENT = 200
REGEX = "regular expressions are not taken over; write the names, the addresses or the networks that are meant"
"""Why a pattern is left out."""
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1f]")
_STATEMENT = re.compile(rb"^[ \t]*(?:[rd]?acl|list|socket|dumpfile)[ \t:]", re.MULTILINE | re.IGNORECASE)
_FOUR = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?")
_THREE_OR_TWO = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){1,2}")


class Line(NamedTuple):
    """Something that a file lets in: where it stands, what it says, and the comment beside it."""

    number: int
    text: str
    comment: str = ""


def lines(path: Path, conversion: Conversion, mistakes: Mistakes, left_out: LeftOut) -> Iterator[str]:
    """Yield the lines for a file: postgrey's lists, milter-greylist's greylist.conf, or sqlgrey's database.

    Raises:
        Unreadable: it is none of these, or can't be read.
    """
    first = head(path)
    if _BINARY.search(first):
        if (kind := recognise(path)) is not Kind.SQLGREY:
            raise Unreadable(f"it is {kind}", "import it without --allow-list")
        yield from sqlgrey.allow_lines(path, conversion, mistakes, left_out)
        return
    try:
        text = read_list(path).decode(errors="surrogateescape")
    except OSError as error:
        raise Unreadable(
            f"it can't be read: {error.strerror}", "name a list of whom another greylister lets in"
        ) from error
    if _STATEMENT.search(first):
        yield from converted(greylist_conf.conditions(text, left_out), _of_milter_greylist(mistakes), _shown, left_out)
        return
    found = list(_postgreys(text))
    recipients = any("@" in line.text and not line.text.startswith("/") for line in found)
    yield from converted(found, _written(_recipient if recipients else _client, mistakes), _shown_line, left_out)


def _postgreys(text: str) -> Iterator[Line]:
    for number, line in enumerate(re.split(r"\r?\n", text), start=1):
        said, _, comment = line.partition("#")
        if said.strip():
            yield Line(number, said.strip(), clean(comment, _LONGEST_COMMENT))


def _written(who: Callable[[str], str], mistakes: Mistakes) -> Callable[[Line], Iterator[str]]:
    def make(line: Line) -> Iterator[str]:
        yield _entry(who(line.text), mistakes, line.comment)

    return make


def _of_milter_greylist(mistakes: Mistakes) -> Callable[[greylist_conf.Condition], Iterator[str]]:
    def make(condition: greylist_conf.Condition) -> Iterator[str]:
        what = condition.value
        if what.startswith("/"):
            raise LeftOutError(REGEX)
        if condition.clause == "addr":
            what = _network(what)
        elif condition.clause == "rcpt":
            what = f"to:{what.strip('<>')}"
        elif condition.clause == "from":
            what = what.strip("<>")
        yield _entry(what, mistakes)

    return make


def _entry(who: str, mistakes: Mistakes, because: str = "") -> str:
    try:
        return made(who, mistakes, blocks=False, spares=USUAL, because=because).line
    except Mistake as mistake:
        raise LeftOutError(f"{clean(str(mistake))}; {clean(mistake.remedy)}") from None


def _client(text: str) -> str:
    """Return WHO of a line of whitelist_clients, or of sqlgrey's lists of clients, which write `*.example.org`."""
    if text.startswith("/"):
        raise LeftOutError(REGEX)
    if _FOUR.fullmatch(text) or text.count(":") > 1:
        return _network(text)
    if _THREE_OR_TWO.fullmatch(text):  # of two numbers too postgrey makes a /24, whatever its manual says
        return _network(f"{text}{'.0' * (3 - text.count('.'))}/24")
    return text.removeprefix("*") if text.startswith("*.") else text


def _recipient(text: str) -> str:
    """Return WHO of a line of whitelist_recipients."""
    if text.startswith("/"):
        raise LeftOutError(REGEX)
    if text.endswith("@"):
        raise LeftOutError("it is somebody at any domain; write to:NAME@DOMAIN for each domain of yours")
    return f"to:{text}" if "@" in text else f"to:@.{text}"


def _network(text: str) -> str:
    """Return a network without the bits behind its length, which others ignore."""
    try:
        network = parse_network(text).cidr
    except ValueError:
        raise LeftOutError("it is no network; write such as 192.0.2.0/24") from None
    return str(network.ip) if network.size == 1 else str(network)


def _shown(condition: greylist_conf.Condition) -> str:
    return f"line {condition.number}: {condition.clause} {condition.value}"


def _shown_line(line: Line) -> str:
    return f"line {line.number}: {line.text}"
