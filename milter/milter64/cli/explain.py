"""`milter64 explain`: the whole decision about a sender, step by step, as the service would make it now."""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime

import dns.name

from milter64.address.client import Client, Origin
from milter64.address.networks import pack, unpack
from milter64.checks import helo_name, iprev, spf
from milter64.cli.explain_layout import Report, show
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.config.settings import Settings
from milter64.discover.learned_by_service import teach
from milter64.dns.resolver import Question, Resolver
from milter64.greylist.pair import pair_key
from milter64.greylist.row import Record, RecordKind
from milter64.headers.authentication_results import authentication_results
from milter64.judging.engine import Engine
from milter64.judging.transaction_state import Transaction
from milter64.mail import sender_and_recipient
from milter64.mail.clean_text import clean
from milter64.mail.finding import Key
from milter64.mail.idna_domain import shown_domain
from milter64.mail.session import Envelope, Session
from milter64.policy.smtp_reply import Reply
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
    with closing(Engine(replace(settings, mode="enforce").judging(), resolver, store, quiet)) as engine:
        transaction = engine.begin(Envelope(session=session, sender=arguments.sender, login=""))
        reply = engine.judge(transaction, arguments.to) or engine.end(transaction)
        remembered = engine.remembered(transaction)
        rows: Mapping[str, Record] = {}
        with suppress(StoreGone):  # as it has said
            rows = store.read(pair_key(transaction.envelope.sender, arguments.to))
    return {
        **_report(settings, transaction, reply, arguments.to, remembered),
        "rows": [_row(group, record) for group, record in sorted(rows.items())],
        "dns64": [
            {"nameserver": each.nameserver, "prefixes": [one.text for one in each.patterns], "error": each.error}
            for each in nameservers
        ],
    }


def _row(group: str, record: Record) -> Report:
    return {"group": group, "since": _when(record.first_seen), "passed": _when(record.passed_at)}


def _when(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _report(
    settings: Settings, transaction: Transaction, reply: Reply | None, recipient: str, remembered: Mapping[Key, float]
) -> Report:
    envelope, client = transaction.envelope, transaction.envelope.session.client
    findings = [*transaction.known.values(), *filter(None, [transaction.exempt])]
    standing = transaction.verdicts[-1].standing
    fields: tuple[str, ...] = ()
    if settings.headers.authentication_results and not reply and not transaction.exempt:
        fields = authentication_results(settings.authserv_id or envelope.session.mta, envelope, findings)
    return {
        "client": {
            "wire": client.wire,
            "address": client.address,
            "origin": client.origin.value,
            "why": _why(client) + _privacy(client, settings),
            "network": client.network(settings.greylist.ipv4_prefix, settings.greylist.ipv6_prefix),
        },
        "envelope": {"helo": envelope.session.helo, "from": envelope.sender, "to": recipient},
        "dns": [
            {"check": " ".join(key), **_question(question)}
            for key, lookup in transaction.lookups.items()
            for question in lookup.questions
        ],
        "findings": [
            {
                "check": finding.check,
                "property": finding.property,
                "result": finding.result,
                "reason": finding.reason,
                "facts": finding.facts,
                "remembered": round(remembered[finding.key]) if finding.key in remembered else None,
            }
            for finding in findings
        ],
        "greylist": {"state": standing.state.value, "group": standing.group, "seconds": standing.seconds}
        if standing
        else None,
        "verdict": transaction.verdicts[-1].action.name.lower(),
        "rules": list(_rules(settings, transaction)),
        "reply": str(reply) if reply else None,
        "authentication_results": fields,
    }


_ORIGINS = {
    Origin.IPV4: "native IPv4",
    Origin.IPV6: "native IPv6: no prefix and no mapping covers it",
    Origin.MAPPED: "IPv4 as a socket shows it ({via})",
    Origin.TRANSLATED: "decoded by {via}",
    Origin.INVALID: "inside {via}, and no legal translation: it is not judged by its address",
    Origin.UNDECODED: "a translator's, but no configured prefix covers it: it is not judged by its address",
    Origin.MASKED: "a gateway's, which hides the client's: it is not judged by its address",
    Origin.UNKNOWN: "no IP address: it is not judged by its address",
}


def _why(client: Client) -> str:
    if client.origin is Origin.UNDECODED and client.via:
        return f"in {client.via}, by which the resolver is a DNS64, and not configured: it is not judged by its address"
    return _ORIGINS[client.origin].format(via=client.via)


def _privacy(client: Client, settings: Settings) -> str:
    hidden = client.origin.identifies and client.private and not settings.trust.judge_private
    return ", and of private use: it is not judged by its address" if hidden else ""


def _question(question: Question) -> Report:
    answer = question.answer
    if not answer:
        text = question.error
    elif not answer.exists:
        text = "no such name"
    else:
        text = ", ".join(map(_value, answer.values)) or "no such record"
    return {
        "name": clean(question.name),
        "type": question.rdtype,
        "alias": clean(answer.name) if answer and _is_alias(question.name, answer.name) else None,
        "answer": clean(text, 1000),
        "ttl": answer.ttl if answer else None,
        "ms": round(question.seconds * 1000, 1),
    }


def _is_alias(name: str, owner: str) -> bool:
    """Whether an answer is from another name than was asked for, by CNAME records; IDNA changes a name's text too."""
    return name.lower().removesuffix(".") != owner.lower() and dns.name.from_text(name) != dns.name.from_text(owner)


def _value(value: object) -> str:
    if isinstance(value, bytes):
        return f'"{value.decode("ascii", "replace")}"'
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


_TABLES = {
    (spf.NAME, spf.HELO): "spf.helo_actions",
    (spf.NAME, spf.MAILFROM): "spf.actions",
    (iprev.NAME, iprev.PROPERTY): "iprev.actions",
    (helo_name.NAME, helo_name.PROPERTY): "helo.actions",
}


def _rules(settings: Settings, transaction: Transaction) -> Iterator[str]:
    """Yield what decided, each with the line of the configuration that says so."""
    client, verdict = transaction.envelope.session.client, transaction.verdicts[-1]
    rules = settings.policy().rules(client)
    for finding in verdict.because:
        if table := _TABLES.get(finding.key):
            if finding.check == iprev.NAME and client.origin is Origin.IPV6 and settings.iprev.ipv6_actions is not None:
                table = "iprev.ipv6_actions"
            yield f'{table}.{finding.result} = "{rules.action(finding).name.lower()}"'
        else:
            yield f"{finding.result}: {finding.reason}"
    if not verdict.because:
        apply_all = verdict.standing and settings.greylist.apply == "all"
        yield 'greylist.apply = "all"' if apply_all else "nothing speaks against the client"
    if verdict.standing:
        yield f"the greylist: {verdict.standing.state.value}"
