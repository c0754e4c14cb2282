"""A mail host made of tables, for the audit: a sound one, of which each test changes what it is about.

It has both families, sends by both, and receives for example.org as mx.example.org.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from milter64.audit.auditor import THEMES
from milter64.audit.facts.connection_attempts import Barred, Unreached
from milter64.audit.facts.facts import Dns, Facts, Translators
from milter64.audit.facts.host import Address, Clock, Host, Listener, Route
from milter64.audit.facts.host_lists import HostList
from milter64.audit.facts.lookups import Known
from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.report_line import Level, Line
from milter64.audit.rules.published_mx import published
from milter64.config.listen_address import Endpoint
from milter64.config.load_file import parse
from milter64.config.problems import Problem
from milter64.discover.recorded_prefixes import Sighting
from milter64.sharing.survey import Survey
from rig.records import Records, zone

FOUR, SIX = "192.0.2.25", "2001:db8:25::25"
OTHER_FOUR, OTHER_SIX = "192.0.2.26", "2001:db8:25::26"
NOW = 1795000000.0


def pointer(address: str) -> str:
    """Return the owner of an address's PTR, of 192.0.2.0/24 or 2001:db8:25::/112."""
    if ":" not in address:
        return ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    return ".".join(reversed(f"20010db80025{address.rpartition('::')[2]:0>20}")) + ".ip6.arpa"


ZONE = f"""
    example.org MX 10 mx.example.org
    example.org TXT v=spf1 ip4:{FOUR} ip6:{SIX} -all
    mx.example.org A {FOUR}
    mx.example.org AAAA {SIX}
    mx.example.org TXT v=spf1 a -all
    {pointer(FOUR)} PTR mx.example.org
    {pointer(SIX)} PTR mx.example.org
"""
ADDRESSES = (
    Address(address="127.0.0.1", length=8, interface="lo", scope="host"),
    Address(address="::1", length=128, interface="lo", scope="host"),
    Address(address=FOUR, length=24, interface="eth0"),
    Address(address=SIX, length=64, interface="eth0"),
    Address(address="fe80::25", length=64, interface="eth0", scope="link"),
)
FOUR_OUT = Route(family="IPv4", destination="default", interface="eth0", gateway="192.0.2.1")
SIX_OUT = Route(family="IPv6", destination="default", interface="eth0", gateway="fe80::1")
ON_LINK = (
    Route(family="IPv4", destination="192.0.2.0/24", interface="eth0"),
    Route(family="IPv6", destination="2001:db8:25::/64", interface="eth0"),
    Route(family="IPv6", destination="fe80::/64", interface="eth0"),
)
LISTENERS = (
    Listener(address="0.0.0.0", port=25, program="master"),
    Listener(address="::", port=25, program="master"),
    Listener(address="*", port=22, program="sshd"),
    Listener(address="127.0.0.1", port=8864, program="milter64"),
)
HOST = Host(
    name="mx.example.org",
    addresses=ADDRESSES,
    routes=(FOUR_OUT, SIX_OUT, *ON_LINK),
    sources={"IPv4": FOUR, "IPv6": SIX},
    listeners=LISTENERS,
    clock=Clock(now=NOW, synchronised=True),
)
MAIN = {
    "myhostname": "mx.example.org",
    "mydomain": "example.org",
    "inet_interfaces": "all",
    "inet_protocols": "all",
    "mail_owner": "postfix",
    "milter_command_timeout": "30s",
    "milter_content_timeout": "300s",
    "milter_default_action": "tempfail",
    "milter_protocol": "6",
    "queue_directory": "/var/spool/postfix",
    "smtp_address_preference": "any",
    "smtp_helo_name": "mx.example.org",
    "smtpd_milters": "inet:127.0.0.1:8864",
}


def service(name: str, *, type: str = "unix", chroot: bool = False, command: str = "smtp", **overrides: str) -> Service:  # noqa: A002  Postfix's word
    """Return a line of master.cf."""
    return Service(name=name, type=type, chroot=chroot, command=command, overrides=overrides)


def smtpd(name: str = "smtp", *, chroot: bool = True, **overrides: str) -> Service:
    """Return a server's line of master.cf."""
    return service(name, type="inet", chroot=chroot, command="smtpd", **overrides)


SERVICES = (smtpd(), service("cleanup", command="cleanup"), service("smtp"), service("relay"))


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What answers: `greetings` by address, None for nobody; why milter64 or its socket's file is out of reach.

    With `barred` it is for others than us to ask milter64.
    """

    greetings: Mapping[str, str | None] = field(default_factory=dict)
    refusal: str = ""
    barred: bool = False
    obstacle: str = ""

    def greeting(self, address: str) -> str:
        """Answer as `Reach.greeting` does."""
        if (said := self.greetings.get(address, "220 mx.example.org ESMTP Postfix")) is None:
            raise Unreached("connection refused")
        return said

    def milter(self, _endpoint: Endpoint) -> None:
        """Answer as `Reach.milter` does."""
        if self.barred:
            raise Barred("permission denied")
        if self.refusal:
            raise Unreached(self.refusal)

    def barrier(self, path: Path, user: str) -> str:
        """Answer as `Reach.barrier` does."""
        return f"{user} may not pass {path}: {self.obstacle}" if self.obstacle else ""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A host and its world; `main` is what differs in main.cf, `failing` the names that DNS has no answer about."""

    host: Host = HOST
    main: Mapping[str, str] = field(default_factory=dict)
    services: tuple[Service, ...] = SERVICES
    settings: str = ""
    zone: str = ZONE
    failing: Collection[str] = ()
    doors: Doors = field(default_factory=Doors)
    domains: tuple[str, ...] = ("example.org",)
    translators: Translators = field(default_factory=Translators)
    sightings: tuple[Sighting, ...] = ()
    lookups: Known = field(default_factory=Known)
    host_lists: tuple[HostList, ...] = ()
    told: frozenset[str] = frozenset()
    servers: Survey | None = None
    no_servers: Problem | None = None

    def facts(self) -> Facts:
        """Return the facts as the audit gathers them."""
        settings, problems = parse(self.settings)
        assert not problems
        return Facts(
            host=self.host,
            postfix=Postfix(
                directory=Path("/etc/postfix"),
                main={**MAIN, **self.main},
                services=self.services,
                lookups=self.lookups,
            ),
            settings=settings,
            translator=settings.translator(),
            domains=self.domains,
            dns=Dns(asker=Records(zone(self.zone), self.failing), seconds=inf, end=inf),
            doors=self.doors,
            translators=self.translators,
            sightings=self.sightings,
            host_lists=self.host_lists,
            told=self.told,
            servers=self.servers,
            no_servers=self.no_servers,
        )

    def lines(self, theme: str) -> list[Line]:
        """Return what a theme says; whatever is not ok has a remedy, and a command to see it."""
        facts = self.facts()
        lines = list(THEMES[theme](facts, published(facts)))
        for line in lines:
            assert bool(line.remedy) is (line.level is not Level.OK), line
            assert line.see, line
        return lines


def check(lines: list[Line], level: str, subject: str, reason: str, remedy: str) -> None:
    """Find one line about the subject, whose reason and remedy have these words."""
    about = [line for line in lines if line.subject == subject]
    assert [line.level.value for line in about] == [level], "\n".join(map(str, lines))
    assert reason in about[0].reason
    assert remedy in about[0].remedy
