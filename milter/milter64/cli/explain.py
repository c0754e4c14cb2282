"""`milter64 explain`: the whole decision about a sender, step by step, as the service would make it now."""

import argparse
import json
import os
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace

from milter64.address.networks import pack, unpack
from milter64.checks import dns_list
from milter64.checks.all_checks import REMOTE
from milter64.cli.explain_layout import Report, show
from milter64.cli.explain_lists import lists_said
from milter64.cli.explain_report import decision, group_row, pair_row
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
from milter64.store.interface import Store, StoreGone
from milter64.store.store_url import open_store, parse
from milter64.telemetry import log
from milter64.telemetry.log import Telemetry

_TOKEN = "explain"  # noqa: S105  a session's name, and no secret

EXAMPLES = """\
  What would become of a bounce?
    milter64 explain 64:ff9b::c01f:c40a --to you@example.org
  What would become of a mail, as the log of a mail server shows it?
    milter64 explain 64:ff9b::c01f:c40a --helo mail.honest.example \\
        --from joe@honest.example --to you@example.org
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("address", type=_address, metavar="ADDRESS", help="the client's address, as it is on the wire")
    parser.add_argument("--to", type=_mailbox, required=True, metavar="RECIPIENT", help="the recipient's address")
    parser.add_argument("--helo", metavar="NAME", help="the client's HELO name; default: it gives none")
    parser.add_argument(
        "--from",
        dest="sender",
        type=_mailbox,
        default="",
        metavar="SENDER",
        help="the sender's address; default: the null sender",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _address(text: str) -> str:
    try:
        return unpack(pack(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _mailbox(text: str) -> str:
    if (address := sender_and_recipient.read(text.encode() or b"<>", None)) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as user@example.org (RFC 5321 4.1.2)")
    return address


def main(arguments: argparse.Namespace) -> int:
    """Judge a recipient of a message that nobody sends, and say how; nothing is written and nothing refused."""
    settings = load(arguments.config)
    screen = Screen()
    troubles: list[str] = []
    report = _explained(settings, arguments, troubles.append) | {"trouble": troubles}
    if arguments.json:
        screen.line(json.dumps(report, indent=2))
    else:
        show(report, screen)
    return os.EX_OK


class _Unwritten:
    """A store that is read only."""

    def __init__(self, store: Store[Record]) -> None:
        self.read, self.latest = store.read, store.latest
        self.sizes, self.close = store.sizes, store.close
        self.caps, self.gone, self.happenings = store.caps, store.gone, store.happenings

    def merge(self, key: str, rows: Mapping[str, Record]) -> None:
        """Keep nothing."""

    def expire(self, now: float) -> None:
        """Forget nothing."""


def _explained(settings: Settings, arguments: argparse.Namespace, warn: Callable[[str], None]) -> Report:
    """Have the engine judge, as a session would, with the greylist as it is if there is one."""
    translator = settings.translator()
    nameservers = teach(translator, settings, warn)
    path = parse(settings.greylist.store)
    url = "memory:"
    try:
        if path and path.exists():
            url = settings.greylist.store
    except OSError as error:
        warn(f"greylist: {path}: {error.strerror}: judged as if it were empty; try it as root")
    store = _Unwritten(open_store(url, RecordKind(settings.greylist), lambda trouble: warn(f"greylist: {trouble}")))
    session = Session(
        token=_TOKEN,
        client=translator.client(arguments.address),
        port=0,
        helo=arguments.helo and shown_domain(arguments.helo),
        mta=os.uname().nodename,
    )
    quiet = Telemetry(log.Settings(level="error"))
    resolver = Resolver(settings.dns, translator)
    checks = {**REMOTE, **dns_list.checks(settings.dnslist, resolver, settings.dns.timeout, lambda *_: None)}
    lists = admin_lists(settings, lambda trouble: warn(f"lists: {trouble}"))
    judging = replace(settings, mode="enforce").judging()
    with closing(Engine(judging, resolver, store, quiet, checks=checks, lists=lists)) as engine:
        transaction = engine.begin(Envelope(session=session, sender=arguments.sender, login=""))
        reply = engine.judge(transaction, arguments.to) or engine.end(transaction)
        remembered = engine.remembered(transaction)
        rows: Mapping[str, Record] = {}
        groups = [exact_network(session.client), sender_group(arguments.sender)]
        earned: list[Report] = []
        with suppress(StoreGone):  # as it has said
            rows = store.read(pair_key(transaction.envelope.sender, arguments.to))
            now = RowClock(store, settings.greylist.remember)()
            kept = {group: store.read(group) for group in groups if group}
            earned = [group_row(group, rows, now, settings.greylist) for group, rows in kept.items() if rows]
    return {
        **decision(settings, transaction, reply, arguments.to, remembered),
        "lists": list(lists_said(lists, transaction, arguments.to)),
        "rows": [pair_row(group, record) for group, record in sorted(rows.items())],
        "groups": earned,
        "dns64": [
            {"nameserver": each.nameserver, "prefixes": [one.text for one in each.patterns], "error": each.error}
            for each in nameservers
        ],
    }
