"""DNS lists that Postfix asks, and that milter64 should ask in its place: it knows the address that they list."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from milter64.audit.facts.postconf import Postfix
from milter64.audit.facts.smtpd_services import Case
from milter64.checks.dns_list_settings import Zone
from milter64.config.problems import DEFAULT

_SITE = re.compile(r"(?P<zone>[^=*\s]+)(?:=[^*\s]*)?(?:\*(?P<weight>-?\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A list; `action` is what follows from it, "" for refusal, and `about` what it is asked about, "" for clients."""

    zone: Zone
    action: str = ""
    about: str = ""

    @staticmethod
    def read(text: str, *, accepts: bool = False, about: str = "") -> "Site | None":
        """Read a list such as "zen.spamhaus.org=127.0.0.[2..11]"; None if it is none."""
        try:
            zone = Zone(text.partition("=")[0].lower().strip("."))
        except ValueError:
            return None
        return Site(zone=zone, action="accept" if accepts else "", about=about)

    @property
    def table(self) -> str:
        """The table [[dnslist]] in milter64's configuration; of a key in a zone nothing is shown."""
        zone = self.zone.public if self.zone.public == self.zone.text else f"KEY.{self.zone.public}"
        lines = ["", "[[dnslist]]", f'zone = "{zone}"']
        lines += [f'action = "{self.action}"'] if self.action else []
        lines += [f'about = ["{self.about}"]'] if self.about else []
        return "\\n".join([*lines, ""])


def moved(case: Case, sites: Iterable[Site]) -> str:
    """Return the line for a shell that has milter64 ask lists which it doesn't ask yet; empty if there are none."""
    ours = {each.zone.text for each in case.settings.dnslist if each.zone}
    tables = [site.table for site in sites if site.zone.text not in ours]
    if not tables:
        return ""
    return f"have milter64 ask it: printf {shlex.quote(''.join(tables))} >> {DEFAULT} && systemctl reload milter64"


def asked_by_postscreen(postfix: Postfix) -> list[Site]:
    """Return the lists that postscreen asks, if it runs; one whose word alone refuses nobody there only greylists."""
    if not any(service.command == "postscreen" for service in postfix.services):
        return []
    threshold = postfix.value("postscreen_dnsbl_threshold")
    enough = int(threshold) if threshold.isdecimal() else 1
    sites = []
    for match in _SITE.finditer(postfix.value("postscreen_dnsbl_sites").replace(",", " ")):
        weight = int(match["weight"] or 1)
        if site := Site.read(match["zone"], accepts=weight < 0):
            lenient = 0 <= weight < enough
            sites.append(Site(zone=site.zone, action="greylist") if lenient else site)
    return sites
