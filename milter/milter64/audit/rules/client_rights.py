"""Rights that go by the address on the wire: who has them through a translator, and who lacks them here.

A translator's prefix in mynetworks lets all of IPv4 relay; and hosts that Postfix trusts are strangers to milter64,
unless they are in [trust] too.
"""

from collections.abc import Iterable, Iterator, Sequence

from milter64.address.networks import PRIVATE, Networks, pack, parse_network
from milter64.audit.facts.access_tables import Says, says_of_all
from milter64.audit.facts.address_lists import covering, patterns, without
from milter64.audit.facts.host import IPV4, family
from milter64.audit.facts.postconf import Service
from milter64.audit.facts.restrictions import (
    LISTS,
    RELAYING,
    Restriction,
    for_mynetworks,
    reached,
    relays,
    rewritten,
)
from milter64.audit.facts.smtpd_kinds import LOOPBACK, Kind, listens
from milter64.audit.facts.smtpd_services import MILTERS, Case, without_milters
from milter64.audit.rules.postfix_settings import Setting, Trouble
from milter64.config.toml_reader import show
from milter64.mail.clean_text import clean

_MYNETWORKS = "mynetworks"
_ITSELF = "127.0.0.0/8 [::1]/128"
"""What mynetworks is to have where nothing is left of it."""
_NONE_CALLS = Networks(("127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/29"))
"""Addresses that nobody calls from elsewhere; the last is a 464XLAT host's own (RFC 7335)."""
_CLAIMS = {
    "smtpd_authorized_xclient_hosts": "may say that it is any other client, and relay as that (XCLIENT)",
    "smtpd_authorized_xforward_hosts": "may say what the log and the filters behind Postfix take for the client",
}


def by_ipv4(addresses: Iterable[str]) -> bool:
    """Whether a host with these addresses, if any are known, can have clients that come by IPv4: by CLAT none do."""
    known = list(addresses)
    return not known or any(family(each) == IPV4 and pack(each) not in _NONE_CALLS for each in known)


def client_rights(case: Case, *, ipv4: bool = True) -> Iterator[Trouble]:
    """Yield what is wrong with who has which rights, once each; `ipv4` says whether any client comes by IPv4."""
    yield from dict.fromkeys(_client_rights(case, ipv4=ipv4))


def _client_rights(case: Case, *, ipv4: bool) -> Iterator[Trouble]:
    services = [service for service, kind in case.smtpds if kind is not Kind.BACK]
    open_wide = set[str]()
    for service in services:
        for trouble in _relaying(case, service):
            open_wide.add(trouble.where)
            yield trouble
        yield from _permitted_by_table(case, service)
        for name, right in _CLAIMS.items():
            if texts := _covering(case, name, service):
                yield _held(case, name, service, texts, f"all of IPv4 {right}")
    yield from _postscreen(case)
    yield from _never(case, ipv4=ipv4)
    if not open_wide:
        yield from _strangers(case, ipv4=ipv4)
    for service, kind in case.smtpds:
        if kind is Kind.OTHER and not _for_itself(case, service) and any(map(case.mine, case.listed(service))):
            others = ", ".join(each.text for each in case.listed(service) if not case.mine(each))
            off = Setting(service=service.key, name=MILTERS, value=others).at_once
            yield Trouble(
                where=service.key,
                what="it asks milter64 too, which takes who sends here for a stranger",
                remedy=f"if only hosts of yours do: {off}",
                breaks=False,
            )


def _for_itself(case: Case, service: Service) -> bool:
    """Whether an smtpd asks no milters, or has no clients but this host, which is trusted."""
    found = listens(case.postfix, service)
    return without_milters(case.postfix, service) or (bool(found) and all(pack(each) in LOOPBACK for each in found))


def _relaying(case: Case, service: Service) -> Iterator[Trouble]:
    """Yield that mynetworks holds a translator's prefix, where that gives a right."""
    texts = _covering(case, _MYNETWORKS, service)
    if not texts:
        return
    if relays(case.postfix, service, for_mynetworks):
        yield _held(case, _MYNETWORKS, service, texts, "all of IPv4 may relay through this server (permit_mynetworks)")
        return
    by = {each.by for each in reached(case.postfix, service) if each.restriction.name == "permit_mynetworks"}
    if by:
        what = f"all of IPv4 passes by what {', '.join(name for name in LISTS if name in by)} would refuse"
        yield _held(case, _MYNETWORKS, service, texts, what)


def _permitted_by_table(case: Case, service: Service) -> Iterator[Trouble]:
    """Yield the access tables that let all of IPv4 relay."""

    def permits(restriction: Restriction) -> bool:
        return restriction.name == "check_client_access" and any(
            says_of_all(case.postfix.lookups, restriction.argument, prefix) is Says.PERMITTED
            for prefix in case.settings.translation.prefixes
        )

    if not relays(case.postfix, service, permits):
        return
    for each in reached(case.postfix, service):
        if each.by in RELAYING and permits(each.restriction):
            own = each.service.key if each.service else ""
            left = rewritten(each.parameter, case.postfix.value(each.parameter, service), {each.restriction.text: ()})
            yield Trouble(
                where=f"{own} {each.parameter}".strip(),
                what=clean(f"{each.restriction.text} has all of IPv4 relay: a translator's prefix is OK there"),
                remedy="take it out of that table, or until then the table out: "
                f"{Setting(service=own, name=each.parameter, value=left).at_once}",
            )


