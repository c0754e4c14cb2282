"""What the verbs about lists share: which entries there are, how they are shown, how those by command are changed."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from milter64.address import as_written
from milter64.address.networks import shown
from milter64.cli.terminal_layout import Screen
from milter64.config.list_sources import entries, files, line_reader, mistakes
from milter64.config.load_file import load
from milter64.config.settings import Settings
from milter64.config.toml_reader import Wrong, seconds
from milter64.lists import commanded, keys
from milter64.lists.entry import USUAL, Entry, made, moment, read_line, shown_second, shown_time
from milter64.lists.index import lines
from milter64.lists.list_file import BY_COMMAND, read_list
from milter64.lists.listed import ALLOW, BLOCK
from milter64.lists.mistakes import Mistake
from milter64.lists.who import Who, may_be


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An entry, the list that it is in, and where."""

    check: str
    entry: Entry
    place: str

    def told(self) -> dict[str, str]:
        """Return it as programs get it."""
        entry = self.entry
        return {
            "list": self.check,
            "who": entry.written,
            "kind": entry.who.kind,
            "spares": (entry.spares or USUAL) if self.check == ALLOW else "",
            "until": "" if entry.until is None else shown_second(entry.until),
            "because": entry.because,
            "place": self.place,
        }


def naming(settings: Settings, who: Who) -> list[Row]:
    """Return the entries in force that name somebody."""
    return [row for row in rows(settings, wanted=may_be(who.kind, [who.key])) if row.entry.who.key == who.key]


def blocking(settings: Settings, who: Who) -> list[Row]:
    """Return the entries in force of the block list that name all whom an entry names, a client by any translator."""
    meant = {key for spelling in _spellings(settings, who) for key in keys.above(who.kind, spelling)}
    found = rows(settings, wanted=may_be(who.kind, meant))
    return [row for row in found if row.check == BLOCK and row.entry.who.key in meant]


def _spellings(settings: Settings, who: Who) -> Iterator[bytes]:
    """Yield the key of an entry, and those that the same clients have on the other side of a translator."""
    yield who.key
    if who.kind == "network" and not keys.on_the_wire_alone(who.key):
        network, translator = (who.key[2:], who.key[1]), settings.translator()
        if who.shape[0] == 4:  # noqa: PLR2004  an IPv4 address
            forms = [form for form, _ in translator.encode_network(network)]
        else:
            forms = [form for form, _ in translator.decode_network(network)[1] if form]
        found = [keys.network_key(*form) for form in forms]
        yield from (key for key in found if not keys.on_the_wire_alone(key))


def rows(
    settings: Settings,
    warn: Callable[[str], None] = lambda _: None,
    unread: Callable[[Path], None] = lambda _: None,
    wanted: Callable[[bytes], bool] = lambda _: True,
) -> Iterator[Row]:
    """Yield all entries in force, the block list's first; of files those in the lines that are `wanted`.

    `warn` is told what is wrong with files and their lines, and `unread` which files could not be read.
    """
    now = time.time()
    for check in (BLOCK, ALLOW):
        for place, some in entries(settings, check).items():
            yield from (Row(check=check, entry=each, place=place) for each in some if each.counts(now))
        read = line_reader(settings, check)
        for path, ours in files(settings, check):
            try:
                text = read_list(path, ours=ours)
            except OSError as error:
                warn(f"{path}: {error.strerror}{_as_who(error)}")
                unread(path)
                continue
            found: dict[bytes, Row] = {}  # of several lines that name the same the last counts
            for number, (_, raw) in enumerate(lines(text), start=1):
                if not wanted(raw):
                    continue
                try:
                    entry = read(raw)
                except Mistake as mistake:
                    warn(f"{path}:{number}: {mistake}; {mistake.remedy}")
                else:
                    if entry:
                        place = BY_COMMAND if ours else f"{path}:{number}"
                        found[entry.who.key] = Row(check=check, entry=entry, place=place)
            yield from (row for row in found.values() if row.entry.counts(now))


def show(screen: Screen, some: Iterable[Row]) -> None:
    """Lay entries out for people."""
    colours = {BLOCK: "red", ALLOW: "green"}
    cells = (
        (
            screen.paint(row["list"], colours[row["list"]]),
            screen.paint(row["who"], "bold"),
            *[row[name] or "-" for name in ("spares", "until", "because", "place")],
        )
        for row in (each.told() for each in some)
    )
    screen.table(cells, ("LIST", "WHO", "SPARES", "UNTIL", "BECAUSE", "WHERE"))


