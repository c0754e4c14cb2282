"""`milter64 explain`: the whole decision about a sender, step by step, as the service would make it now."""

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial

from milter64.address import as_written
from milter64.checks import dns_list
from milter64.checks.all_checks import REMOTE
from milter64.cli import log_line
from milter64.cli.explain_layout import Report, show
from milter64.cli.explain_lists import lists_said
from milter64.cli.explain_report import decision, group_row, pair_row
from milter64.cli.log_line import LogLine
from milter64.cli.terminal_layout import Screen
from milter64.config.list_sources import admin_lists
from milter64.config.load_file import load
from milter64.config.settings import Settings
from milter64.discover.learned_by_service import teach
from milter64.dns.resolver import Resolver
from milter64.greylist.pair import pair_key
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.wave_through import exact_network, sender_group
from milter64.judging.engine import Engine
from milter64.judging.row_clock import RowClock
from milter64.mail import sender_and_recipient
from milter64.mail.idna_domain import shown_domain
from milter64.mail.session import Envelope, Session
from milter64.sharing.shared_store import known_here
from milter64.store.interface import Store, StoreGone
from milter64.store.open_store import open_store
from milter64.store.store_url import parse
from milter64.telemetry.log import Telemetry
from milter64.telemetry.settings import Settings as LogSettings

_TOKEN = "explain"  # noqa: S105  a session's name, and no secret

