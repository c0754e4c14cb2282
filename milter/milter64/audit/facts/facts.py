"""All that the audit judges by: the host, Postfix, milter64's settings, and DNS within bounded time."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from milter64.address.client import Origin
from milter64.address.networks import pack
from milter64.address.translator import Translator
from milter64.audit.facts.host import Host
from milter64.audit.facts.host_lists import HostList
from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.facts.smtpd_kinds import Kind, kinds
from milter64.checks.all_checks import Check
from milter64.config.listen_address import Endpoint
from milter64.config.problems import Problem
from milter64.config.settings import Settings, Translation
from milter64.discover.recorded_prefixes import Sighting
from milter64.dns.lookup import Answer, Asker, Lookup, asked_alone
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, Session

if TYPE_CHECKING:
    from milter64.sharing.survey import Survey

_TOKEN = "audit"  # noqa: S105  a session's name, and no secret


class Doors(Protocol):
    """As `reach.Reach`."""

    def greeting(self, address: str) -> str:
        """Return the first line that port 25 of an address says, or raise Unreached."""

    def milter(self, endpoint: Endpoint) -> None:
        """Connect to where milter64 listens, or raise Unreached."""

    def barrier(self, path: Path, user: str) -> str:
        """Say what keeps a user from a unix socket, empty if nothing is known to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """DNS for the audit: each question or evaluation has `seconds`, and all of them end at `end` of the clock."""

    asker: Asker
    seconds: float
    end: float
    clock: Callable[[], float] = time.monotonic

    def ask(self, name: str, rdtype: str) -> Answer:
        """Return what DNS says about a name, or raise Unanswered."""
        return self.asker.ask(name, rdtype, self.deadline())

    def find(self, check: Check, envelope: Envelope) -> Finding:
        """Return what a check finds."""
        return asked_alone(check(envelope, Lookup(self.deadline())), self.asker)

    def deadline(self) -> float:
        """Return until when one question or one evaluation has time that begins now."""
        return min(self.clock() + self.seconds, self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Translators:
    """What RFC 7050 says of the nameservers: the prefixes that they make AAAA records with, or why that isn't known.

    `forbidden` says of each that RFC 6052 forbids why. One nameserver may be known and another not.
    """

    prefixes: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known before the first line.

    `postfix` is the one that is looked at, `more` are others of this host that listen. `domains` are those that this
    host receives or sends mail for; `translator` knows what the service knows.
    """

    host: Host
    postfix: Postfix
    settings: Settings
    translator: Translator
    domains: tuple[str, ...]
    dns: Dns
    doors: Doors
    translators: Translators = field(default_factory=Translators)
    sightings: tuple[Sighting, ...] = ()
    """The prefixes that clients have come from, by the service's own records."""
    more: tuple[Postfix, ...] = ()
    idle: tuple[str, ...] = ()
    """Postfixes of this host that are not looked at, each with the reason."""
    host_lists: tuple[HostList, ...] = ()
    """Those of other milters."""
    told: frozenset[str] = frozenset()
    """The filters that have been told who is behind a translator."""

    servers: "Survey | None" = None
    """Those through which hosts share."""
    no_servers: Problem | None = None
    """Why nothing is known of them."""

    @property
    def translated(self) -> bool:
        """Whether clients come, or are expected, through a translator."""
        noted = {client for sighting in self.sightings for client in sighting.clients}
        origins = {self.translator.client(client).origin for client in (*self.host.peers, *noted)}
        translation = self.settings.translation
        prefixes = {prefix.text for prefix in translation.prefixes} - {prefix.text for prefix in Translation().prefixes}
        expected = translation.explicit or prefixes or self.translators.prefixes
        return Origin.TRANSLATED in origins or bool(expected) or self.postfix.families() == ("IPv6",)

    @property
    def name(self) -> str:
        """The mail server's own name."""
        return self.names[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the mail server has for strangers, then those in main.cf."""
        every = (self.postfix, *self.more)
        fronts = (
            each.value("myhostname", service) for each in every for service, kind in kinds(each) if kind is Kind.FRONT
        )
        own = (each.value("myhostname") for each in every)
        return tuple(dict.fromkeys(name for name in (*fronts, *own, self.host.name) if name))

    def outside(self) -> tuple[str, ...]:
        """Return the addresses that a NAT or proxy has for this host, as `proxy_interfaces` says."""
        found: dict[str, None] = {}
        for each in (self.postfix, *self.more):
            for word in words(each.value("proxy_interfaces")):
                found |= dict.fromkeys(each.lookups.addresses(word))
        return tuple(found)

    def place(self, address: str) -> str:
        """Say where on this host an address is, empty if nowhere."""
        if held := self.host.address(address):
            return f"{held.interface} has it"
        if address in self.outside():
            return "the outside of a NAT, by proxy_interfaces"
        if ":" not in address:
            for form, via in Translator((), self.settings.translation.explicit).encode(address):
                if self.host.address(form):
                    return f"it stands for {form}, by translation.explicit {via}"
        return ""

    def mapped(self, address: str) -> str:
        """Return the IPv4 address that an explicit mapping has for an IPv6 address (RFC 7757), empty if none has."""
        client = Translator((), self.settings.translation.explicit).client(address)
        return client.address if client.origin is Origin.TRANSLATED else ""

    def envelope(self, address: str, helo: str, sender: str = "") -> Envelope:
        """Return a transaction as another mail server sees it that we send to from `address`."""
        client = Translator().client(address)
        session = Session(token=_TOKEN, client=client, port=0, helo=helo, mta="receiver.invalid")
        return Envelope(session=session, sender=sender, login="")


def is_address(text: str) -> bool:
    """Whether it is an IP address."""
    try:
        pack(text)
    except ValueError:
        return False
    return True


def words(value: str) -> tuple[str, ...]:
    """Read a list of Postfix's; an address may stand in brackets."""
    return tuple(word.strip("[]").lower() for word in re.split(r"[\s,]+", value) if word)


def shown(service: Service, name: str) -> str:
    """Return the command that shows a service's own value of a parameter, else main.cf's."""
    return f"postconf -P {service.key}/{name}" if name in service.overrides else f"postconf {name}"
