from dataclasses import replace

import pytest

from milter64.audit.facts.host import Address, Host, Proxy, Route
from rig.scene import FOUR, HOST, SIX, Scene, check

INSIDE = replace(
    HOST,
    addresses=(Address(address="172.17.0.2", length=16, interface="eth0"),),
    routes=(Route(family="IPv4", destination="default", interface="eth0", gateway="172.17.0.1"),),
    sources={"IPv4": "172.17.0.2"},
    container="docker",
)
CLIENTS, PROXY = "clients of port 25", "Docker's userland proxy"


def test_a_host_without_containers() -> None:
    assert [(line.level.value, line.subject, line.reason) for line in Scene().lines("container")] == [
        ("ok", PROXY, "none for port 25"),
        ("ok", CLIENTS, "none at the moment"),
    ]


def proxied(host: str, port: int, container: str) -> Host:
    return replace(HOST, proxies=(Proxy(host=host, port=port, container=container),), bridges=("docker0",))


@pytest.mark.parametrize(
    ("host", "level", "reason", "remedy"),
    [
        (proxied("::", 25, "172.17.0.2"), "problem", "port 25 of :: is proxied to 172.17.0.2: each IPv6", "userland"),
        (proxied("0.0.0.0", 25, "172.17.0.2"), "warning", "whom Docker's own NAT rules miss", "userland-proxy"),
        (proxied("::", 25, "fd00::2"), "warning", "whom Docker's own NAT rules miss", "userland-proxy"),
        (proxied("::", 8080, "172.17.0.2"), "ok", "none for port 25; bridges: docker0", ""),
    ],
)
def test_proxies(host: Host, level: str, reason: str, remedy: str) -> None:
    check(Scene(host=host).lines("container"), level, PROXY, reason, remedy)


def called(*peers: str, host: Host = INSIDE) -> Host:
    return replace(host, peers=peers)


GATEWAY = "172.17.0.1"


@pytest.mark.parametrize(
    ("host", "level", "reason", "remedy"),
    [
        (called(GATEWAY, GATEWAY), "problem", f"all 2 come from {GATEWAY}, the gateway of this host", "PROXY protocol"),
        (called(GATEWAY), "warning", f"1 of 1 come from {GATEWAY}", "does it watch this server"),
        (called(GATEWAY, GATEWAY, "192.0.2.7"), "warning", f"2 of 3 come from {GATEWAY}", "does it watch this server"),
        (called("192.0.2.7", "192.0.2.8", "192.0.2.7"), "ok", "3 from 2 addresses, none of them a gateway", ""),
        (called(), "warning", "none at the moment, and this is a container (docker)", "while mail comes in"),
        (called("fe80::1", "fe80::1", host=HOST), "problem", "all 2 come from fe80::1", "userland-proxy"),
        (called("127.0.0.1", "::1", host=HOST), "warning", "all 2 come from this host itself", "your own programs"),
        (called(FOUR, FOUR, host=HOST), "warning", "all 2 come from this host itself", "your own programs"),
        (called("127.0.0.1", host=HOST), "ok", "1 from 1", ""),
        (called("127.0.0.1", "127.0.0.1", "192.0.2.7", host=HOST), "ok", "3 from 2", ""),
    ],
)
def test_who_calls(host: Host, level: str, reason: str, remedy: str) -> None:
    check(Scene(host=host).lines("container"), level, CLIENTS, reason, remedy)


def test_a_container_without_ipv6_whose_host_is_published_with_it() -> None:
    outside = {"proxy_interfaces": f"{FOUR} {SIX}"}
    lines = Scene(host=INSIDE, main=outside).lines("container")
    check(lines, "problem", f"IPv6 of {SIX}", "who calls it arrives as IPv4", "IPv6 network")
    assert not any(line.subject.startswith("IPv4 of") for line in lines)
    ula = Address(address="fd00::2", length=64, interface="eth0")
    with_ipv6 = replace(INSIDE, addresses=(*INSIDE.addresses, ula))
    assert not any("IPv6 of" in line.subject for line in Scene(host=with_ipv6, main=outside).lines("container"))


def test_the_proxies_that_cross_families_are_evidence() -> None:
    crossing, straight = (Proxy(host=host, port=25, container="172.17.0.2") for host in ("::", "0.0.0.0"))
    for proxies, count in (((straight, crossing), 1), ((straight,), 1)):
        (line,) = (
            each for each in Scene(host=replace(HOST, proxies=proxies)).lines("container") if each.subject == PROXY
        )
        assert line.evidence == (f"docker-proxy -host-ip {proxies[-1].host} -container-ip 172.17.0.2",) * count


def test_a_router_to_some_network_alone_is_no_gateway() -> None:
    route = Route(family="IPv4", destination="198.51.100.0/24", interface="eth0", gateway="192.0.2.9")
    host = replace(HOST, routes=(*HOST.routes, route), peers=("192.0.2.9", "192.0.2.9"))
    check(Scene(host=host).lines("container"), "ok", CLIENTS, "2 from 1", "")
