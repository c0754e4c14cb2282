"""milter64 itself: who asks it, whom it asks, and what it takes for translated."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

from milter64.address.client import Origin
from milter64.address.networks import Networks, pack, parse_network
from milter64.audit.facts.connection_attempts import Barred, Unreached
from milter64.audit.facts.facts import Facts, shown
from milter64.audit.facts.host import IPV6, Route, family
from milter64.audit.facts.smtpd_services import Case
from milter64.audit.report_line import Line, ok, problem, warning
from milter64.audit.rules import postfix_settings
from milter64.audit.rules.published_mx import Published
from milter64.dns.nameserver import nameserver

_BEGINNING = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""No clock that is right shows less: milter64 is younger."""
_EVERY = {"0.0.0.0", "::"}  # noqa: S104  they are read, nothing is bound to them
_SHORT = 96
_SHOWN = 5
"""Addresses that are shown of many."""
_LOOPBACK = Networks(("127.0.0.0/8", "::1"))
_ASK_7050 = "dig +short AAAA ipv4only.arpa"


def service(facts: Facts, _found: Published) -> Iterator[Line]:
    """Yield the lines on Postfix's way to milter64, on its resolver, the clock, and the translation prefixes."""
    yield from _milters(facts)
    yield _socket(facts)
    yield _resolver(facts)
    yield from _dns64(facts)
    yield from _undecoded(facts)
    yield _clock(facts)
    yield from _prefixes(facts)


def _milters(facts: Facts) -> Iterator[Line]:
    """Tell what `advice` has against how Postfix asks, and of each smtpd of port 25 that is as it should be."""
    if not facts.postfix.services:
        return
    found = postfix_settings.check(facts.postfix, facts.settings)
    for trouble in found:
        make = problem if trouble.breaks else warning
        place = trouble.where.partition(" ")[0]
        see = f"postconf -M {place}; postconf -P '{place}/*'" if "/" in place else "milter64 postfix"
        yield make(
            f"milters: {trouble.where}", trouble.what, see=see, remedy=f"{trouble.remedy}; milter64 postfix prints how"
        )
    by_path = isinstance(facts.settings.milter.socket.address, str)
    faulty = {trouble.where.partition(" ")[0] for trouble in found}
    for front in Case(facts.postfix, facts.settings).fronts:
        if front.key not in faulty:
            sees = "the chroot sees its socket" if front.chroot else "there is no chroot"
            reason = f"milter64 is first; {sees}" if by_path else "milter64 is first"
            action = f"milter_default_action = {facts.postfix.value('milter_default_action', front)}"
            yield ok(f"milters: {front.key}", reason, action, see=shown(front, "smtpd_milters"))


def _socket(facts: Facts) -> Line:
    """Judge whether milter64 answers, to Postfix's user too, and not to everybody."""
    endpoint = facts.settings.milter.socket
    subject = "milter64's socket"
    path = endpoint.address if isinstance(endpoint.address, str) else ""
    door = Case(facts.postfix, facts.settings).door
    see = f"ls -l {path}" if path else f"ss -tlnp sport = :{endpoint.address[1]}"
    user = facts.postfix.value("mail_owner") or "postfix"
    try:
        facts.doors.milter(door)
    except Barred as error:
        return warning(subject, f"whether it answers on {door} isn't known: {error}", see=see, remedy="audit as root")
    except Unreached as error:
        remedy = "start it with the settings that it has now: systemctl restart milter64"
        return problem(subject, f"nobody answers on {door}: {error}", see=see, remedy=remedy)
    if path and (barrier := facts.doors.barrier(Path(path), user)):
        return problem(
            subject, f"{barrier}: Postfix can't reach it", see=see, remedy=_entry(facts, Path(path).parent, user)
        )
    held = None if path else facts.host.address(str(endpoint.address[0]))
    if not path and (endpoint.address[0] in _EVERY or (held and held.public)):
        return warning(
            subject,
            f"{endpoint} is open to other hosts, who can ask anything of milter64",
            see=see,
            remedy='listen on "inet:8864@localhost" or on a unix socket',
        )
    processes = facts.postfix.value("default_process_limit")
    if re.fullmatch("[0-9]{1,9}", processes) and 0 < facts.host.backlog < int(processes):
        return warning(
            subject,
            f"the kernel lets {facts.host.backlog} connections wait there, and Postfix may make {processes} at once",
            see="sysctl net.core.somaxconn; postconf default_process_limit",
            remedy="set net.core.somaxconn to 4096, the kernel's default since Linux 5.4, and restart milter64",
        )
    return ok(subject, f"answers on {door}", see=see)


def _entry(facts: Facts, folder: Path, user: str) -> str:
    """Return what lets Postfix's user in; a folder in its queue hands its group to the socket, as the unit has it."""
    if Path(facts.postfix.value("queue_directory")) in folder.parents and facts.settings.milter.socket_mode & 0o060:
        place = quote(str(folder))
        return f"chgrp {user} {place} && chmod 2750 {place} && systemctl restart milter64"
    return f'set milter.socket_group = "{user}", milter.socket_mode = "0660", and that group on the folder'


