"""Postfix's restrictions that refuse clients which come through a translator, or know nothing of them.

Postfix knows such a client by its address on the wire, which has no name, is in no list, and is one of a /64 that holds
all of IPv4.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from milter64.audit.facts.access_tables import Says, ipv4_rows, says, says_of_all
from milter64.audit.facts.address_lists import covering
from milter64.audit.facts.restrictions import CLIENT, Reached, Restriction, elements, reached, rewritten
from milter64.audit.facts.smtpd_kinds import Kind
from milter64.audit.facts.smtpd_services import Case
from milter64.audit.rules.lists_moved_here import Site, asked_by_postscreen, moved
from milter64.audit.rules.postfix_settings import Setting, Trouble
from milter64.mail.clean_text import clean

_NAMED = ("reject_unknown_client_hostname", "reject_unknown_client", "reject_unknown_reverse_client_hostname")
_LIST = re.compile(r"(?:reject_rbl|permit_dnswl)_client")
_LIST_OF_NAMES = re.compile(r"(?:reject_rhsbl|permit_rhswl)_(?:reverse_)?client")
_GREYLISTS = re.compile(r"gr[ea]y|gld\b|:(?:10023|60000|2501)\b", re.IGNORECASE)
"""What the sockets of those that do are called; the ports of postgrey and sqlgrey, by their documentation."""
_CHECKS_SPF = re.compile(r"spf", re.IGNORECASE)
_UNKNOWN = "unknown"
"""The name that Postfix has for a client without one."""
_SHOWN = 3
_TRANSLATE, _WIRE = "milter64 translate", ".wire"
"""The verb that makes a cidr table one in wire form, and what such a table's name ends in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    """What is wrong with a restriction, as `shown`, and what to do: beside taking it out, if it `goes`.

    `text` is a table's, which is to be translated.
    """

    shown: str
    what: str
    breaks: bool = False
    remedy: str = ""
    goes: bool = True
    text: str = ""


def blind_restrictions(case: Case, *, dns64: bool = False) -> Iterator[Trouble]:
    """Yield each that does so, with the line that takes it, and its like beside it, out of its list.

    `dns64` says that the resolver is known to make names for the translator's addresses (RFC 6147 5.3.1).
    """
    if not (case.settings.translation.prefixes or case.settings.translation.explicit):
        return
    faults: dict[tuple[str, str], dict[Restriction, _Fault]] = {}
    values: dict[tuple[str, str], str] = {}
    for service, kind in case.smtpds:
        if kind is Kind.BACK:
            continue
        for each in reached(case.postfix, service, authenticated=kind is Kind.SUBMISSION):
            if fault := _fault(case, each, dns64=dns64):
                place = each.service.key if each.service else "", each.parameter
                values[place] = case.postfix.value(each.parameter, service)
                faults.setdefault(place, {})[each.restriction] = fault
    for place, found in faults.items():
        yield from _told(place, values[place], found)
    yield from _postscreen(case)
    yield from _limits(case)


def _told(place: tuple[str, str], value: str, found: Mapping[Restriction, _Fault]) -> Iterator[Trouble]:
    service, parameter = place
    # One line for all of a list, or each would bring back what the one before has taken out.
    changes = {each.text: _instead(each, fault) for each, fault in found.items()}
    left = rewritten(parameter, value, changes)
    line = ""
    if not any(site.zone.public != site.zone.text for each in elements(left) if (site := Site.read(each.argument))):
        tables = [
            f"{_TRANSLATE} <{quote(fault.text)} >{quote(f'{fault.text}{_WIRE}')} && "
            for fault in found.values()
            if fault.text
        ]
        line = f": {''.join(tables)}{Setting(service=service, name=parameter, value=left).at_once}"
    if line and len(found) > 1:
        line = f"; one line for all that is said of {parameter}{line}"
    for restriction, fault in found.items():
        change = f"have a table in wire form beside it{line}" if fault.text else f"take it out of {parameter}{line}"
        remedies = [fault.remedy, "" if changes[restriction.text] == (restriction.text,) else change]
        warns = "warned of, " if restriction.warns else ""
        yield Trouble(
            where=f"{service} {parameter}".strip(),
            what=clean(f"{warns}{fault.shown}: {fault.what}"),
            remedy="; ".join(filter(None, remedies)),
            breaks=fault.breaks and not restriction.warns,
        )


def _instead(restriction: Restriction, fault: _Fault) -> Sequence[str]:
    """Return what is to stand in a restriction's place."""
    if fault.goes:
        return ()
    wire = restriction.text.replace(fault.text, f"{fault.text}{_WIRE}") if fault.text else ""
    return tuple(filter(None, (restriction.text, wire)))


def _fault(case: Case, each: Reached, *, dns64: bool) -> _Fault | None:
    name, argument = each.restriction.name, each.restriction.argument
    value = case.postfix.value(each.parameter, each.service)
    if name in _NAMED:
        return _nameless(name, dns64=dns64)
    if name == "check_policy_service":
        return _policy_service(argument)
    if name in ("check_client_access", "check_reverse_client_hostname_access"):
        return _table(case, argument, value, by_address=name == "check_client_access")
    if each.by == CLIENT and re.match(r"[\w-]+:", each.restriction.text):  # as it was written before Postfix 2.0
        return _table(case, each.restriction.text, value, by_address=True)
    return _list(case, name, argument)


