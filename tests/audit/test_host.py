"""The door to the host's facts, opened in network namespaces that are made for it."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import AF_INET6, socket

import pytest

from milter64.audit.facts import host
from milter64.audit.facts.host import Address, Clock, Host, Proxy, Route
from rig.network import Namespace
from rig.process import Process, until


@pytest.fixture
def network() -> Iterator[Namespace]:
    with Namespace() as network:
        yield network


def interfaces(network: Namespace, *commands: str) -> None:
    network.run("ip", "-batch", "-", stdin="\n".join(commands))


def eth0(network: Namespace, *commands: str) -> Host:
    interfaces(
        network,
        "link add eth0 type veth peer name router",
        "link set router up",
        "link set eth0 up",
        *commands,
    )
    return network.call(host.read)


def test_a_host_with_nothing_but_loopback(network: Namespace) -> None:
    found = network.call(host.read)
    assert [(each.address, each.length, each.interface, each.scope) for each in found.addresses] == [
        ("127.0.0.1", 8, "lo", "host"),
        ("::1", 128, "lo", "host"),
    ]
    assert (found.routes, found.sources, found.listeners, found.peers, found.bridges) == ((), {}, (), (), ())


def test_addresses_and_routes(network: Namespace) -> None:
    found = eth0(
        network,
        "addr add 192.0.2.25/24 dev eth0",
        "addr add 2001:db8:25::25/64 dev eth0 nodad",
        "addr add 2001:db8:25::26/64 dev eth0 nodad preferred_lft 0",
        "route add default via 192.0.2.1",
        "route add default via 2001:db8:25::1",
        "route add unreachable 2001:db8:99::/48",
    )
    four = Address(address="192.0.2.25", length=24, interface="eth0")
    assert found.address("192.0.2.25") == four
    six, old = found.address("2001:db8:25::25"), found.address("2001:db8:25::26")
    assert six
    assert old
    assert (six.stays, six.public, six.interface, six.length) == (True, True, "eth0", 64)
    assert (old.stays, "deprecated" in old.flags) == (False, True)
    assert found.address("192.0.2.26") is None
    assert found.sources == {"IPv4": "192.0.2.25", "IPv6": "2001:db8:25::25"}
    assert found.default_route("IPv4") == Route(
        family="IPv4", destination="default", interface="eth0", gateway="192.0.2.1"
    )
    assert found.default_route("IPv6") == Route(
        family="IPv6", destination="default", interface="eth0", gateway="2001:db8:25::1"
    )
    assert Route(family="IPv6", destination="2001:db8:25::/64", interface="eth0") in found.routes
    assert [route.leads for route in found.routes if route.destination == "2001:db8:99::/48"] == [False]


def test_other_ways_to_write_a_default_route(network: Namespace) -> None:
    found = eth0(
        network,
        "addr add 192.0.2.25/24 dev eth0",
        "addr add 2001:db8:25::25/64 dev eth0 nodad",
        "route add 0.0.0.0/0 via inet6 2001:db8:25::1 dev eth0",
        "route add unreachable 0.0.0.0/0 metric 5",
        "route add ::/0 nexthop via 2001:db8:25::1 dev eth0 nexthop via 2001:db8:25::2 dev eth0",
    )
    gateways = {name: route.gateway for name in ("IPv4", "IPv6") if (route := found.default_route(name))}
    assert gateways == {"IPv4": "2001:db8:25::1", "IPv6": "2001:db8:25::1"}


def test_no_way_out_and_a_way_that_says_so(network: Namespace) -> None:
    found = eth0(network, "addr add 2001:db8:25::25/64 dev eth0 nodad", "route add unreachable ::/0")
    assert found.default_route("IPv6") is None
    assert found.sources == {}


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (Address(address="192.0.2.1", length=24, interface="eth0"), True),
        (Address(address="10.0.0.1", length=24, interface="eth0"), False),
        (Address(address="fd00::1", length=64, interface="eth0"), False),
        (Address(address="fe80::1", length=64, interface="eth0", scope="link"), False),
        (Address(address="192.0.2.1", length=32, interface="lo", scope="host"), False),
    ],
)
def test_what_the_world_may_know(address: Address, *, public: bool) -> None:
    assert address.public is public


def test_listening_sockets_and_the_clients_of_port_25(network: Namespace) -> None:
    def listener(address: str, port: int, *, v6only: bool = False) -> socket:
        sock = socket(AF_INET6) if ":" in address else socket()
        if ":" in address:
            sock.setsockopt(41, 26, v6only)  # IPPROTO_IPV6, IPV6_V6ONLY
        sock.bind((address, port))
        sock.listen()
        return sock

    with ExitStack() as sockets:
        for address, port, v6only in (("::", 25, False), ("::", 80, True), ("0.0.0.0", 81, False), ("::1", 82, False)):
            sockets.enter_context(
                network.call(lambda address=address, port=port, v6only=v6only: listener(address, port, v6only=v6only))  # type: ignore[misc]  # mypy knows no such lambda
            )
        sockets.enter_context(network.connect("127.0.0.1", 25, source="127.0.0.7"))
        sockets.enter_context(network.connect("::1", 25))
        sockets.enter_context(network.connect("127.0.0.1", 81))
        found = network.call(host.read)
    assert sorted((each.address, each.port) for each in found.listeners) == [
        ("*", 25),
        ("0.0.0.0", 81),
        ("::", 80),
        ("::1", 82),
    ]
    assert all(each.program for each in found.listeners)
    assert sorted(found.peers) == ["127.0.0.7", "::1"]


def test_a_client_that_has_hung_up_a_moment_ago_still_counts(network: Namespace) -> None:
    with network.call(lambda: _listening("127.0.0.1", 25)) as server:
        client = network.connect("127.0.0.1", 25, source="127.0.0.8")
        accepted, _ = server.accept()
        accepted.close()  # who closes first keeps TIME-WAIT, as Postfix does after QUIT
        client.recv(1)
        client.close()
        assert until(lambda: network.call(host.read).peers == ("127.0.0.8",))


def test_a_port_that_is_bound_and_nothing_more_has_no_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "ss"  # iproute2's 6.15
    script.write_text("#!/bin/sh\necho 'UNCONN 0      0      127.0.0.1:25 0.0.0.0:*'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = host.read()
    assert (found.listeners, found.peers) == ((), ())


def _listening(address: str, port: int) -> socket:
    sock = socket()
    sock.bind((address, port))
    sock.listen()
    return sock


def test_docker_proxies_by_their_command_lines() -> None:
    words = [
        "-proto",
        "tcp",
        "-host-ip",
        "::",
        "-host-port",
        "60025",
        "-container-ip",
        "172.17.0.2",
        "-container-port",
        "25",
    ]
    sleep = "import sys, time; print('ready', flush=True); time.sleep(600)"
    with Process(sys.executable, "-c", sleep, "/usr/bin/docker-proxy", *words) as process:
        process.expect("ready")
        assert Proxy(host="::", port=60025, container="172.17.0.2") in host.read().proxies


@pytest.mark.parametrize(
    ("file", "kind"),
    [(".dockerenv", "docker"), ("run/.containerenv", "podman"), ("run/systemd/container", "lxc"), ("run/x", "")],
)
def test_the_kind_of_container(tmp_path: Path, file: str, kind: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("lxc\n")
    assert host.container_kind(tmp_path) == kind


def test_bridges(network: Namespace) -> None:
    found = eth0(network, "link add docker0 type bridge")
    assert found.bridges == ("docker0",)


def test_the_backlog_is_the_kernels(network: Namespace) -> None:
    network.run("sysctl", "-q", "net.core.somaxconn=77")
    assert network.call(host.read).backlog == 77


def test_the_clock_is_the_kernels() -> None:
    done = Process(sys.executable, "-c", "import time; print(time.time())")
    with done as process:
        process.wait()
        clock = host.read().clock
        assert abs(clock.now - float(process.output)) < 600
    assert isinstance(clock, Clock)


def test_without_its_programs_there_are_no_facts_and_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(host, "_FOLDERS", str(tmp_path))
    found = host.read()
    assert (found.addresses, found.routes, found.listeners, found.peers, found.bridges) == ((), (), (), (), ())
    assert found.missing == ("ip", "ss")


@pytest.mark.parametrize("output", ["", "not JSON", json.dumps([{}]), "[]"])
def test_an_ip_that_says_little_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: str) -> None:
    script = tmp_path / "ip"
    script.write_text(f"#!/bin/sh\necho '{output}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = host.read()
    assert (found.addresses, found.routes, found.bridges, found.missing) == ((), (), (), ())
