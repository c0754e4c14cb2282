"""How the world reaches this host: what is published, and whether it is true."""

import re
from collections.abc import Iterator
from shlex import quote

from milter64.address.networks import PRIVATE, Networks, pack
from milter64.audit.facts.connection_attempts import Unreached
from milter64.audit.facts.facts import Facts
from milter64.audit.facts.host import IPV4, IPV6, SMTP_PORT, Listener, family
from milter64.audit.report_line import Line, ok, problem, warning
from milter64.audit.rules.ptr_names import reverse
from milter64.audit.rules.published_mx import Published

_GREETING = re.compile(r"220(?:[ -](\S*).*)?")
_ANY = {"*": (IPV4, IPV6), "0.0.0.0": (IPV4,), "::": (IPV6,)}  # noqa: S104  they are read, nothing is bound to them


def inbound(facts: Facts, found: Published) -> Iterator[Line]:
    """Yield the lines on what is published, each published address, the routes, and what listens."""
    yield from _instances(facts)
    yield from found.lines
    for name, address in found.ours():
        yield (owned := _owner(facts, name, address))
        if owned.remedy:
            continue
        yield from _port_25(facts, name, address)
        yield reverse(facts, address, grave=False)
    for each in (IPV4, IPV6):
        yield _route(facts, each, [address for _, address in found.ours() if family(address) == each])
    yield _exposed(facts)


def _instances(facts: Facts) -> Iterator[Line]:
    """Tell which Postfixes of this host are looked at, where there are several, and which services don't run."""
    if facts.more or facts.idle:
        judged = ", ".join(each.name for each in (facts.postfix, *facts.more))
        yield ok("Postfix instances", f"looked at: {judged}", *facts.idle, see="postmulti -l")
    for each in (facts.postfix, *facts.more):
        if each.disabled:
            off = f"master_service_disable = {each.value('master_service_disable')}"
            reason = f"not started, and not judged: {', '.join(each.disabled)}"
            yield ok(f"services of {each.name}", reason, off, see="postconf master_service_disable")


def _owner(facts: Facts, name: str, address: str) -> Line:
    """Judge whether a published address is this host's."""
    rdtype = "AAAA" if family(address) == IPV6 else "A"
    subject, record, see = f"{rdtype} of {name}", f"{name}. {rdtype} {address}", f"ip address show to {address}"
    place, held = facts.place(address), facts.host.address(address)
    if pack(address) in PRIVATE:
        return problem(
            subject,
            f"{address} is of private use, and leads nowhere from outside",
            record,
            see=f"dig +short {rdtype} {quote(name)}",
            remedy="publish the address that the world reaches",
        )
    if not place:
        return problem(
            subject,
            f"{address} is published, and no interface here has it",
            record,
            see=see,
            remedy=f"take the {rdtype} record away, or give the host the address; "
            "if it is a NAT's outside, name it in Postfix's proxy_interfaces",
        )
    if held and not held.flags.isdisjoint({"tentative", "dadfailed"}):
        return problem(
            subject,
            f"{held.interface} may not use {address}: another host has it too, or that is still being asked",
            record,
            see=see,
            remedy="take the address from the other host, and set the interface up again",
        )
    if held and not held.stays:
        return warning(
            subject,
            f"{address} will go: it is {' and '.join(sorted(held.flags & {'temporary', 'deprecated'}))}",
            record,
            see=see,
            remedy="publish an address that stays",
        )
    return ok(subject, f"{address}: {place}", record, see=see)


def _port_25(facts: Facts, name: str, address: str) -> Iterator[Line]:
    subject, see = f"port 25 of {address}", f"nc {address} 25"
    try:
        said = facts.doors.greeting(address)
    except Unreached as error:
        if facts.host.address(address):
            settings = ("inet_interfaces", "inet_protocols")
            listens = any(each.port == SMTP_PORT for each in facts.host.listeners)
            yield problem(
                subject,
                f"nobody answers: {error}",
                *(f"{each} = {facts.postfix.value(each)}" for each in settings),
                see=see if listens else "postfix status; ss -tln sport = :25",
                remedy="let Postfix listen on it (inet_interfaces, inet_protocols, and smtp inet in master.cf)"
                if listens
                else "nothing here listens on port 25: start Postfix (postfix start), with smtp inet in master.cf",
            )
        else:
            yield warning(
                subject,
                f"nobody answers from here: {error}; a NAT need not lead back inside",
                see=see,
                remedy="try it from outside",
            )
        return
    greeting = _GREETING.fullmatch(said)
    if not greeting:
        yield problem(subject, "it refuses everybody", said, see=see, remedy="look into the mail log")
        return
    yield ok(subject, f"answers {said}", see=see)
    greeted = (greeting[1] or "").lower()
    if greeted not in (name, *map(str.lower, facts.names)):
        yield warning(
            f"name on port 25 of {address}",
            f"it calls itself {greeted or 'nothing'}, and the MX is {name}",
            said,
            see=see,
            remedy=f"is another server on this address? Else begin smtpd_banner with $myhostname, {facts.name}",
        )


