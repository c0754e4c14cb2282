"""DNS lists that Postfix asks, and that milter64 should ask in its place: it knows the address that they list."""

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

from milter64.audit.facts.postconf import Postfix
from milter64.audit.facts.smtpd_services import Case
from milter64.checks.dns_list_settings import Answers, Zone
from milter64.config.problems import DEFAULT

_SITE = re.compile(r"(?P<list>[^*\s]+)(?:\*(?P<weight>-?\d+))?")
_OCTET = r"\[[\d.;]+]|\d+"
"""Of a filter: a number, or in brackets some that ";" parts, or from one to another with ".." between."""
_FILTER = re.compile(rf"({_OCTET})\.({_OCTET})\.({_OCTET})\.({_OCTET})")
_MOST_ANSWERS = 16
"""Of a list, that are written out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A list; `action` is what follows from it, "" for refusal, and `about` what it is asked about, "" for clients.

    `answers` are those that count, as milter64 has it; none are all.
    """

    zone: Zone
    answers: tuple[str, ...] = ()
    action: str = ""
    about: str = ""

    @staticmethod
    def read(text: str, *, accepts: bool = False, about: str = "") -> "Site | None":
        """Read a list such as "zen.spamhaus.org=127.0.0.[2..11]"; None if it is none."""
        name, _, wanted = text.partition("=")
        try:
            zone, answers = Zone(name.lower().strip(".")), tuple(_answers(wanted)) if wanted else ()
        except ValueError:
            return None
        return Site(zone=zone, answers=answers, action="accept" if accepts else "", about=about)

    @property
    def table(self) -> str:
        """The table [[dnslist]] in milter64's configuration; of a key in a zone nothing is shown."""
        zone = self.zone.public if self.zone.public == self.zone.text else f"KEY.{self.zone.public}"
        lines = ["", "[[dnslist]]", f'zone = "{zone}"']
        lines += [f"answers = {json.dumps(self.answers)}"] if self.answers else []
        lines += [f'action = "{self.action}"'] if self.action else []
        lines += [f'about = ["{self.about}"]'] if self.about else []
        return "\\n".join([*lines, ""])


def _answers(wanted: str) -> Iterable[str]:
    """Yield the answers that a filter such as "127.0.0.[2..11]" lets count, as milter64 has them.

    Raises:
        ValueError: it is none, or lies elsewhere.
    """
    if not (match := _FILTER.fullmatch(wanted)):
        raise ValueError(f"{wanted} is no filter")
    *before, last = [octet.strip("[]").split(";") for octet in match.groups()]
    for first in product(*[_numbers(octet) for octet in before]):
        for some in last:
            yield Answers(".".join([*first, some.replace("..", "-")])).text


def _numbers(octet: Iterable[str]) -> Iterable[str]:
    for some in octet:
        first, _, end = some.partition("..")
        yield from map(str, range(int(first), min(int(end or first), 255) + 1))


def moved(case: Case, sites: Iterable[Site]) -> str:
    """Return what has milter64 ask lists which it doesn't ask yet, as a line for a shell; empty if there are none."""
    ours = {each.zone.text for each in case.settings.dnslist if each.zone}
    others = [site for site in sites if site.zone.text not in ours]
    tables = [site.table for site in others if len(site.answers) <= _MOST_ANSWERS]
    written = f"printf {shlex.quote(''.join(tables))} >> {DEFAULT}"
    several = [site.zone.public for site in others if len(site.answers) > _MOST_ANSWERS]
    lines = [f"have milter64 ask it: {written} && milter64 check-config && systemctl reload milter64"] if tables else []
    lines += [f"have milter64 ask {', '.join(several)} in a [[dnslist]], with answers as here"] if several else []
    return "; ".join(lines)


def asked_by_postscreen(postfix: Postfix) -> list[Site]:
    """Return the lists that postscreen asks, if it runs; one whose word alone refuses nobody there only greylists."""
    if not any(service.command == "postscreen" for service in postfix.services):
        return []
    threshold = postfix.value("postscreen_dnsbl_threshold")
    enough = int(threshold) if threshold.isdecimal() else 1
    sites = []
    for match in _SITE.finditer(postfix.value("postscreen_dnsbl_sites").replace(",", " ")):
        weight = int(match["weight"] or 1)
        if site := Site.read(match["list"], accepts=weight < 0):
            sites.append(replace(site, action="greylist") if 0 <= weight < enough else site)
    return sites