def _covering(case: Case, name: str, service: Service | None) -> list[str]:
    """Return the elements of a list by which all of IPv4 is in it."""
    found = [
        each.text
        for prefix in case.settings.translation.prefixes
        for each in covering(case.postfix.value(name, service), prefix, case.postfix.lookups)
    ]
    return list(dict.fromkeys(found))


def _held(case: Case, name: str, service: Service, texts: Sequence[str], what: str) -> Trouble:
    """Say that a list holds a translator's prefix; a remedy is to take out what does."""
    own = service.key if service.own(name) else ""
    left = without(case.postfix.value(name, service), texts) or (_ITSELF if name == _MYNETWORKS else "")
    return Trouble(
        where=f"{own} {name}".strip(),
        what=clean(f"{', '.join(texts)} is or holds a translator's prefix: {what}"),
        remedy=f"take it out, and name hosts of yours one by one: "
        f"{Setting(service=own, name=name, value=left).at_once}",
    )


def _postscreen(case: Case) -> Iterator[Trouble]:
    """Yield that postscreen lets all of IPv4 by."""
    running = any(each.command == "postscreen" for each in case.postfix.services)
    first = case.postfix.value("postscreen_access_list").replace(",", " ").split()
    if running and "permit_mynetworks" in first and (texts := _covering(case, _MYNETWORKS, None)):
        left = without(case.postfix.value(_MYNETWORKS), texts) or _ITSELF
        yield Trouble(
            where="postscreen_access_list",
            what=clean(f"permit_mynetworks lets all of IPv4 by, for {', '.join(texts)} in mynetworks"),
            remedy=f"take it out of mynetworks: {Setting(name=_MYNETWORKS, value=left).at_once}",
            breaks=False,
        )


def _never(case: Case, *, ipv4: bool) -> Iterator[Trouble]:
    """Yield the IPv4 networks of [trust] of which no client ever comes by IPv4."""
    families = {family for service in case.fronts for family in case.postfix.families(service)}
    if not families or (ipv4 and IPV4 in families):
        return
    trust = case.settings.trust
    for key, networks in (("networks", trust.networks), ("relays", trust.relays)):
        texts = list(networks)
        never = [text for text in texts if ":" not in text and pack(text.partition("/")[0]) not in LOOPBACK]
        if not never:
            continue
        forms = {
            text: [form for prefix in case.settings.translation.prefixes if (form := prefix.wire_form(text))]
            for text in never
        }
        kept = [form for text in texts for form in forms.get(text, [text])]
        yield Trouble(
            where=f"trust.{key}",
            what=f"{', '.join(never)} never matches: trust goes by the address on the wire, which is IPv6 here",
            remedy=f"write them as they come through the translator: [trust] {key} = {show(kept)}",
            breaks=False,
        )


def _strangers(case: Case, *, ipv4: bool) -> Iterator[Trouble]:
    """Yield the hosts that Postfix trusts, and milter64 would judge by their public addresses."""
    fronts = [service for service in case.fronts if relays(case.postfix, service, for_mynetworks)]
    networks = {each: None for service in fronts for each in _public(case, service, ipv4=ipv4)}
    if networks:
        trusted = show([*case.settings.trust.networks, *networks])
        yield Trouble(
            where=_MYNETWORKS,
            what=f"hosts of {', '.join(networks)} may relay, and milter64 judges them as strangers: "
            "your own domain's -all refuses them",
            remedy=f"if they send by port 25, have them trusted: [trust] networks = {trusted}",
            breaks=False,
        )


def _public(case: Case, service: Service, *, ipv4: bool) -> Iterator[str]:
    """Yield the public networks of mynetworks that are not in [trust], but for this host's own addresses."""
    trusted = [parse_network(text) for text in (*case.settings.trust.networks, *case.settings.trust.relays)]
    comes = ipv4 and IPV4 in case.postfix.families(service)
    excluded = list[str]()
    for each in patterns(case.postfix.value(_MYNETWORKS, service)):
        excluded += [each.network] if each.network and each.excludes else []
        if not each.network or each.excludes or (":" not in each.network and not comes):
            continue
        if any(prefix.covered_by(each.network) for prefix in case.settings.translation.prefixes):
            continue
        network, address = parse_network(each.network), each.network.partition("/")[0]
        alone = network.size == 1
        client = case.settings.translator().client(address)
        if client.private or pack(address) in PRIVATE or (alone and case.postfix.lookups.here(address)):
            continue
        if not any(network in other for other in (*trusted, *map(parse_network, excluded))):
            yield address if alone else each.network