def _route(facts: Facts, name: str, addresses: list[str]) -> Line:
    subject, see = f"{name} default route", f"ip {'-6' if name == IPV6 else '-4'} route show default"
    route = facts.host.default_route(name)
    if route:
        way = f"via {route.gateway} " if route.gateway else ""
        return ok(subject, f"{way}on {route.interface}", see=see)
    if name in facts.host.sources:
        return ok(subject, f"none in the main table, and yet {facts.host.sources[name]} has a way out", see=see)
    here = [address for address in addresses if facts.host.address(address)]
    if here or (addresses and name == IPV6):
        return problem(
            subject,
            f"none: whoever calls {addresses[0]} gets no answer",
            *addresses,
            see=see,
            remedy=f"add the route, or take the {'AAAA' if name == IPV6 else 'A'} record away",
        )
    return ok(subject, f"none, and no {name} address of this host is published", see=see)


def _exposed(facts: Facts) -> Line:
    """Say which ports only IPv6 opens to the world, as where a NAT keeps IPv4 out."""
    subject, see = "ports open to IPv6 alone", "ss -tlnp"
    public = {
        each: {a.address for a in facts.host.addresses if a.public and family(a.address) == each} for each in _ALL
    }
    opened = {each: {s.port: s for s in facts.host.listeners if _opens(s, each, public[each])} for each in _ALL}
    only = [opened[IPV6][port] for port in sorted(opened[IPV6].keys() - opened[IPV4].keys() - {SMTP_PORT})]
    if not only:
        return ok(subject, "none" if public[IPV6] else "none: the host has no public IPv6 address", see=see)
    texts = [f"{each.port} {each.program}".strip() for each in only]
    four = [each.address for each in facts.host.addresses if family(each.address) == IPV4 and each.scope == "global"]
    if all(pack(each) in _CLAT for each in four):
        return ok(subject, f"{', '.join(texts)}: the host has no IPv4", see=see)
    if not public[IPV4]:
        return _behind_nat(only, subject, see)
    return warning(
        subject,
        f"{', '.join(texts)}: over IPv4 they are not reached, over IPv6 by everybody",
        *(f"{each.address} port {each.port}" for each in only),
        see=see,
        remedy="bind them to ::1, or close them in the firewall for IPv6 too",
    )


def _behind_nat(only: list[Listener], subject: str, see: str) -> Line:
    """Judge ports of a host whose IPv4 comes by a NAT, which may lead to them or not: that can't be seen from here."""
    inside = [each for each in only if each.port not in _FOR_ALL]
    texts = [f"{each.port} {each.program}".strip() for each in inside or only]
    if not inside:
        return ok(subject, f"{', '.join(texts)}: the NAT before IPv4 may lead to them too", see=see)
    return warning(
        subject,
        f"{', '.join(texts)}: over IPv6 by everybody, over IPv4 only where a NAT leads to them",
        *(f"{each.address} port {each.port}" for each in inside),
        see=see,
        remedy="bind them to ::1, or close them in the firewall for IPv6 too, unless they are for everybody",
    )


_CLAT = Networks(("192.0.0.0/29",))
"""What a host has on its own side of 464XLAT: nobody calls it by that (RFC 7335)."""
_FOR_ALL = frozenset({22, 53, 80, 110, 143, 443, 465, 587, 993, 995, 4190})
"""Ports that mail hosts open to the world on purpose: a shell, DNS, web, submission, mailboxes, and ManageSieve."""
_ALL = (IPV4, IPV6)


def _opens(listener: Listener, name: str, public: set[str]) -> bool:
    """Whether a socket can be reached from the Internet over a family, as far as addresses go."""
    return bool(public) and (name in _ANY.get(listener.address, ()) or listener.address in public)
