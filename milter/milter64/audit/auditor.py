"""The whole audit: the facts are read once, and every theme judges by them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from milter64.address.translator import Translator
from milter64.audit.facts import host
from milter64.audit.facts.connection_attempts import Reach
from milter64.audit.facts.facts import Dns, Facts, Translators
from milter64.audit.facts.host_lists import read as read_host_lists
from milter64.audit.facts.instances import Instances, instances
from milter64.audit.facts.postconf import Postfix, PostfixUnreadable
from milter64.audit.facts.shared_server import look
from milter64.audit.facts.told_filters import read as read_told_filters
from milter64.audit.report_line import Line, problem
from milter64.audit.rules.container_network import container
from milter64.audit.rules.dns_lists import dns_lists
from milter64.audit.rules.filters_behind import filters_behind
from milter64.audit.rules.inbound import inbound
from milter64.audit.rules.milter64_itself import service
from milter64.audit.rules.outbound import outbound
from milter64.audit.rules.published_mx import Published, published
from milter64.audit.rules.shared_server import shared_server
from milter64.audit.rules.translated_clients import clients
from milter64.checks.dns_list_settings import Settings as DnsList
from milter64.config.settings import Settings
from milter64.discover import dns64_prefix, recorded_prefixes
from milter64.discover.learned_by_service import teach
from milter64.discover.recorded_prefixes import Sighting
from milter64.dns.lookup import Answer, Asker
from milter64.dns.resolver import Resolver
from milter64.mail.idna_domain import ascii_domain

LONGEST = 60.0
"""Seconds for all questions to DNS together; each has `dns.deadline` at most."""

THEMES: Mapping[str, Callable[[Facts, Published], Iterator[Line]]] = {
    "inbound": inbound,
    "outbound": outbound,
    "milter64": service,
    "container": container,
    "clients": clients,
    "sharing": shared_server,
    "lists": dns_lists,
    "neighbours": filters_behind,
}


_OF_EACH = ("outbound", "milter64", "clients")
"""Themes that look at each of several Postfixes."""


def audit(facts: Facts, trouble: str = "") -> Iterator[tuple[str, Line]]:
    """Yield each line with its theme, as it comes; `trouble` is why Postfix's settings are not known."""
    if facts.host.missing:  # without addresses, routes and sockets all that follows would be made up
        yield "inbound", _blind(facts.host.missing)
        return
    found = published(facts)
    said: set[tuple[str, Line]] = set()
    if trouble:
        yield "inbound", _unreadable(trouble)
    for theme, judge in THEMES.items():
        for postfix in (facts.postfix, *(facts.more if theme in _OF_EACH else ())):
            others = tuple(each for each in (facts.postfix, *facts.more) if each is not postfix)
            for line in judge(replace(facts, postfix=postfix, more=others), found):
                told = _placed(line, postfix, named=postfix is not facts.postfix)
                if (theme, told) not in said:  # as where two of Postfix's services are alike
                    said.add((theme, told))
                    yield theme, told


def _placed(line: Line, postfix: Postfix, *, named: bool) -> Line:
    """Have a line's commands name the folder of a Postfix that they don't mean without, and its subject the name."""
    see, remedy = postfix.placed(line.see), postfix.placed(line.remedy)
    about = named and (see, remedy) != (line.see, line.remedy)  # else it is about what all of them share
    return replace(line, subject=f"{line.subject} of {postfix.name}" if about else line.subject, see=see, remedy=remedy)


def _blind(missing: Sequence[str]) -> Line:
    return problem(
        "this host",
        f"its addresses, routes and sockets can't be read without {' and '.join(missing)}: nothing is judged",
        see=f"command -v {' '.join(missing)}",
        remedy="apt install iproute2, and audit again",
    )


def _unreadable(trouble: str) -> Line:
    return problem(
        "Postfix",
        f"its settings can't be read, and are taken for the defaults: {trouble}",
        see="postconf -n; postconf -M",
        remedy="have both commands work; a folder of its own is named with --config-directory",
    )


def gather(
    settings: Settings, directory: Path | None, domains: Sequence[str], progress: Callable[[str], None]
) -> tuple[Facts, str]:
    """Read the facts of this host, and say why Postfix's are missing if they are.

    `domains` are Postfix's own `mydomain` if none are given. `progress` is told what is being asked, now and later.
    """
    progress("the host")
    here = host.read()
    trouble = ""
    try:
        found = instances(directory)
    except PostfixUnreadable as error:
        nothing = Postfix(directory=directory or Path(), main={}, services=(), usual=directory is None)
        found, trouble = Instances(judged=(nothing,), others={}), str(error)
    mail_server, *more = found.judged
    end = time.monotonic() + LONGEST
    progress(f"AAAA {dns64_prefix.NAME}")
    translator = settings.translator()
    if settings.greylist.shared:
        progress("the shared store")
    servers, no_servers = look(settings)
    translators = _translators(translator, settings)
    own = (mail_server.value("mydomain") or here.name.partition(".")[2],)
    facts = Facts(
        host=here,
        postfix=mail_server,
        settings=settings,
        translator=translator,
        domains=tuple(dict.fromkeys(ascii_domain(domain) for domain in domains or own if domain)),
        dns=Dns(
            asker=_Told(Resolver(settings.dns, translator), progress, settings.dnslist),
            seconds=settings.dns.deadline,
            end=end,
        ),
        doors=Reach(),
        translators=translators,
        sightings=_sightings(settings),
        host_lists=tuple(read_host_lists()),
        told=frozenset(read_told_filters()),
        more=tuple(more),
        servers=servers,
        no_servers=no_servers,
        idle=tuple(f"{folder}: {why}" for folder, why in found.others.items()),
    )
    return facts, trouble


def _translators(translator: Translator, settings: Settings) -> Translators:
    """Ask each nameserver whether it is a DNS64 (RFC 7050)."""
    known = teach(translator, settings, lambda _: None)
    patterns = {pattern.text: pattern for synthesis in known for pattern in synthesis.patterns}
    troubles = [f"{synthesis.error} from {synthesis.nameserver}" for synthesis in known if synthesis.error]
    return Translators(
        prefixes=tuple(text for text in sorted(patterns) if not patterns[text].defect),
        forbidden=tuple(patterns[text].defect for text in sorted(patterns) if patterns[text].defect),
        trouble="; ".join(troubles),
    )


def _sightings(settings: Settings) -> tuple[Sighting, ...]:
    """Return what the service has noted, nothing where that isn't kept or not for us to read."""
    path = recorded_prefixes.place(settings.greylist.local_store)
    with suppress(OSError):
        return tuple(recorded_prefixes.read(path).values()) if path else ()
    return ()


@dataclass(frozen=True, slots=True)
class _Told:
    """DNS, with each question told of before it is asked."""

    asker: Asker
    progress: Callable[[str], None]
    lists: Sequence[DnsList] = ()
    """DNS lists, in the names of whose zones there may be keys."""

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:
        """Answer as `Asker.ask` does."""
        zones = [each for each in self.lists if each.zone and name.endswith(f".{each.zone.text}")]
        self.progress(f"{rdtype} {name}" if not zones else f"the DNS list {zones[0].shown}")
        return self.asker.ask(name, rdtype, deadline, lasting)
