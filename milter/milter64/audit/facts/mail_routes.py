"""Which ways mail to other hosts takes out of a Postfix: by itself, by a relay, or not at all."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from milter64.address.networks import pack
from milter64.audit.facts.facts import Facts, is_address
from milter64.audit.facts.lookups import Untold
from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.facts.smtpd_kinds import LOOPBACK

_ELSEWHERE = "elsewhere.invalid"
"""A domain that no table knows, but for one that has a row for all."""
_BY_SENDER = "sender_dependent_default_transport_maps"
_TRANSPORT_TABLES = ("transport_maps", _BY_SENDER)
TABLES = (*_TRANSPORT_TABLES, "sender_dependent_relayhost_maps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A service of master.cf, the next hop that it is given, empty for the recipient's own, and what says so."""

    transport: str
    next_hop: str
    by: str


def routes(facts: Facts) -> tuple[Mapping[str, Route], str]:
    """Return the route of each domain's mail to elsewhere, and why a table could not be asked, if so."""
    found, trouble = {}, ""
    for domain in facts.domains or ("",):
        route = _by_parameters(facts.postfix)
        try:
            route = _by_tables(facts.postfix, domain)
        except Untold as error:
            trouble = str(error)
        found[domain] = route
    return found, trouble


def going_out(facts: Facts, found: Mapping[str, Route]) -> Iterator[Service]:
    """Yield the services of master.cf that connect to hosts of the world, and not merely to a relay or a filter."""
    postfix = facts.postfix
    services = [each for each in postfix.services if each.type == "unix" and each.command == "smtp"]
    direct = {route.transport for route in found.values() if not route.next_hop} & {each.name for each in services}
    inside = {route.transport for route in found.values() if route.next_hop} | _filters(postfix)
    for_all = all(route.by == "transport_maps" for route in found.values())  # which goes before relay_transport
    for service in services:
        if service.name in direct:
            yield service
        elif service.name == "smtp":
            if direct:
                yield service
        elif service.name == "relay":
            usual = postfix.value("relay_domains") and not postfix.value("relayhost")
            if direct or (usual and (not for_all or _by_itself(postfix, service, unnamed=False))):
                yield service
        elif service.name not in inside and _by_itself(postfix, service, unnamed=bool(direct)):
            yield service


def _by_itself(postfix: Postfix, service: Service, *, unnamed: bool) -> bool:
    """Whether a table has a service go out without a next hop; `unnamed` is for those that no table names."""
    if _bound_inside(postfix, service):
        return False
    try:
        rows = [row for table in _TRANSPORT_TABLES for row in postfix.lookups.values(postfix.value(table))]
    except Untold:
        return True  # some can't be read through, as those of a database
    hops = [row.partition(":")[2] for row in rows if row.partition(":")[0] == service.name]
    return not all(hops) if hops else unnamed


def _by_parameters(postfix: Postfix) -> Route:
    """Return the route of mail without tables (postconf(5): default_transport, relayhost)."""
    transport, _, next_hop = postfix.value("default_transport").partition(":")
    relayhost = "" if next_hop else postfix.value("relayhost")
    by = "relayhost" if relayhost else "default_transport"
    return Route(transport=transport or "smtp", next_hop=next_hop or relayhost, by=by)


def _by_tables(postfix: Postfix, domain: str) -> Route:
    """Return the route of mail from a domain, as trivial-rewrite(8) finds it."""
    route = _by_parameters(postfix)
    transport, next_hop, by = route.transport, route.next_hop, route.by
    given = postfix.value("default_transport").partition(":")[2]
    if said := _of_sender(postfix, _BY_SENDER, domain):
        transport, _, given = said.partition(":")
        next_hop = given or postfix.value("relayhost")
        by = "relayhost" if next_hop and not given else _BY_SENDER
    if not given and (said := _of_sender(postfix, "sender_dependent_relayhost_maps", domain)):
        next_hop, by = said, "sender_dependent_relayhost_maps"
    keys = ((f"postmaster@{_ELSEWHERE}", False), (_ELSEWHERE, True), ("*", True))
    row = _first(postfix, postfix.value("transport_maps"), keys)
    if row.strip(":"):  # else it changes nothing (transport(5))
        named, _, next_hop = row.partition(":")
        transport, by = named or transport, "transport_maps"
    return Route(transport=transport, next_hop=next_hop, by=by)


def _of_sender(postfix: Postfix, parameter: str, domain: str) -> str:
    keys = ((f"postmaster@{domain}", False), (f"@{domain}", True))
    said = _first(postfix, postfix.value(parameter), keys)
    return "" if said.upper() == "DUNNO" else said


def _first(postfix: Postfix, tables: str, keys: Iterable[tuple[str, bool]]) -> str:
    """Return the first answer to the keys, each with whether it is a part of an address; empty if there is none."""
    said = (postfix.lookups.find(tables, key, partial=partial) for key, partial in keys)
    return next((each for each in said if each), "")


def _filters(postfix: Postfix) -> set[str]:
    """Return the services that bring mail to a content filter."""
    values = (postfix.value("content_filter", service) for service in (None, *postfix.services))
    return {value.partition(":")[0] for value in values}


def _bound_inside(postfix: Postfix, service: Service) -> bool:
    """Whether a service sends from the loopback, from which nothing leaves this host."""
    bound = (postfix.value(name, service).strip("[]") for name in ("smtp_bind_address", "smtp_bind_address6"))
    return any(is_address(each) and pack(each) in LOOPBACK for each in bound)