def _nameless(name: str, *, dns64: bool) -> _Fault | None:
    if not dns64:
        what = "it refuses all of IPv4, which has no names on the wire but those that a DNS64 may make"
        return _Fault(shown=name, what=what, breaks=True)
    if "reverse" in name:
        return None
    what = "it refuses IPv4 clients that have IPv6 too, whose names lead back there alone by the DNS64"
    return _Fault(shown=name, what=what)


def _list(case: Case, name: str, zone: str) -> _Fault | None:
    accepts = name.startswith("permit")
    if _LIST.fullmatch(name) and (site := Site.read(zone, accepts=accepts)):
        what = "it asks about the IPv6 form of IPv4 clients, of whom it lists none"
        return _Fault(shown=f"{name} {site.zone.public}", what=what, remedy=moved(case, [site]))
    if _LIST_OF_NAMES.fullmatch(name) and (site := Site.read(zone, accepts=accepts, about="name")):
        what = "it asks about names, of which IPv4 clients have none on the wire"
        return _Fault(shown=f"{name} {site.zone.public}", what=what, remedy=moved(case, [site]))
    return None


def _policy_service(socket: str) -> _Fault | None:
    if _CHECKS_SPF.search(socket):
        return _Fault(
            shown=socket, what="it checks SPF for the address on the wire, which fails honest senders", breaks=True
        )
    if _GREYLISTS.search(socket):
        return _Fault(shown=socket, what="it takes all of IPv4 for one client, whose /64 it greylists")
    return None


def _table(case: Case, table: str, value: str, *, by_address: bool) -> _Fault | None:
    lookups = case.postfix.lookups
    if says(lookups, table, _UNKNOWN) is Says.REFUSED:
        return _Fault(
            shown=table, what=f"it refuses clients without a name, {_UNKNOWN}, and so all of IPv4", breaks=True
        )
    if not by_address:
        return None
    if any(says_of_all(lookups, table, each) is Says.REFUSED for each in case.settings.translation.prefixes):
        return _Fault(shown=table, what="it refuses a translator's prefix, and so all of IPv4", breaks=True)
    return _rows(table, value)


def _rows(table: str, value: str) -> _Fault | None:
    """Return what is wrong with the IPv4 rows of a table, unless it has one in wire form beside it in the list."""
    rows = ipv4_rows(table)
    if not rows or f"{table}{_WIRE}" in value:
        return None
    what = f"its {len(rows)} IPv4 rows match nobody who comes through a translator"
    kind, _, path = table.partition(":")
    if kind == "cidr":
        return _Fault(shown=table, what=what, text=path, goes=False)
    verbs = {Says.REFUSED: "milter64 block", Says.PERMITTED: "milter64 allow", Says.NOTHING: _TRANSLATE}
    lines = [f"{verbs[said]} {network}" for network, said in rows[:_SHOWN]]
    remedy = f"have milter64 do it, or write them in wire form, and take these out, row by row: {'; '.join(lines)}"
    return _Fault(shown=table, what=what, remedy=f"{remedy} ..." if len(rows) > _SHOWN else remedy, goes=False)


def _postscreen(case: Case) -> Iterator[Trouble]:
    if sites := asked_by_postscreen(case.postfix):
        empty = Setting(name="postscreen_dnsbl_sites", value="").at_once
        yield Trouble(
            where="postscreen_dnsbl_sites",
            what="it asks about the IPv6 form of IPv4 clients, of whom no list has any: "
            f"{', '.join(site.zone.public for site in sites)}",
            remedy="; ".join(filter(None, [moved(case, sites), f"take them out: {empty}"])),
            breaks=False,
        )


_LENGTH = "smtpd_client_ipv6_prefix_length"
_COUNT = "smtpd_client_connection_count_limit"
_RATES = tuple(
    f"smtpd_client_{of}_rate_limit" for of in ("connection", "message", "recipient", "new_tls_session", "auth")
)


def _limits(case: Case) -> Iterator[Trouble]:
    """Yield that Postfix's limits, since 3.8, count all of IPv4 as one client."""
    for service in case.fronts:
        length = case.postfix.value(_LENGTH, service)
        spared = case.postfix.value("smtpd_client_event_limit_exceptions", service)
        wide = [
            each
            for each in case.settings.translation.prefixes
            if length.isdecimal() and int(length) < each.full and not covering(spared, each, case.postfix.lookups)
        ]
        limits = {name: case.postfix.value(name, service) for name in (*_RATES, _COUNT)}
        used = [name for name, value in limits.items() if value.isdecimal() and int(value)]
        if wide and used:
            own = service.key if _LENGTH in service.overrides else ""
            yield Trouble(
                where=f"{own} {_LENGTH}".strip(),
                what=f"with {length}, all of {wide[0].text} is one client to {', '.join(used)}",
                remedy=f"count each address: {Setting(service=own, name=_LENGTH, value='128').at_once}",
                breaks=used != [_COUNT],
            )
