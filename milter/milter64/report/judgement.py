"""What the figures mean, and what to do: rules, each of which may have something to say. Pure."""

import re
from collections.abc import Callable, Iterator
from math import ceil

from milter64.address.networks import pack
from milter64.pages.document import Finding, Level
from milter64.pages.wording import said
from milter64.report.facts import Facts, Suspect

ENOUGH_DAYS = 7
"""Days of observing before one may judge: what comes weekly has come."""
ENOUGH_LINES = 100
_FEW = 0.005
"""The part of all mail that may be honest and refused before it is a problem."""
_UNANSWERED = 0.02
"""The part of DNS answers that may be missing."""
_DEAD = 0.5
"""The part of a DNS list's answers that is missing if it is dead."""
_ODD = 0.01
"""The part of all mail from addresses that say nothing, before it is a problem."""
_BUSY = 0.001
_SLOW = 4 * 3600.0
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]+\.)+[a-z0-9_-]+", re.IGNORECASE)


def judgement(facts: Facts) -> tuple[Finding, ...]:
    """Return what there is to do, and first of all whether one can enforce."""
    found = [finding for rule in RULES for finding in rule(facts)]
    found.sort(key=lambda finding: -list(Level).index(finding.level))
    return (_verdict(facts, found), *found)


def _verdict(facts: Facts, found: list[Finding]) -> Finding:
    troubled = any(finding.level in {Level.WARNING, Level.PROBLEM} for finding in found)
    if not facts.total:
        text = "there is nothing in it that milter64 has decided"
        return Finding(
            level=Level.PROBLEM, text=text, remedy="name another log; report takes another time too, by --since"
        )
    if facts.mode == "enforce":
        text = "something below needs looking after" if troubled else "nothing needs to be changed"
        return Finding(level=Level.WARNING if troubled else Level.GOOD, text=f"it enforces, and {text}")
    if troubled:
        text = "don't enforce yet: first see to what is below, then let it observe for another day and report again"
        return Finding(level=Level.WARNING, text=text)
    return _enough(facts)


def _enough(facts: Facts) -> Finding:
    """Say whether it has observed enough to enforce."""
    if facts.days < ENOUGH_DAYS:
        days, has = ceil(ENOUGH_DAYS - facts.days), said(facts.days * 86400, "duration")
        text = f"observe {days} {'day' if days == 1 else 'days'} more: the log has only {has}"
        return Finding(level=Level.NOTICE, text=f"{text}, and what comes weekly may not have come")
    if facts.total < ENOUGH_LINES:
        text = f"observe longer: in {facts.days:.0f} days there were only {facts.total} decisions"
        return Finding(level=Level.NOTICE, text=text)
    return Finding(
        level=Level.GOOD,
        text="you can enforce",
        remedy="set this in milter64.toml, and then: systemctl reload milter64",
        lines=('mode = "enforce"',),
    )


def _kept_out(facts: Facts) -> Iterator[Finding]:
    """Say who is refused and looks honest, and who would have been but for observe mode."""
    for count, of, text in (
        (
            facts.honest_refused,
            facts.let_in + facts.refused,
            f"{facts.honest_refused:,} were refused and looked honest, beside {facts.let_in:,} that came in",
        ),
        (
            facts.honest_observed,
            facts.let_in,
            f"{facts.honest_observed:,} of {facts.let_in:,} that came in would be refused and look honest",
        ),
    ):
        if count:
            share = count / max(of, 1)
            yield Finding(
                level=Level.PROBLEM if share > _FEW else Level.WARNING,
                about="honest mail",
                text=f"{text} ({share:.1%})",
                remedy="look at those below, and allow whom you know",
            )
    for suspect in facts.suspects:
        yield _allowing(suspect, _spares(suspect), mixed=facts.mixed)


def _limits(facts: Facts) -> Iterator[Finding]:
    for suspect in facts.limited:
        yield _allowing(suspect, "greylist", mixed=facts.mixed)


def _never_back(facts: Facts) -> Iterator[Finding]:
    """Say who was put off, looks honest, and has not come back; whom observe mode let in had no reason to."""
    for suspect in facts.lost:
        text = f"put off {_times(suspect.count)}, never came back, and looks honest"
        yield Finding(
            level=Level.WARNING,
            about=suspect.who,
            text=text,
            remedy="if you know them",
            lines=allow(suspect.who, "greylist", "never comes back"),
        )


def _allowing(suspect: Suspect, spares: str, *, mixed: bool) -> Finding:
    in_part = f", {suspect.observed:,} of them in observe mode" if mixed and suspect.observed else ""
    return Finding(
        level=Level.WARNING,
        about=suspect.who,
        text=f"{_times(suspect.count)}{in_part}, mostly for {suspect.why or 'no reason that is told'}",
        evidence=suspect.speaks,
        remedy="if you know them",
        lines=allow(suspect.who, spares, f"report: {suspect.why}"),
    )


