"""Postfix's SMTP clients: by which families, and from which addresses, they send."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from milter64.address.networks import pack
from milter64.audit.facts.facts import Facts, shown
from milter64.audit.facts.host import IPV4, IPV6, family
from milter64.audit.facts.postconf import Service, family_names
from milter64.audit.facts.smtpd_kinds import LOOPBACK

BINDS = {IPV4: "smtp_bind_address", IPV6: "smtp_bind_address6"}
_UNBOUND = {"", "0.0.0.0", "::"}  # noqa: S104  Postfix's words for no address in particular
_BY_DEFAULT = Service(name="smtp", type="unix", chroot=False, command="smtp", overrides={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The address that is sent from over a family, empty if there is none, and what chose it."""

    family: str
    address: str
    by: str
    see: str
    bound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The services of master.cf that send alike.

    `protocols` are the families that `inet_protocols` allows, and `sources` what is sent from over them.
    """

    services: tuple[Service, ...]
    inet_protocols: str
    protocols: tuple[str, ...]
    preference: str
    helo: str
    sources: tuple[Source, ...]

    @property
    def names(self) -> str:
        """The services, for people."""
        return ", ".join(service.name for service in self.services)


def senders(facts: Facts, services: Iterable[Service]) -> Iterator[Sender]:
    """Yield the ways in which these services send; where master.cf isn't known, that of Postfix's smtp."""
    known = services if facts.postfix.services else [_BY_DEFAULT]
    ways = sorted(((_way(facts, each), each) for each in known), key=lambda pair: pair[0])
    for way, group in groupby(ways, key=lambda pair: pair[0]):
        alike = tuple(sorted((service for _, service in group), key=lambda service: service.name != "smtp"))
        protocols, preference, helo, *_ = way
        names = family_names(protocols)
        yield Sender(
            services=alike,
            inet_protocols=protocols,
            protocols=names,
            preference=preference,
            helo=helo,
            sources=tuple(_source(facts, alike[0], name) for name in names),
        )


def _way(facts: Facts, service: Service) -> tuple[str, ...]:
    names = ("inet_protocols", "smtp_address_preference", "smtp_helo_name", *BINDS.values(), "inet_interfaces")
    values = {name: facts.postfix.value(name, service) for name in names}
    values["inet_protocols"] = values["inet_protocols"] or "all"
    values["smtp_address_preference"] = values["smtp_address_preference"] or "any"
    values["smtp_helo_name"] = values["smtp_helo_name"] or facts.name
    return tuple(values.values())


def _source(facts: Facts, service: Service, name: str) -> Source:
    """Return what postconf(5) says of smtp_bind_address: bound by that, by a single inet_interfaces, or not at all."""
    parameter = BINDS[name]
    bound = facts.postfix.value(parameter, service).strip("[]").lower()
    if bound not in _UNBOUND:
        return Source(family=name, address=bound, by=parameter, see=shown(service, parameter), bound=True)
    alike = [each for each in facts.postfix.interfaces(service) if family(each) == name]
    if not bound and len(alike) == 1 and pack(alike[0]) not in LOOPBACK:
        see = shown(service, "inet_interfaces")
        return Source(family=name, address=alike[0], by="inet_interfaces", see=see, bound=True)
    return by_kernel(facts, name)


def by_kernel(facts: Facts, name: str) -> Source:
    """Return what the kernel chooses for a family where nothing is bound."""
    far, option = ("2001:503:ba3e::2:30", "-6") if name == IPV6 else ("198.41.0.4", "-4")
    return Source(
        family=name,
        address=facts.host.sources.get(name, ""),
        by="the kernel",
        see=f"ip {option} route get {far}",
        bound=False,
    )
