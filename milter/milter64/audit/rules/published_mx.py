"""What DNS says about where a domain's mail goes, and which of these hosts is this one."""

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

from milter64.audit.facts.facts import Facts
from milter64.audit.report_line import Line, ok, problem, warning
from milter64.dns.unanswered import Unanswered


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanger:
    """A host that takes a domain's mail, with its published addresses; `ours` says whether it is this one.

    `known` is false if DNS gave no answer about some of them.
    """

    name: str
    addresses: tuple[str, ...]
    ours: bool
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The exchangers of all domains, each once, and what there is to say of how they are published."""

    exchangers: tuple[Exchanger, ...]
    lines: tuple[Line, ...]

    def ours(self) -> tuple[tuple[str, str], ...]:
        """Return each address that is published for this host, with its name, once."""
        pairs = {address: each.name for each in self.exchangers if each.ours for address in each.addresses}
        return tuple((name, address) for address, name in pairs.items())


def published(facts: Facts) -> Published:
    """Ask DNS where the mail of each domain goes."""
    lines: list[Line] = []
    names: dict[str, None] = {}
    for domain in facts.domains:
        lines += _exchangers(facts, domain, names)
    exchangers: list[Exchanger] = []
    for name in names:
        lines += _addresses(facts, name, exchangers)
    if exchangers and not any(each.ours or not each.known for each in exchangers):
        lines.append(_elsewhere(facts, exchangers))
    return Published(exchangers=tuple(exchangers), lines=tuple(lines))


def _exchangers(facts: Facts, domain: str, names: dict[str, None]) -> Iterator[Line]:
    subject, see = f"MX of {domain}", f"dig +short MX {quote(domain)}"
    try:
        found = sorted(facts.dns.ask(domain, "MX").values)
    except Unanswered as error:
        yield unanswered(subject, str(error), see)
        return
    if not found:
        names[domain] = None
        yield warning(
            subject,
            "no record: senders fall back to the domain's own A and AAAA (RFC 5321 5.1)",
            see=see,
            remedy=f"publish {domain}. MX 10 {facts.name}.",
        )
    elif found in ([(0, "")], [(0, ".")]):
        yield ok(subject, "the domain takes no mail (RFC 7505)", see=see)
    else:
        names |= dict.fromkeys(name.lower() for _, name in found)
        yield ok(subject, ", ".join(f"{preference} {name}" for preference, name in found), see=see)


def _addresses(facts: Facts, name: str, exchangers: list[Exchanger]) -> Iterator[Line]:
    addresses: list[str] = []
    alias, known = "", True
    for rdtype in ("A", "AAAA"):
        see = f"dig +short {rdtype} {quote(name)}"
        try:
            answer = facts.dns.ask(name, rdtype)
        except Unanswered as error:
            known = False
            yield unanswered(f"{rdtype} of {name}", str(error), see)
        else:
            addresses += answer.values
            alias = answer.name if answer.name.lower() != name else ""
    see = f"dig +short A {quote(name)}; dig +short AAAA {quote(name)}"
    if alias:
        yield problem(
            f"addresses of {name}",
            f"it is an alias of {alias}, which an MX must not name (RFC 2181 10.3)",
            see=f"dig +short CNAME {quote(name)}",
            remedy=f"let the MX name {alias}, or give {name} its own A and AAAA",
        )
    own = name in map(str.lower, facts.names) or any(facts.place(address) for address in addresses)
    exchangers.append(Exchanger(name=name, addresses=tuple(addresses), ours=own, known=known))
    if not addresses and known:
        yield problem(
            f"addresses of {name}",
            "it has neither A nor AAAA: nobody can deliver there",
            see=see,
            remedy="publish the addresses of the host, or take the MX away",
        )
    elif not own and known:
        yield ok(f"addresses of {name}", f"another host's: {', '.join(addresses)}", see=see)


def _elsewhere(facts: Facts, exchangers: list[Exchanger]) -> Line:
    addresses = [address for each in exchangers for address in each.addresses]
    return warning(
        "MX that are this host",
        f"none: no MX is named {facts.name}, and no interface has one of their addresses",
        *addresses,
        see="ip -brief address; postconf myhostname proxy_interfaces",
        remedy="where this host takes the mail behind a NAT, name the NAT's outside in proxy_interfaces; "
        "where it only sends, all is well",
    )


def unanswered(subject: str, error: str, see: str) -> Line:
    """Say that DNS has no answer."""
    return problem(
        subject,
        f"DNS gives no answer: {error}",
        see=see,
        remedy="mend the resolver, or the zone's nameservers: others may get no answer either",
    )