def allow(who: str, spares: str, because: str) -> tuple[str, ...]:
    """Return the line that allows somebody, none if he can't be named by one; a stranger's words never get into it."""
    try:
        named = who if who.startswith("@") and _DOMAIN.fullmatch(who[1:]) else _address(who)
    except ValueError:
        return ()
    option = "" if spares == "greylist" else f" --spares {spares}"
    return (f'milter64 allow {named}{option} --because "{re.sub("[^a-z0-9:/_; -]", "", because.lower())}"',)


def _address(who: str) -> str:
    pack(who.partition("/")[0])
    return who


def _spares(suspect: Suspect) -> str:
    """Return what is to be spared somebody."""
    return "spf" if all(why.startswith("spf ") for why in suspect.why.split("; ")) else "all"


_ORIGINS = {
    "undecoded": (
        "came through a translator that is not configured: they are judged by no address at all",
        "is one of your prefixes missing? Set translation.prefixes to what discover finds",
        "milter64 discover",
    ),
    "invalid": (
        "came in a translator's prefix, with no address that can be: a forgery, or a translator that errs",
        "look at the translator; see docs/translation.md",
        "milter64 audit",
    ),
    "masked": (
        "came through a gateway that hides its clients: they are judged by no address at all",
        "have the gateway translate statelessly, or pass the address on; see docs/translation.md#masked-gateways",
        "milter64 audit",
    ),
    "unknown": (
        "came without any address",
        "have the mail server give the milter the client's address",
        "milter64 postfix",
    ),
}


def _origins(facts: Facts) -> Iterator[Finding]:
    for origin, (text, remedy, see) in _ORIGINS.items():
        if count := facts.origins.get(origin, 0):
            share = count / facts.total
            client = facts.odd_client.get(origin, "")
            yield Finding(
                level=Level.PROBLEM if share > _ODD else Level.NOTICE,
                about=f"origin {origin}",
                text=f"{count:,} ({share:.1%}) {text}",
                evidence=(f"such as {client}",) if client else (),
                remedy=remedy,
                see=see,
            )


def _dns(facts: Facts) -> Iterator[Finding]:
    for check, count in facts.unanswered.items():
        share = count / max(facts.answered.get(check, 0), 1)
        of_list = check.startswith(("dnsbl ", "dnswl "))
        if of_list and share > _DEAD:
            yield Finding(
                level=Level.WARNING,
                about=check,
                text=f"the DNS list gave no answer that counts to {share:.0%} of {facts.answered[check]:,} questions",
                remedy="ask its operator, or take its [[dnslist]] out",
                see="milter64 check-config",
            )
        elif not of_list and share > _UNANSWERED:
            yield Finding(
                level=Level.WARNING,
                about=check,
                text=f"DNS gave no answer to {share:.0%} of {facts.answered[check]:,} questions",
                remedy="use a resolver of your own, near by; see docs/troubles.md",
                see="milter64 audit",
            )
    if facts.busy > _BUSY * facts.total:
        yield Finding(
            level=Level.WARNING,
            about="busy",
            text=f"{_times(facts.busy)} too many questions to DNS waited for an answer",
            remedy="use a resolver of your own, near by; see docs/troubles.md",
            see="milter64 audit",
        )


_FAULTS = ("fault", "worker killed", "log lines lost", "cannot start")


def _troubles(facts: Facts) -> Iterator[Finding]:
    for name, (count, told) in facts.troubles.items():
        fault = any(name.startswith(word) for word in _FAULTS)
        dead_list = name.startswith("dns list")
        yield Finding(
            level=Level.WARNING if fault or dead_list else Level.NOTICE,
            about=name,
            text=f"warned of {_times(count)}, last: {told}",
        )


def _slow(facts: Facts) -> Iterator[Finding]:
    if facts.mode == "enforce" and facts.time_to_pass > _SLOW:
        yield Finding(
            level=Level.NOTICE,
            about="greylist",
            text=f"one in ten that came back took more than {said(facts.time_to_pass, 'duration')}",
            remedy="senders wait, not you: allow those who matter",
        )


def _private(facts: Facts) -> Iterator[Finding]:
    if facts.pseudonyms:
        yield Finding(
            level=Level.NOTICE,
            about="log.privacy",
            text="local parts are pseudonyms, by which neither mailing lists nor forwarders (SRS) can be told",
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


RULES: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    *(_kept_out, _limits, _never_back, _origins, _dns, _troubles, _slow, _private),
)
"""All that may be said, whatever the verdict."""
