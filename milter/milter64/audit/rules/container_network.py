"""Containers and their networks: does a gateway stand in the clients' place?"""

from collections import Counter
from collections.abc import Iterator

from milter64.address.networks import Networks, pack
from milter64.audit.facts.facts import Facts
from milter64.audit.facts.host import IPV4, IPV6, SMTP_PORT, family
from milter64.audit.report_line import Line, ok, problem, warning
from milter64.audit.rules.published_mx import Published

_LOOPBACK = Networks(("127.0.0.0/8", "::1"))
_SEVERAL = 2
"""Connections that are no accident, where there are no others."""
_REMEDY = (
    "give the container its own IPv6 addresses (an IPv6 network, ip6tables, or macvlan), "
    'set "userland-proxy": false, or run Postfix with network_mode: host; '
    "a proxy that must stay has to speak the PROXY protocol (smtpd_upstream_proxy_protocol)"
)


def container(facts: Facts, found: Published) -> Iterator[Line]:
    """Yield the lines on Docker's proxies, on who is connected to port 25, and on IPv6 that only a proxy can bring."""
    yield from _proxies(facts)
    yield _peers(facts)
    yield from _families(facts, found)


def _proxies(facts: Facts) -> Iterator[Line]:
    subject, see = "Docker's userland proxy", "ps -C docker-proxy -o args"
    proxies = [proxy for proxy in facts.host.proxies if proxy.port == SMTP_PORT]
    crossing = [proxy for proxy in proxies if family(proxy.host) != family(proxy.container)]
    evidence = [f"docker-proxy -host-ip {each.host} -container-ip {each.container}" for each in crossing or proxies]
    if crossing:
        yield problem(
            subject,
            f"port 25 of {crossing[0].host} is proxied to {crossing[0].container}: "
            f"each {family(crossing[0].host)} client gets the gateway's address",
            *evidence,
            see=see,
            remedy=_REMEDY,
        )
    elif proxies:
        yield warning(
            subject,
            "it is there for port 25: whom Docker's own NAT rules miss gets the gateway's address",
            *evidence,
            see=see,
            remedy=_REMEDY,
        )
    else:
        bridges = f"; bridges: {', '.join(facts.host.bridges)}" if facts.host.bridges else ""
        yield ok(subject, f"none for port 25{bridges}", see=see)


def _peers(facts: Facts) -> Line:
    """Judge by who is connected to port 25 now, or was a moment ago."""
    subject, see = "clients of port 25", "ss -tan sport = :25"
    peers = Counter(facts.host.peers)
    gateways = {route.gateway for route in facts.host.routes if route.destination == "default" and route.gateway}
    own = {address.address for address in facts.host.addresses}
    hidden = {peer: count for peer, count in peers.items() if peer in gateways}
    local = {peer: count for peer, count in peers.items() if peer in own or pack(peer) in _LOOPBACK}
    evidence = [f"{count} from {peer}" for peer, count in peers.most_common(5)]
    if hidden and len(hidden) == len(peers) and peers.total() >= _SEVERAL:
        return problem(
            subject,
            f"all {peers.total()} come from {', '.join(hidden)}, the gateway of this host: it hides who they are",
            *evidence,
            see=see,
            remedy=_REMEDY,
        )
    if hidden:
        return warning(
            subject,
            f"{sum(hidden.values())} of {peers.total()} come from {', '.join(hidden)}, the gateway of this host",
            *evidence,
            see=see,
            remedy=f"does it watch this server, or does it hide clients? If so, {_REMEDY}",
        )
    if local and len(local) == len(peers) and peers.total() >= _SEVERAL:
        return warning(
            subject,
            f"all {peers.total()} come from this host itself: a proxy may speak for them",
            *evidence,
            see=see,
            remedy=f"are they your own programs? Else {_REMEDY}",
        )
    if facts.host.container and not peers:
        return warning(
            subject,
            f"none at the moment, and this is a container ({facts.host.container}), whose gateway may hide them",
            see=see,
            remedy="audit again while mail comes in",
        )
    seen = f"{peers.total()} from {len(peers)} addresses, none of them a gateway" if peers else "none at the moment"
    return ok(subject, seen, *evidence, see=see)


def _families(facts: Facts, found: Published) -> Iterator[Line]:
    """Judge a host that is published with a family that it hasn't got: something else takes those connections."""
    for name in (IPV4, IPV6):
        published = [address for _, address in found.ours() if family(address) == name]
        held = [each for each in facts.host.addresses if family(each.address) == name and each.scope == "global"]
        outside = [address for address in published if address in facts.outside()]
        # An IPv4 address outside and none inside is a translator's work as a rule, which hides nobody.
        if outside and not held and name == IPV6:
            yield problem(
                f"{name} of {', '.join(outside)}",
                "it ends outside of this host, which has none: who calls it arrives as IPv4, from a proxy's address",
                see="ip -6 address show scope global",
                remedy=_REMEDY,
            )
