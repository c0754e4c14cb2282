"""What `milter64 explain` tells of a decision, chapter by chapter; what `--json` prints."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import dns.name

from milter64.address.client import Client, Origin
from milter64.checks import dmarc_policy, helo_name, iprev, spf_settings
from milter64.checks.dns_list_settings import ACCEPTING, BLOCKING
from milter64.cli.explain_dns_lists import dns_lists
from milter64.cli.explain_layout import Report
from milter64.cli.explain_limits import limits
from milter64.config.settings import Settings
from milter64.dns.lookup import Question
from milter64.greylist.row import Record
from milter64.greylist.settings import Settings as GreylistSettings
from milter64.greylist.wave_through import Rows, counted, earned
from milter64.headers.authentication_results import authentication_results
from milter64.judging.transaction_state import Transaction
from milter64.lists.listed import ALLOW, BLOCK
from milter64.mail.clean_text import clean
from milter64.mail.finding import Key
from milter64.policy.smtp_reply import reply


def pair_row(group: str, record: Record) -> Report:
    """Return what the greylist has of a pair and a group."""
    return {"group": group, "since": _when(record.first_seen), "passed": _when(record.passed_at)}


def group_row(group: str, rows: Rows, now: float, settings: GreylistSettings) -> Report:
    """Return what a group has earned by passing often."""
    count = counted(rows, now, settings).values()
    since = min([row.first_seen for row in count], default=None)
    return {"group": group, "recipients": len(count), "since": _when(since), "waved": earned(rows, now, settings)}


def _when(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def decision(settings: Settings, transaction: Transaction, recipient: str, remembered: Mapping[Key, float]) -> Report:
    """Return the decision, and all that it rests on.

    `reply` is None for yes, and what would be said if it weren't for observe mode.
    """
    envelope, client = transaction.envelope, transaction.envelope.session.client
    findings = [*transaction.known.values(), *filter(None, [transaction.exempt])]
    verdict, observe = transaction.verdicts[-1], settings.mode == "observe"
    standing, answer = verdict.standing, reply(verdict, envelope)
    fields: tuple[str, ...] = ()
    if settings.headers.authentication_results and (observe or not answer) and not transaction.exempt:
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
        "dns_lists": list(dns_lists(settings.dnslist, settings.policy().rules(client), transaction)),
        "limits": list(limits(settings, transaction)),
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
        "verdict": verdict.action.name.lower(),
        "rules": list(_rules(settings, transaction)),
        "reply": str(answer) if answer else None,
        "observe": observe,
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


_MAILFROM = (spf_settings.NAME, spf_settings.MAILFROM)
_TABLES = {
    (spf_settings.NAME, spf_settings.HELO): "spf.helo_actions",
    _MAILFROM: "spf.actions",
    (iprev.NAME, iprev.PROPERTY): "iprev.actions",
    (helo_name.NAME, helo_name.PROPERTY): "helo.actions",
}
_LEFT_TO_DMARC = 'spf.actions.fail = "dmarc"'


def _rules(settings: Settings, transaction: Transaction) -> Iterator[str]:
    """Yield what decided, each with the line of the configuration that says so."""
    client, verdict = transaction.envelope.session.client, transaction.verdicts[-1]
    rules = settings.policy().rules(client)
    for finding in verdict.because:
        if finding.check == dmarc_policy.NAME:
            yield f"{_LEFT_TO_DMARC}: {finding.reason}"
        elif finding.key == _MAILFROM and finding.result == "fail" and settings.spf.left_to_dmarc:
            yield _LEFT_TO_DMARC
        elif finding.check in (ALLOW, BLOCK):
            yield f"the {finding.check} list: {finding.reason} ({finding.fact('aside')})"
        elif finding.check in (BLOCKING, ACCEPTING):
            yield f'dnslist.action = "{rules.action(finding).name.lower()}": {finding.reason}'
        elif table := _TABLES.get(finding.key):
            if finding.check == iprev.NAME and client.origin is Origin.IPV6 and settings.iprev.ipv6_actions is not None:
                table = "iprev.ipv6_actions"
            at_most = ", no more: its address may be a gateway's" if client.shared else ""
            yield f'{table}.{finding.result} = "{rules.action(finding).name.lower()}"{at_most}'
        else:
            yield f"{finding.result}: {finding.reason}"
    if not verdict.because:
        apply_all = verdict.standing and settings.greylist.apply == "all"
        yield 'greylist.apply = "all"' if apply_all else "nothing speaks against the client"
    if verdict.standing:
        yield f"the greylist: {verdict.standing.state.value}"
