"""DNS lists (RFC 5782): does one of them list the client, or a domain that he has named?

An IPv4 client is asked about by his decoded address, whatever his address on the wire: the lists know nothing of
translators. A list that can't be believed, or that doesn't answer, counts for nothing.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence

from milter64.address.frozen_dataclass import frozen
from milter64.checks.all_checks import Check
from milter64.checks.dns_list_health import PROBE_EVERY, Health, Nameservice, Trouble, unanswered
from milter64.checks.dns_list_kinds import IPV4, IPV6, NAMES, Kind
from milter64.checks.dns_list_settings import About, Settings, wrong_answer
from milter64.checks.iprev import iprev, reversed_text
from milter64.dns.lookup import Asking, Lookup
from milter64.dns.unanswered import Unanswered
from milter64.mail.clean_text import clean
from milter64.mail.finding import Finding, Key
from milter64.mail.idna_domain import ascii_domain
from milter64.mail.session import Envelope, split

Report = Callable[[str, str], None]
"""Told a list's name, and why it counts for nothing or, when it counts again, ""."""

_LABEL = "[a-z0-9_-]{1,63}"  # where a hyphen stands is nothing to DNS
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")
"""A name of several labels, which an address is not (RFC 5321 4.1.2)."""
_LONGEST = 253
"""Characters of a name in DNS."""


def checks(lists: Sequence[Settings], resolver: Nameservice, timeout: float, report: Report) -> Mapping[Key, Check]:
    """Return the checks of some lists, by the question that each of them answers.

    `resolver` and `timeout` are as for `Health`.
    """
    made: dict[Key, Check] = {}
    for each in lists:
        assert each.zone
        zone = each.zone.text

        def health(kind: Kind, each: Settings = each, zone: str = zone) -> Health:
            def say(why: str) -> None:
                report(each.shown, f"{kind.name}: {why}" if why else "")

            return Health(zone, kind, resolver, timeout, say)

        healths = {kind: health(kind) for kind in (IPV4, IPV6, NAMES)}
        made |= {each.key(about): _Check(each, about, healths, timeout) for about in each.about}
    return made


@frozen
class _Subject:
    """What a list is asked about, as a text and as it stands in a name, and what it must have entries of."""

    text: str
    label: str
    kind: Kind


class _Check:
    """One list, asked about one thing."""

    def __init__(self, settings: Settings, about: About, healths: Mapping[Kind, Health], timeout: float) -> None:
        assert settings.zone
        self._settings = settings
        self._key = settings.key(about)
        self._shown = settings.shown
        self._zone = settings.zone.text
        self._about: About = about
        self._healths = healths
        self._timeout = timeout

    def __call__(self, envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
        """Return `listed`, or `pass` where the list accepts, `none`, `temperror` or `permerror`.

        Facts: the A records that count, each as "answer", and all as "aside"; as "text" what is told to the refused.
        """
        subject = yield from self._subject(envelope, lookup)
        if isinstance(subject, Trouble):
            return self._finding(subject.result, subject.reason)
        until = time.monotonic() + self._timeout
        values = yield from self._values(subject, lookup, until)
        if isinstance(values, Trouble):
            # Whoever is known need not ask again each time what is wrong; but it may be mended at any time.
            lookup.ttl = int(values.lasts if values.result == "none" else min(values.lasts, PROBE_EVERY))
            return self._finding(values.result, values.reason)
        if not values:
            return self._finding("none", f"{self._shown} does not list {subject.text}")
        facts = [*(("answer", value) for value in values), ("aside", ", ".join(values))]
        if self._settings.text:
            facts.append(("text", clean(self._settings.text.replace("{address}", subject.text))))
        return self._finding(self._settings.positive, f"{self._shown} lists {subject.text}", *facts)

    def _values(self, subject: _Subject, lookup: Lookup, until: float) -> Asking[tuple[str, ...] | Trouble]:
        """Return the A records that count, none where the list has nothing."""
        label, health = subject.label, self._healths[subject.kind]
        if (excess := len(label) + 1 + len(self._zone) - _LONGEST) > 0:
            _, _, label = label[excess - 1 :].partition(".")  # the domain above it that there is room for
        if subject.kind is NAMES and not _DOMAIN.fullmatch(label):
            return ()
        if trouble := (yield from health.admit(min(until, lookup.deadline))):
            return trouble
        try:
            values = (yield from lookup.ask(f"{label}.{self._zone}", "A", until, f"{label}.{self._shown}")).values
        except Unanswered as error:
            return health.failed(error) if until <= lookup.deadline else unanswered(error)
        health.answered()
        if why := wrong_answer(values):
            return health.doubt(why) if subject.kind is NAMES else health.condemn(why)
        counting = self._settings.counting(values)
        return (counting and (yield from health.confirm(min(until, lookup.deadline)))) or counting

    def _subject(self, envelope: Envelope, lookup: Lookup) -> Asking[_Subject | Trouble]:
        client = envelope.session.client
        match self._about:
            case "client":
                kind = IPV4 if len(client.packed) == 4 else IPV6  # noqa: PLR2004  an IPv4 address's length
                return _Subject(text=client.address, label=reversed_text(client.packed), kind=kind)
            case "sender":
                return _domain(split(envelope.sender)[1], "the sender has no domain of several labels")
            case "helo":
                return _domain(envelope.session.helo or "", "the HELO name is none of several labels")
            case "name":
                found = yield from iprev(envelope, lookup)
                if found.result == "temperror":
                    return Trouble(result="temperror", reason=found.reason)
                return _domain(found.fact("name") or "", "the client has no confirmed name")

    def _finding(self, result: str, reason: str, *facts: tuple[str, str]) -> Finding:
        check, property_ = self._key
        return Finding(check=check, property=property_, result=result, reason=clean(reason), facts=facts)


def _domain(text: str, why: str) -> _Subject | Trouble:
    name = ascii_domain(text)
    if not _DOMAIN.fullmatch(name):
        return Trouble(result="none", reason=why)
    return _Subject(text=name, label=name, kind=NAMES)