def _resolver(facts: Facts) -> Line:
    subject, see = "resolver", "grep nameserver /etc/resolv.conf; milter64 check-config"
    texts = facts.settings.dns.nameservers or facts.host.nameservers
    by = "dns.nameservers" if facts.settings.dns.nameservers else "resolv.conf"
    far = [text for text in texts if not _local(facts, str(nameserver(text).address[0]))]
    if far:
        return warning(
            subject,
            f"{', '.join(far)}, by {by}, is not on this host: slow, shared with others, and open to forged answers",
            see=see,
            remedy="run a resolver here (apt install unbound), and name 127.0.0.1",
        )
    return ok(subject, f"{', '.join(texts)}, by {by}", see=see)


def _local(facts: Facts, address: str) -> bool:
    return pack(address.partition("%")[0]) in _LOOPBACK or facts.host.address(address) is not None


def _dns64(facts: Facts) -> Iterator[Line]:
    """Judge the prefixes that discovery by DNS names against those that are configured."""
    subject = "DNS64 and translation.prefixes"
    configured = [prefix.text for prefix in facts.settings.translation.prefixes]
    known = ", ".join(configured) or "none"
    found = facts.translators
    unknown = [prefix for prefix in found.prefixes if prefix not in configured]
    if unknown:
        yield problem(
            subject,
            f"the resolver makes AAAA records in {', '.join(unknown)}, and milter64 knows {known}: "
            "clients that come from there are not judged by their address",
            *(f"translation.prefixes = {configured}",),
            see=_ASK_7050,
            remedy="add it to translation.prefixes, or ask a resolver without DNS64: milter64 discover",
        )
    for defect in found.forbidden:
        yield problem(
            subject,
            f"the resolver makes AAAA records with a prefix that can't be configured: {defect}",
            see=_ASK_7050,
            remedy="give the DNS64 and its translator another prefix",
        )
    if found.trouble:
        yield warning(
            subject,
            f"whether the resolver is a DNS64 isn't known: {found.trouble}",
            see=_ASK_7050,
            remedy="let it answer for ipv4only.arpa, which has the A records 192.0.0.170 and 192.0.0.171 (RFC 8880)",
        )
    elif found.prefixes and not unknown:
        yield ok(subject, f"a DNS64, with {', '.join(found.prefixes)}, which milter64 knows", see=_ASK_7050)
    elif not found.prefixes and not found.forbidden:
        yield ok(subject, f"the resolver is no DNS64; configured: {known}", see=_ASK_7050)


def _undecoded(facts: Facts) -> Iterator[Line]:
    """Tell of clients, connected now or noted earlier, whose address is a translator's that nobody has named."""
    translator, subject = facts.translator, "translation of clients"
    remedy = "add its prefix to translation.prefixes: milter64 discover"
    noted = {client for sighting in facts.sightings for client in sighting.clients}
    decoded = {client: translator.client(client).origin for client in (*facts.host.peers, *noted)}
    found = sorted(client for client, origin in decoded.items() if origin is Origin.UNDECODED)
    if found:
        yield problem(
            subject,
            "clients come through a translator that is not configured, and are not judged by their address",
            *found[:_SHOWN],
            see=f"milter64 discover; milter64 translate {found[0]}",
            remedy=remedy,
        )
    for sighting in facts.sightings:
        native = sorted(client for client in sighting.clients if decoded[client] is Origin.IPV6)
        if native:  # by their look: twenty with an IPv4 address in the same place
            yield warning(
                f"{subject} from {sighting.prefix}",
                "they look like a translator's, which is not configured, and are taken for native IPv6",
                *native[:_SHOWN],
                see=f"milter64 discover; milter64 translate {native[0]}",
                remedy=f"if it is a translator's, {remedy}",
            )


def _clock(facts: Facts) -> Line:
    subject, see = "clock", "timedatectl; date -u"
    clock = facts.host.clock
    shows = f"{datetime.fromtimestamp(clock.now, UTC):%Y-%m-%d %H:%M} UTC"
    if clock.now < _BEGINNING:
        return problem(subject, f"it shows {shows}", see=see, remedy="set it: greylisting, TLS and DNSSEC go by it")
    if not clock.synchronised:
        return warning(
            subject,
            f"{shows}, and nothing keeps it right, as the kernel says",
            see=see,
            remedy="run chrony or systemd-timesyncd, on the host where this is a container",
        )
    return ok(subject, f"{shows}, synchronised", see=see)


def _prefixes(facts: Facts) -> Iterator[Line]:
    """Judge the prefixes in which hosts of our own links might be taken for IPv4 ones (shorter than /96)."""
    for prefix in facts.settings.translation.prefixes:
        if prefix.length >= _SHORT:
            continue
        subject, see = f"translation prefix {prefix.text}", "ip -6 route show"
        inside = [route for route in facts.host.routes if _on_link(route) and _overlap(route.destination, prefix.text)]
        held = [each.address for each in facts.host.addresses if pack(each.address) in Networks((prefix.text,))]
        meant = [route for route in inside if held or route.destination != prefix.text]  # else it is the translator's
        if meant or held:
            yield problem(
                subject,
                "native IPv6 hosts of this link lie in it, and are taken for IPv4 ones",
                *(f"{route.destination} dev {route.interface}" for route in meant),
                *held,
                see=see,
                remedy="translate in a prefix of its own, best a /96, where no host lives",
            )
        else:
            yield ok(subject, "no link of this host lies in it", see=see)


def _on_link(route: Route) -> bool:
    return route.family == IPV6 and route.leads and not route.gateway and route.destination != "default"


def _overlap(one: str, other: str) -> bool:
    first, second = parse_network(one), parse_network(other)
    return family(one) == family(other) and bool(first in second or second in first)
