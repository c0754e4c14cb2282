"""Which family Postfix sends over, and whether that can end in a refusal.

A refusal for good (5xx) of one family ends the delivery: Postfix doesn't try the other one. So every family that it may
use has to be ready, and `smtp_address_preference` merely says which comes first.
"""

from collections.abc import Iterable, Mapping

from milter64.audit.facts.facts import shown
from milter64.audit.facts.host import IPV4, IPV6
from milter64.audit.facts.smtp_clients import Sender
from milter64.audit.report_line import Line, ok, problem, warning


def strategy(sender: Sender, faults: Mapping[str, tuple[str, ...]], *, half: bool, dns64: str) -> Line:
    """Judge a sender by what the world holds against each family that it can use; others are not in `faults`.

    IPv4 may stand there for NAT64. `half` says that the host has or is said to have IPv6, if with no way out; `dns64`
    why it isn't known whether IPv4 is reached by NAT64, if so.
    """
    subject = f"families of {sender.names}"
    see = "; ".join(shown(sender.services[0], name) for name in ("inet_protocols", "smtp_address_preference"))
    settings = (
        f"inet_protocols = {sender.inet_protocols}",
        f"smtp_address_preference = {sender.preference}",
    )
    bad = [name for name in sender.protocols if faults.get(name)]
    idle = [name for name in sender.protocols if name not in faults]
    pin = _pin(sender)
    if not faults:
        return problem(
            subject,
            f"{_way(sender)}, and there is no way out by {_names(sender.protocols)}: nothing can be sent",
            *settings,
            see=see,
            remedy="add a default route for it, or allow the other family in inet_protocols",
        )
    if IPV6 in bad and IPV4 in faults and IPV4 not in bad:
        return problem(
            subject,
            f"{_way(sender)}, and IPv6 is not ready: a refusal over IPv6 ends the delivery{_only_orders(sender)}",
            *settings,
            *faults[IPV6],
            see=see,
            remedy=f"make IPv6 ready, or until then send by IPv4 only: {pin}",
        )
    if bad:
        return problem(
            subject,
            f"{_way(sender)}, and {_names(bad)} {'is' if len(bad) == 1 else 'are'} not ready: mail will be refused",
            *settings,
            *(fault for name in bad for fault in faults[name]),
            see=see,
            remedy="mend the lines above",
        )
    if IPV6 in idle:
        make = problem if half else warning
        return make(
            subject,
            f"{_way(sender)}, and IPv6 has no way out: each delivery to a host with AAAA may begin with "
            f'"Network is unreachable", and the day that a route appears IPv6 is used unprepared{_only_orders(sender)}',
            *settings,
            see=see,
            remedy=pin,
        )
    if IPV4 not in faults:
        return warning(
            subject,
            f"{_way(sender)}: hosts with IPv4 alone, most of the world, can't be reached"
            + (f", unless by NAT64, of which nothing is known: {dns64}" if dns64 else ""),
            *settings,
            see=see,
            remedy="send through NAT64 with a DNS64 resolver for Postfix, or give the host IPv4",
        )
    by_nat64 = ", IPv4 by NAT64" if IPV4 in faults and IPV4 not in sender.protocols else ""
    ready = "both are ready" if len(faults) > 1 else "it is ready"
    return ok(subject, f"{_way(sender)}{by_nat64}: {ready}", *settings, see=see)


def _pin(sender: Sender) -> str:
    """Return what pins the services to IPv4, in master.cf, where mail that comes in is not touched by it."""
    commands = " ".join(f'"{service.key}/inet_protocols=ipv4"' for service in sender.services)
    return f"-o inet_protocols=ipv4 in master.cf: postconf -P {commands} && postfix reload"


def _only_orders(sender: Sender) -> str:
    return "; smtp_address_preference = ipv4 only orders, and keeps nothing away" if sender.preference == "ipv4" else ""


def _way(sender: Sender) -> str:
    if len(sender.protocols) == 1:
        return f"{sender.protocols[0]} only"
    match sender.preference:
        case "ipv4":
            return "IPv4, then IPv6"
        case "ipv6":
            return "IPv6, then IPv4"
        case _:
            return "IPv4 and IPv6, in any order"


def _names(names: Iterable[str]) -> str:
    return " and ".join(names)