def put_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what allow and block take."""
    who_argument(parser)
    until = parser.add_mutually_exclusive_group()
    until.add_argument(
        "--for", type=_length, dest="length", metavar="TIME", help="how long, such as 7d; default: for good"
    )
    until.add_argument("--until", type=_until, metavar="DATE", help="until when, such as 2027-01-31T12:00Z")
    parser.add_argument("--because", default="", metavar="TEXT", help="why, for the log and for those who ask later")


def who_argument(parser: argparse.ArgumentParser) -> None:
    """Add whom an entry names."""
    who = "a network, a name, @domain or user@domain of a sender, to:user@domain or to:@domain of a recipient"
    parser.add_argument("who", type=_pasted, metavar="WHO", help=who)
    parser.add_argument_group("WHO", _WHO)


_WHO = """\
192.0.2.0/24         clients in a network, over IPv4 and through a translator
192.0.2.1            one client
partner.example      hosts of that name, and all below it; a name proves
                     them that leads back to the client
@partner.example     senders at that domain; SPF pass proves them
@.partner.example    and at all domains below it
joe@partner.example  one sender, in the same way
to:you@here.example  a recipient
to:@here.example     all recipients at a domain"""


def _pasted(text: str) -> str:
    """Return the address alone where a client is written as logs have it, and what else may be meant as it is."""
    if "[" in text and "@" not in text:
        with suppress(ValueError):
            return shown(as_written.network(text)) if "/" in text else as_written.address(text)
    return text


def _length(text: str) -> float:
    try:
        return seconds(text)
    except Wrong as wrong:
        raise argparse.ArgumentTypeError(f"{wrong}; {wrong.remedy}") from wrong


def _until(text: str) -> float:
    try:
        return moment(text)
    except Mistake as mistake:
        raise argparse.ArgumentTypeError(f"{mistake}; {mistake.remedy}") from mistake


def put(check: str, arguments: argparse.Namespace, spares: str | None = None) -> int:
    """Have an entry by command count, in the place of one that names the same, and say what is in force now."""
    settings, now = load(arguments.config), time.time()
    until = now + arguments.length if arguments.length is not None else arguments.until
    if until is not None and until <= now:
        return complain(check, f"{shown_time(until)} is past", os.EX_USAGE)
    try:
        entry = _entry(settings, check, arguments, spares, until)
    except Mistake as mistake:
        return complain(check, f"{mistake}; {mistake.remedy}", os.EX_USAGE)
    try:
        replaced = change(settings, check, entry.who, entry)
    except OSError as error:
        return complain(check, str(error.strerror), os.EX_UNAVAILABLE)
    screen = Screen()
    screen.title(f"Counts within a second{elsewhere(settings)}")
    show(screen, [Row(check=check, entry=entry, place=BY_COMMAND)])
    if replaced:
        screen.title("In the place of")
        show(screen, [Row(check=check, entry=each, place=BY_COMMAND) for each in replaced])
    if keys.on_the_wire_alone(entry.who.key):
        screen.line(f"{entry.written} is looked for on the wire alone: behind a translator it may be anybody's")
    if check == BLOCK and settings.mode == "observe":
        screen.line('mode is "observe": nobody is refused, and the log says who would have been')
    if check == ALLOW and (blocked := blocking(settings, entry.who)):
        screen.title("The block list has it too, and goes first")
        show(screen, blocked)
    return os.EX_OK


def elsewhere(settings: Settings) -> str:
    """Return where else a command counts, and when; whether the servers are reached is known to the service alone."""
    return " here, and on the hosts that share as soon as they hear of it" if settings.greylist.shared else ""


def _entry(
    settings: Settings, check: str, arguments: argparse.Namespace, spares: str | None, until: float | None
) -> Entry:
    """Return the entry that a command line names, as it will be read again.

    Raises:
        Mistake: it can't count.
    """
    when = None if until is None else shown_time(until)
    because = " ".join(arguments.because.split())
    blocks = check == BLOCK
    written = made(arguments.who, mistakes(settings), blocks=blocks, spares=spares, until=when, because=because).line
    entry = read_line(written.encode(errors="surrogateescape"), mistakes(settings), blocks=blocks)
    assert entry
    return entry


def change(settings: Settings, check: str, who: Who, added: Entry | None = None) -> list[Entry]:
    """Take the entries by command out of a list that name somebody, add one, and return the former.

    Raises:
        OSError: they can't be kept; `strerror` has the remedy.
    """
    path = commanded.place(settings.greylist.local_store, check)
    if not path:
        remedy = "write them into [allow] and [block], or into files that these name"
        key = settings.greylist.local_key
        raise OSError(0, f'{key} is "memory:", and entries by command are kept beside its file; {remedy}')
    try:
        return commanded.change(path, who, added, time.time())
    except FileNotFoundError as error:
        raise OSError(error.errno, f"{path.parent} is not there; start milter64 once, or make it") from error
    except OSError as error:
        raise OSError(error.errno, f"{path}: {error.strerror}{_as_who(error)}") from error


def _as_who(error: OSError) -> str:
    """Return what helps against an error, if another user may do what failed; root may lack capabilities(7)."""
    if not isinstance(error, PermissionError):
        return ""
    return "; try it as root" if os.geteuid() else "; try it as the service's user"


def complain(verb: str, what: str, code: int) -> int:
    """Say why a verb does nothing, and return the exit code."""
    Screen(sys.stderr).line(f"milter64 {verb}: {what}")
    return code
