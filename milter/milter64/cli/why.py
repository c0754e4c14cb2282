"""`milter64 why`: what became of a mail, why, and what to do about it."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

from milter64.cli.background import read_at_length
from milter64.cli.greylist_file import Refused, opened
from milter64.cli.greylist_rows import Row, is_of_pair
from milter64.cli.greylist_rows import told as row_told
from milter64.cli.log_source import TIMES, past
from milter64.cli.terminal_layout import Screen
from milter64.cli.why_found import Found, find, is_asked, pairs_of
from milter64.cli.why_layout import show
from milter64.cli.why_told import DECISIONS, Told, for_admin, for_sender, outcome, told
from milter64.cli.why_wanted import SENDER, Wanted, maker_of_pseudonyms, wanted
from milter64.config.load_file import load
from milter64.config.settings import Settings
from milter64.greylist.pair import pair_key, recipient_of, sender_of
from milter64.history.own_lines import Event
from milter64.history.sources import files, journal, with_rotated
from milter64.lists.entry import shown_second
from milter64.mail import sender_and_recipient
from milter64.mail.clean_text import clean
from milter64.sharing.shared_store import known_here

_UNITS = ("milter64", "postfix*")
_DAYS = 7
_LONGEST_PAIRS = 20
"""Pairs whose rows are shown."""

EXAMPLES = """\
  A sender rings up, with a bounce that ends in a token:
    milter64 why '550 5.7.23 SPF fail: no (milter64 d26eb094)'
  What became of a client's mails, by log files, rotated ones too?
    milter64 why 64:ff9b::c01f:c428 --log milter64.log --log mail.log
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "what",
        nargs="*",
        metavar="WHAT",
        help="a token, a queue id of Postfix's, a client's address, or a sender; or a bounce's text or a line of a log "
        "that has one; default: standard input, where no shell reads what strangers have put into it",
    )
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="FILE",
        help="a log in a file, ours or Postfix's, with its rotated ones, packed or not; may be repeated; "
        "default: the journal",
    )
    parser.add_argument(
        "--since",
        type=past,
        metavar="TIME",
        help=f"from when on: {TIMES}; default: {_DAYS} days ago in the journal, and all of a file",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def main(arguments: argparse.Namespace) -> int:
    """Tell what became of a mail; fail if nothing is known of it."""
    read_at_length()
    settings = load(arguments.config)
    complaints, troubles = Screen(sys.stderr), list[str]()
    if "-" in arguments.log:
        complaints.line("milter64 why: a log is read more than once, and can't be standard input: name its file")
        return os.EX_USAGE
    if stray := _file_for_log(arguments):
        complaints.line(f"milter64 why: {clean(stray)} is a file: each --log names one, so write --log before it too")
        return os.EX_USAGE
    try:
        text = " ".join(arguments.what) or _pasted()
        pseudonym = maker_of_pseudonyms(settings, troubles.append)
        asked = wanted(text, settings.translator(), pseudonym)
    except ValueError as error:
        complaints.line(f"milter64 why: {clean(str(error), 1000)}")
        return os.EX_USAGE
    report = _report(asked, settings, pseudonym, arguments, troubles)
    if arguments.json:
        Screen().line(json.dumps(report, indent=2))
    else:
        show(report, Screen(), complaints, in_journal=not arguments.log)
    return os.EX_OK if report["events"] else os.EX_UNAVAILABLE


def _file_for_log(arguments: argparse.Namespace) -> str:
    """Return what stands behind --log FILE as its second file, and would be left unread; empty if nothing does."""
    with suppress(OSError):  # what was pasted may be longer than a name
        if arguments.log and len(arguments.what) > 1 and Path(arguments.what[0]).is_file():
            return str(arguments.what[0])
    return ""


def _pasted() -> str:
    if sys.stdin.isatty():
        Screen(sys.stderr).line(
            "Reading standard input: paste a token, or what has it, and end it with Enter and Ctrl-D."
        )
    return sys.stdin.buffer.read(1 << 16).decode(errors="surrogateescape").strip()


def _report(
    asked: Wanted,
    settings: Settings,
    pseudonym: Callable[[str], str] | None,
    arguments: argparse.Namespace,
    troubles: list[str],
) -> Told:
    paths = list(dict.fromkeys(path for each in arguments.log for path in with_rotated(each)))
    since = time.time() - _DAYS * 86400 if arguments.since is None and not paths else arguments.since

    def read(warn: Callable[[str], None]) -> Iterator[bytes]:
        return files(paths, warn) if paths else journal(_UNITS, warn, since=since)

    told_once: list[str] = []
    warn = lambda text: None if text in told_once else told_once.append(text)  # noqa: E731  as short as it is
    found = find(asked, partial(read, warn), _written(paths), settings.greylist.retry_window, since or 0.0)
    troubles += told_once
    return {
        "milter64": "why",
        "schema": 1,
        "asked": {"kind": asked.kind, "value": clean(asked.value, 400)},
        "looked": [clean(path) for path in paths] or ["the journal"],
        "since": None if since is None else shown_second(since),
        "lines": found.lines,
        "ours": found.ours,
        "events": [told(one, asked=is_asked(asked, one)) for one in found.story],
        "left_out": found.left_out,
        **_advice(asked, found),
        "rows": list(_rows(asked, found, settings, pseudonym, troubles.append)),
        "trouble": [clean(trouble, 1000) for trouble in troubles],
    }


def _written(paths: list[str]) -> float:
    """Return when the oldest file was written to last; now, of the journal."""
    with suppress(OSError):
        return Path(paths[0]).stat().st_mtime if paths else time.time()
    return time.time()


def _advice(asked: Wanted, found: Found) -> Told:
    """Return what sender and admin can do, of the last decision that was no acceptance."""
    decisions = [one for one in found.story if isinstance(one, Event) and one.name in DECISIONS]
    about = _same_origin(asked, decisions)
    if not about:
        return {"sender": None, "admin": []}
    last = next((one for one in reversed(about) if outcome(one) not in {"accepted", "abandoned"}), about[-1])
    again = any(
        one.name == "accepted" and one.at >= last.at and one.fields.get("from") == last.fields.get("from")
        for one in about
        if one is not last
    )
    admin = [remedy._asdict() for remedy in for_admin(last, came_again=again)]
    return {"sender": for_sender(last, came_again=again), "admin": admin}


def _same_origin(asked: Wanted, decisions: list[Event]) -> list[Event]:
    """Return decisions about who is asked about.

    Anybody can write the same sender and recipient, and be in the story so: a forger must not be the one who is helped.
    """
    if asked.kind == SENDER:
        return [one for one in decisions if one.fields.get("spf") == "pass"] or decisions
    own = [one.fields for one in decisions if asked.is_of(one.fields)]
    names = {fields[name] for fields in own for name in ("client", "group") if name in fields}
    return [one for one in decisions if not names.isdisjoint(map(one.fields.get, ("client", "group")))]


def _rows(
    asked: Wanted,
    found: Found,
    settings: Settings,
    pseudonym: Callable[[str], str] | None,
    warn: Callable[[str], None],
) -> Iterator[Told]:
    """Yield what the greylist has of the pairs of a story."""
    decisions = [one for one in found.story if isinstance(one, Event) and one.name in DECISIONS]
    pairs = dict.fromkeys(key for one in decisions for key in _keys(one, asked))
    if not decisions or not (pairs or pseudonym):
        return
    try:
        with opened(settings) as greylist:
            if settings.log.privacy == "hash":
                pairs = _hidden(decisions, greylist.reader.chunks(), pseudonym) if pseudonym else {}
            for pair in list(pairs)[-_LONGEST_PAIRS:]:
                for group, record in sorted(known_here(greylist.reader.read, greylist.kind, pair).items()):
                    if not record.forgotten and greylist.kind.expires(record) >= greylist.now():
                        row = row_told((pair, group, record), settings.greylist, greylist.kind)
                        yield {name: clean(value, 400) if value else value for name, value in row.items()}
    except Refused as refused:
        warn(f"greylist: {refused}")


def _keys(event: Event, asked: Wanted) -> Iterator[str]:
    """Yield the keys of a decision's pairs."""
    sender = event.fields.get("from", "").encode()
    mailbox = asked.value if asked.kind == SENDER else sender_and_recipient.read(sender, None)
    for recipient in event.fields.get("to", "").split(">,<"):
        to = sender_and_recipient.read(f"<{recipient.strip('<>')}>".encode(), None)
        if mailbox is not None and to:
            yield pair_key(mailbox, to)


def _hidden(
    decisions: Iterable[Event], chunks: Iterable[Iterable[Row]], pseudonym: Callable[[str], str]
) -> dict[str, None]:
    """Return the keys of decisions' pairs where the log has pseudonyms: those of all rows are made, and compared.

    Numbers that VERP has in a sender are replaced in a key, so that his pseudonym isn't its.
    """
    meant = {pair for one in decisions for pair in pairs_of(one.fields)}
    keys = dict[str, None]()

    def shown(part: str) -> str:
        return pseudonym(part[1:-1]) if part != "<>" else ""

    for row in chain.from_iterable(chunks):
        sender, recipient = sender_of(row[0]), recipient_of(row[0])
        if sender and is_of_pair(row) and (shown(sender), shown(recipient)) in meant:
            keys[row[0]] = None
    return keys