EXAMPLES = """\
  What would become of a bounce?
    milter64 explain 64:ff9b::c01f:c40a --to you@example.org
  What would become of a mail?
    milter64 explain 64:ff9b::c01f:c40a --helo mail.honest.example \\
        --from joe@honest.example --to you@example.org
  What would become of one that is in the log?
    milter64 explain <line
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "client",
        nargs="*",
        metavar="CLIENT",
        help="the client's address, as it is on the wire; default: what a line of the log says, ours or Postfix's, on "
        "standard input, where no shell reads what strangers have put into it",
    )
    parser.add_argument("--to", metavar="RECIPIENT", help="the recipient's address")
    parser.add_argument("--helo", metavar="NAME", help="the client's HELO name; default: it gives none")
    parser.add_argument(
        "--from", dest="sender", metavar="SENDER", help="the sender's address; default: the null sender"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def main(arguments: argparse.Namespace) -> int:
    """Judge a recipient of a message that nobody sends, and say how; nothing is written and nothing refused."""
    settings = load(arguments.config)
    troubles: list[str] = []
    try:
        mail = _mail(arguments, settings, troubles.append)
    except ValueError as error:
        Screen(sys.stderr).line(f"milter64 explain: {error}")
        return os.EX_USAGE
    report = _explained(settings, mail, troubles.append) | {"trouble": troubles}
    screen = Screen()
    if arguments.json:
        screen.line(json.dumps(report, indent=2))
    else:
        show(report, screen)
    return os.EX_OK


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mail:
    """What is judged, though nobody sends it."""

    client: str
    helo: str | None
    sender: str
    recipient: str


def _mail(arguments: argparse.Namespace, settings: Settings, warn: Callable[[str], None]) -> _Mail:
    """Return what a command line means.

    Raises:
        ValueError: something in it is missing, or can't be told.
    """
    text = " ".join(arguments.client) or _pasted()
    if not text:
        raise ValueError("no client: name one, or give a line of the log on standard input")
    try:
        line = LogLine(client=as_written.address(text))
    except ValueError:
        line = log_line.read(text)
    recipients = line.recipients if arguments.to is None else (arguments.to,)
    if not recipients:
        raise ValueError("no recipient: name one with --to")
    if recipients[1:]:
        warn(f"the line has {len(recipients)} recipients, and this is about the first")
    if line.ours and settings.log.privacy == "hash":
        warn("the line has pseudonyms, which are judged as if they were people: give --from and --to")
    sender = arguments.sender if arguments.sender is not None else line.sender or ""
    return _Mail(
        client=line.client,
        helo=line.helo if arguments.helo is None else arguments.helo,
        sender=_mailbox(sender),
        recipient=_mailbox(recipients[0]),
    )


def _pasted() -> str:
    if sys.stdin.isatty():
        Screen(sys.stderr).line("Paste the line, and end it with Enter and Ctrl-D:")
    return sys.stdin.buffer.read().decode(errors="surrogateescape").strip()


def _mailbox(text: str) -> str:
    if (address := sender_and_recipient.read(text.encode(errors="surrogateescape") or b"<>", None)) is None:
        raise ValueError(f"{text!r} is not an address such as user@example.org (RFC 5321 4.1.2)")
    return address


class _Unwritten:
    """A store that is read only, with what other hosts have told of a pair."""

    def __init__(self, store: Store[Record], kind: RecordKind) -> None:
        self.read, self.latest = partial(known_here, store.read, kind), store.latest
        self.sizes, self.close, self.everything = store.sizes, store.close, store.everything
        self.caps, self.gone, self.happenings = store.caps, store.gone, store.happenings

    def merge(self, key: str, rows: Mapping[str, Record]) -> None:
        """Keep nothing."""

    def expire(self, now: float) -> None:
        """Forget nothing."""


def _explained(settings: Settings, mail: _Mail, warn: Callable[[str], None]) -> Report:
    """Have the engine judge, as a session would, with the greylist as it is if there is one."""
    translator = settings.translator()
    nameservers = teach(translator, settings, warn)
    kind, file = RecordKind(settings.greylist), _readable(settings.greylist.local_store, warn)
    store = _Unwritten(open_store(file, kind, lambda trouble: warn(f"greylist: {trouble}")), kind)
    session = Session(
        token=_TOKEN,
        client=translator.client(mail.client),
        port=0,
        helo=mail.helo and shown_domain(mail.helo),
        mta=os.uname().nodename,
    )
    quiet = Telemetry(LogSettings(level="error"))
    resolver = Resolver(settings.dns, translator)
    checks = {**REMOTE, **dns_list.checks(settings.dnslist, resolver, settings.dns.timeout, lambda *_: None)}
    lists = admin_lists(settings, lambda trouble: warn(f"lists: {trouble}"))
    with closing(Engine(settings.judging(), resolver, store, quiet, checks=checks, lists=lists)) as engine:
        transaction = engine.begin(Envelope(session=session, sender=mail.sender, login=""))
        _ = engine.judge(transaction, mail.recipient) or engine.end(transaction)
        remembered = engine.remembered(transaction)
        rows: Mapping[str, Record] = {}
        groups = [exact_network(session.client), sender_group(mail.sender)]
        earned: list[Report] = []
        with suppress(StoreGone):  # as it has said
            rows = store.read(pair_key(transaction.envelope.sender, mail.recipient))
            now = RowClock(store, settings.greylist.remember)()
            kept = {group: store.read(group) for group in groups if group}
            earned = [group_row(group, rows, now, settings.greylist) for group, rows in kept.items() if rows]
    return {
        **decision(settings, transaction, mail.recipient, remembered),
        "lists": list(lists_said(lists, transaction, mail.recipient)),
        "rows": [pair_row(group, record) for group, record in sorted(rows.items())],
        "groups": earned,
        "dns64": [
            {"nameserver": each.nameserver, "prefixes": [one.text for one in each.patterns], "error": each.error}
            for each in nameservers
        ],
    }


def _readable(url: str, warn: Callable[[str], None]) -> str:
    """Return which store to read: none in the place of one that isn't there, or that others alone may open."""
    path = parse(url)
    if not path:
        return url
    try:
        path.stat()
        for each, rights in ((path.parent, os.W_OK | os.X_OK), (path, os.R_OK | os.W_OK)):
            if not os.access(each, rights):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileNotFoundError:
        return "memory:"
    except OSError as error:
        warn(f"greylist: {path}: {error.strerror}: judged as if it were empty; try it as root")
        return "memory:"
    return url
