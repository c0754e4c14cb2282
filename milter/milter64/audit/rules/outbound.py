"""How this host reaches the world: what it sends from, and what the world will hold against that."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from shlex import quote

from milter64.address.networks import PRIVATE, pack
from milter64.audit.facts.facts import Facts
from milter64.audit.facts.host import IPV4, IPV6, family
from milter64.audit.facts.mail_routes import TABLES, Route, going_out, routes
from milter64.audit.facts.smtp_clients import BINDS, Sender, Source, by_kernel, senders
from milter64.audit.report_line import Level, Line, ok, problem, warning
from milter64.audit.rules.address_family_choice import strategy
from milter64.audit.rules.ptr_names import reverse
from milter64.audit.rules.published_mx import Published
from milter64.checks import helo_name, spf
from milter64.mail.finding import Finding


def outbound(facts: Facts, found: Published) -> Iterator[Line]:
    """Yield the lines on each source address, on what the world thinks of it, and on which family is used when."""
    found_routes, trouble = routes(facts)
    yield from _relays(facts, found_routes, trouble)
    own = tuple(domain for domain, route in found_routes.items() if domain and not route.next_hop)
    services = list(going_out(facts, found_routes))
    if facts.postfix.services and not services:
        return
    facts = replace(facts, domains=own or facts.domains)
    half = any(family(address) == IPV6 for _, address in found.ours()) or any(
        family(each.address) == IPV6 and each.scope == "global" for each in facts.host.addresses
    )
    seen: dict[tuple[str, ...], _Standing] = {}
    for sender in senders(facts, services):
        faults: dict[str, tuple[str, ...]] = {}
        for source in sender.sources:
            key: tuple[str, ...] = (source.family, source.address, sender.helo)
            if key not in seen:
                seen[key] = _standing(facts, sender, source)
                yield from seen[key].lines
            if seen[key].usable:
                faults[source.family] = seen[key].faults
        if facts.translators.prefixes and IPV6 in faults:
            if (key := (sender.helo,)) not in seen:
                seen[key] = _Standing(usable=True, lines=tuple(_by_translator(facts, sender)))
                yield from seen[key].lines
            faults[IPV4] = (*faults.get(IPV4, ()), *seen[key].faults)
        yield strategy(sender, faults, half=half, dns64=facts.translators.trouble)


def _relays(facts: Facts, found: Mapping[str, Route], trouble: str) -> Iterator[Line]:
    """Tell of mail that goes out by another host, or not at all."""
    if trouble:
        yield warning(
            "routes",
            f"a table can't be asked, and is taken for empty: {trouble}",
            see=f"postconf {' '.join(TABLES)}",
            remedy="mend that, or audit as a user who may read it",
        )
    smtp = {each.name for each in facts.postfix.services if each.command == "smtp"}
    for route in dict.fromkeys(found.values()):
        domains = [domain for domain, each in found.items() if each == route]
        whose = "all mail" if len(domains) == len(found) else f"mail from {', '.join(domains)}"
        if route.next_hop and route.transport in smtp:
            said = f"{whose} goes out by {route.next_hop}, whose addresses the world sees, and not this host's"
            yield ok(route.by, said, see=f"postconf {route.by}")
        elif smtp and route.transport not in smtp:
            yield ok(route.by, f"{whose} to elsewhere is left to {route.transport}", see=f"postconf {route.by}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """What there is to say about a source; `usable` if anything can be sent from it at all."""

    usable: bool
    lines: tuple[Line, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """What the world holds against it."""
        return tuple(line.subject for line in self.lines if line.level is Level.PROBLEM)


def _standing(facts: Facts, sender: Sender, source: Source) -> _Standing:
    subject = f"{source.family} source of {sender.names}"
    if source.family not in facts.host.sources and not facts.host.default_route(source.family):
        return _Standing(usable=False, lines=())
    lines = []
    if source.bound and not facts.host.address(source.address):
        lines.append(_not_here(source, subject))
        source = by_kernel(facts, source.family)  # Postfix warns, and goes on unbound
        subject = f"{subject}, in fact"
    if not source.address:
        return _Standing(usable=False, lines=tuple(lines))
    lines.append(_choice(facts, source, subject, f"{source.address}, by {source.by}"))
    outside = [source.address]
    if pack(source.address) in PRIVATE:
        outside = [each for each in facts.outside() if family(each) == source.family]
        if not outside:
            lines.append(_behind_nat(source))
    for address in outside:
        lines += _seen_from_outside(facts, sender, address)
    return _Standing(usable=True, lines=tuple(lines))


def _not_here(source: Source, subject: str) -> Line:
    return problem(
        subject,
        f"{source.address}, by {source.by}, and no interface has it: Postfix sends from another address, or not at all",
        see=source.see,
        remedy=f"set {BINDS[source.family]} to an address of this host",
    )


def _choice(facts: Facts, source: Source, subject: str, reason: str) -> Line:
    """Judge who chose an address of this host."""
    alike = [each for each in facts.host.addresses if each.public and family(each.address) == source.family]
    held = facts.host.address(source.address)
    parameter = BINDS[source.family]
    stays = [each.address for each in alike if each.stays]
    pin = f"{parameter} = {stays[0] if stays else 'an address that stays'}"
    if held and not held.stays:
        return problem(
            subject,
            f"{reason}: it is {' and '.join(sorted(held.flags & _GOING))}, and no PTR and SPF can keep up with it",
            *(each.address for each in alike),
            see=source.see,
            remedy=f"set {pin}",
        )
    if not source.bound and len(alike) > 1:
        return warning(
            subject,
            f"{reason}; there are {len(alike)}, and the next start or route may choose another",
            *(each.address for each in alike),
            see=source.see,
            remedy=f"set {pin.replace(stays[0], source.address) if stays else pin}",
        )
    return ok(subject, reason, see=source.see)


_GOING = {"temporary", "deprecated", "tentative", "dadfailed"}


def _behind_nat(source: Source) -> Line:
    make = warning if source.family == IPV4 else problem
    return make(
        f"{source.family} outside",
        f"{source.address} is of private use, and nothing says what the world sees instead",
        see="postconf proxy_interfaces",
        remedy="name the NAT's outside in proxy_interfaces, and audit again"
        + ("" if source.family == IPV4 else "; IPv6 wants an address of its own, not a NAT"),
    )


def _by_translator(facts: Facts, sender: Sender) -> Iterator[Line]:
    subject, see = f"{IPV4} by NAT64", "dig +short AAAA ipv4only.arpa"
    prefixes = ", ".join(facts.translators.prefixes)
    mapped = [facts.mapped(source.address) for source in sender.sources if source.family == IPV6]
    outside = [each for each in mapped if each] or [each for each in facts.outside() if family(each) == IPV4]
    if not outside:
        yield warning(
            subject,
            f"hosts with IPv4 alone see the translator of {prefixes}, and nothing says what its address is",
            see=see,
            remedy="name the translator's outside in proxy_interfaces, and audit again",
        )
        return
    yield ok(subject, f"by {prefixes}; hosts with IPv4 alone see {', '.join(outside)}", see=see)
    for address in outside:
        yield from _seen_from_outside(facts, sender, address)


def _seen_from_outside(facts: Facts, sender: Sender, address: str) -> Iterator[Line]:
    """Judge an address as those do who get mail from it."""
    yield reverse(facts, address, grave=True)
    yield _ehlo(facts, sender, address)
    if _is_full(sender.helo):
        finding = facts.dns.find(spf.helo, facts.envelope(address, sender.helo))
        yield _spf(f"SPF of EHLO {sender.helo} from {address}", finding, address, sender.helo)
    for domain in facts.domains:
        envelope = facts.envelope(address, sender.helo, f"postmaster@{domain}")
        finding = facts.dns.find(spf.mailfrom, envelope)
        yield _spf(f"SPF of {domain} from {address}", finding, address, domain)


def _ehlo(facts: Facts, sender: Sender, address: str) -> Line:
    rdtype = "AAAA" if family(address) == IPV6 else "A"
    subject, see = f"EHLO name from {address}", f"dig +short {rdtype} {quote(sender.helo)}"
    evidence = f"smtp_helo_name = {sender.helo}"
    if not _is_full(sender.helo):
        remedy = "set myhostname, or smtp_helo_name, to the host's full name, such as mx.example.org"
        return problem(
            subject, f"{sender.helo} is no full name", evidence, see="postconf smtp_helo_name", remedy=remedy
        )
    finding = facts.dns.find(helo_name.forward, facts.envelope(address, sender.helo))
    if finding.result == "pass":
        return ok(subject, finding.reason, see=see)
    if finding.result == "fail":
        reason = finding.reason
        remedy = f"publish {sender.helo}. {rdtype} {address}, or set smtp_helo_name to the name that the PTR gives"
    else:
        reason, remedy = f"DNS gives no answer: {finding.reason}", f"mend the resolver, or the zone of {sender.helo}"
    return problem(subject, reason, evidence, see=see, remedy=remedy)


def _is_full(name: str) -> bool:
    return "." in name.strip(".")


def _spf(subject: str, finding: Finding, address: str, domain: str) -> Line:
    see, term = f"dig +short TXT {quote(domain)}", f"ip{'6' if family(address) == IPV6 else '4'}:{address}"
    if finding.result == "pass":
        return ok(subject, f"pass: {finding.reason}", see=see)
    record = finding.fact("record")
    evidence = [f"{finding.fact('mechanism')} in the record of {record}"] if record else []
    ehlo = subject.startswith("SPF of EHLO")
    if finding.result in ("none", "neutral"):
        # Big receivers refuse what comes over IPv6 with neither SPF nor DKIM, which can't be seen from here.
        make = problem if family(address) == IPV6 and not ehlo else warning
        said = f' "v=spf1 {term} -all"' if finding.result == "none" else f" with {term} in it"
        return make(
            subject, f"{finding.result}: {finding.reason}", *evidence, see=see, remedy=f"publish {domain}. TXT{said}"
        )
    if finding.result == "temperror":
        reason, remedy = f"DNS gives no answer: {finding.reason}", "mend the nameservers of what the record names"
    else:
        reason = f"{finding.result}: {finding.reason}"
        remedy = f"mend the record of {domain}" if finding.result == "permerror" else f"add {term} to that of {domain}"
    return problem(subject, reason, *evidence, see=see, remedy=remedy)
