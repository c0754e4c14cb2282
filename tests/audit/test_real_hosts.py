"""Audits of real mail hosts, each a network namespace with its Postfix, milter64 and DNS."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rig.lab import Lab
from rig.nat64 import SERVER_IPV4, SERVER_IPV6, Nat64
from rig.network import Namespace
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import Process
from rig.service import Milter64
from rig.smtp import Smtp
from rig.stage import MEMORY
from rig.unbound import Unbound

pytestmark = pytest.mark.slow

IPV4, IPV6 = "192.0.2.25", "2001:db8:25::25"
TOGETHER = ("smtp unix - - n - - smtp", "relay unix - - n - - smtp")
PINNED = tuple(f"{line} -o inet_protocols=ipv4" for line in TOGETHER)

SOUND_IPV4 = f"""
    example.org. MX 10 mx.example.org.
    example.org. TXT "v=spf1 ip4:{IPV4} ip6:{IPV6} -all"
    mx.example.org. A {IPV4}
    mx.example.org. TXT "v=spf1 a -all"
    25.2.0.192.in-addr.arpa. PTR mx.example.org.
    """
AAAA = f"mx.example.org. AAAA {IPV6}\n"
PTR_IPV6 = f"{'.'.join(reversed('20010db8002500000000000000000025'))}.ip6.arpa. PTR mx.example.org.\n"
READY = f"{SOUND_IPV4}{AAAA}    {PTR_IPV6}"

ONLY_IPV4 = "    ipv4only.arpa. A 192.0.0.170\n    ipv4only.arpa. A 192.0.0.171\n"

WITH_IPV6 = (f"addr add {IPV6}/64 dev eth0 nodad", "route add default via 2001:db8:25::1")


def interfaces(network: Namespace, *commands: str) -> None:
    network.run("ip", "-batch", "-", stdin="\n".join(commands))


@pytest.fixture
def network() -> Iterator[Namespace]:
    with Namespace() as network:
        interfaces(
            network,
            "link add eth0 type veth peer name router",
            "link set router up",
            "link set eth0 up",
            f"addr add {IPV4}/24 dev eth0",
            "route add default via 192.0.2.1",
        )
        yield network


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHost:
    network: Namespace
    postfix: Postfix
    configuration: Path

    def audit(self, *words: str) -> tuple[int, str]:
        """Return the exit code and the output."""
        command = self.network.command(sys.executable, "-m", "milter64", "audit", "--config", str(self.configuration))
        folder = self.postfix.queue.parent / "etc"
        with Process(*command, "--domain", "example.org", "--config-directory", folder, *words) as process:
            return process.wait(), process.output

    def lines(self, level: str) -> dict[str, dict[str, Any]]:
        """Return the lines of a level by subject."""
        report = json.loads(self.audit("--json")[1])
        return {line["subject"]: line for line in report["lines"] if line["level"] == level}


def mail_host(
    lab: Lab,
    network: Namespace,
    records: str,
    services: Sequence[str] = TOGETHER,
    *,
    settings: str = "",
    dns64: str = "",
    proxy_interfaces: str = "",
    smtp_address_preference: str = "any",
) -> MailHost:
    nsd = lab.start(Nsd, {".": records}, network=network)
    resolver = lab.start(Unbound, nsd, dns64=dns64, network=network) if dns64 else nsd
    milter = lab.start(Milter64, f'{MEMORY}\n[dns]\nnameservers = ["{resolver.server}"]\n{settings}\n', network=network)
    postfix = lab.start(
        Postfix,
        milters=milter.milters,
        network=network,
        addresses=("0.0.0.0", "::"),
        port=25,
        services=services,
        myhostname="mx.example.org",
        mydomain="example.org",
        default_transport="smtp",
        proxy_interfaces=proxy_interfaces,
        smtp_address_preference=smtp_address_preference,
    )
    return MailHost(network=network, postfix=postfix, configuration=milter.file)


def test_a_host_that_is_ready_over_both_families_has_no_problem(lab: Lab, network: Namespace) -> None:
    interfaces(network, *WITH_IPV6)
    host = mail_host(lab, network, READY)
    code, output = host.audit()
    assert (code, "problem  " in output) == (0, False), output
    assert "0 problem" in output
    assert f"{IPV6}: eth0 has it" in output
    assert "answers 220 mx.example.org ESMTP" in output
    assert "\x1b" not in output


def test_the_published_case_an_address_that_nobody_has_no_route_and_nothing_pinned(network: Namespace) -> None:
    """AAAA of an address that no interface owns, no IPv6 default route, and IPv6 allowed for what is sent."""
    with Lab() as lab:
        host = mail_host(lab, network, SOUND_IPV4 + AAAA)
        assert host.audit()[0] == 1
        problems = host.lines("problem")
    assert list(problems) == ["AAAA of mx.example.org", "IPv6 default route", "families of smtp, relay"]
    published, route, families = problems.values()
    etc = host.postfix.queue.parent / "etc"
    assert published["reason"] == f"{IPV6} is published, and no interface here has it"
    assert published["evidence"] == [f"mx.example.org. AAAA {IPV6}"]
    assert published["remedy"].startswith("take the AAAA record away, or give the host the address")
    assert route["reason"] == f"none: whoever calls {IPV6} gets no answer"
    assert route["see"] == "ip -6 route show default"
    assert "IPv6 has no way out" in families["reason"]
    assert families["remedy"] == (
        "-o inet_protocols=ipv4 in master.cf: "
        f'postconf -c {etc} -P "smtp/unix/inet_protocols=ipv4" "relay/unix/inet_protocols=ipv4" '
        f"&& postfix -c {etc} reload"
    )
    with Lab() as lab:
        assert mail_host(lab, network, SOUND_IPV4, PINNED).audit()[0] == 0


def test_ipv6_that_is_routed_and_has_no_name_is_pinned_until_it_is_ready(network: Namespace) -> None:
    interfaces(network, *WITH_IPV6)
    with Lab() as lab:
        host = mail_host(lab, network, SOUND_IPV4 + AAAA, smtp_address_preference="ipv4")
        problems = host.lines("problem")
    assert list(problems) == [f"PTR of {IPV6}", "families of smtp, relay"]
    assert "smtp_address_preference = ipv4 only orders" in problems["families of smtp, relay"]["reason"]
    assert "-o inet_protocols=ipv4" in problems["families of smtp, relay"]["remedy"]
    with Lab() as lab:
        host = mail_host(lab, network, SOUND_IPV4 + AAAA, PINNED)
        assert host.lines("problem") == {}
        assert f"PTR of {IPV6}" in host.lines("warning")  # it is published, and doesn't send
        assert host.lines("ok")["families of smtp, relay"]["reason"] == "IPv4 only: it is ready"


def test_a_dns64_resolver_whose_prefix_is_not_configured_is_found(lab: Lab, network: Namespace) -> None:
    interfaces(network, *WITH_IPV6)
    host = mail_host(lab, network, READY + ONLY_IPV4, dns64="2001:db8:64::/96")
    found = host.lines("problem")["DNS64 and translation.prefixes"]
    assert "AAAA records in 2001:db8:64::/96, and milter64 knows 64:ff9b::/96" in found["reason"]


BEHIND = f"""
    example.org. MX 10 mx.example.org.
    example.org. TXT "v=spf1 ip4:{SERVER_IPV4} ip6:{SERVER_IPV6} -all"
    mx.example.org. A {SERVER_IPV4}
    mx.example.org. AAAA {SERVER_IPV6}
    mx.example.org. TXT "v=spf1 a -all"
    25.100.51.198.in-addr.arpa. PTR mx.example.org.
    5.2.0.0.{"0." * 20}5.2.0.0.f.f.f.3.ip6.arpa. PTR mx.example.org.
{ONLY_IPV4}"""
MAPPED = f'explicit = [{{ ipv4 = "{SERVER_IPV4}", ipv6 = "{SERVER_IPV6}" }}]'


def test_a_host_of_ipv6_alone_behind_a_real_translator(lab: Lab) -> None:
    """It is published with the translator's IPv4 address, and sends to IPv4 by DNS64; a client of IPv4 is connected."""
    nat = lab.start(Nat64, "64:ff9b::/96")
    host = mail_host(lab, nat.server, BEHIND, settings=f"[translation]\n{MAPPED}", dns64="64:ff9b::/96")
    with Smtp(SERVER_IPV4, 25, network=nat.client, source="192.31.196.10") as client:
        client.ehlo()
        assert host.lines("problem") == {}
        ok = host.lines("ok")
    assert f"it stands for {SERVER_IPV6}" in ok["A of mx.example.org"]["reason"]
    assert ok["IPv4 by NAT64"]["reason"] == f"by 64:ff9b::/96; hosts with IPv4 alone see {SERVER_IPV4}"
    assert ok[f"SPF of example.org from {SERVER_IPV4}"]["reason"] == f"pass: ip4:{SERVER_IPV4} of example.org"
    assert "both are ready" in ok["families of smtp, relay"]["reason"]


def test_a_translator_that_milter64_does_not_know_is_found_by_dns_and_by_who_is_connected(lab: Lab) -> None:
    nat = lab.start(Nat64, "64:ff9b::/96")
    settings = f"[translation]\nprefixes = []\n{MAPPED}"
    host = mail_host(lab, nat.server, BEHIND, settings=settings, dns64="64:ff9b::/96")
    with Smtp(SERVER_IPV4, 25, network=nat.client, source="192.31.196.10") as client:
        client.ehlo()
        problems = host.lines("problem")
    assert list(problems) == ["DNS64 and translation.prefixes", "translation of clients"]
    assert problems["translation of clients"]["evidence"] == ["64:ff9b::c01f:c40a"]


@pytest.fixture
def gateway() -> Iterator[tuple[Namespace, Namespace]]:
    """A container's network and that of its gateway, where the clients are too."""
    with ExitStack() as stack:
        container, outside = (stack.enter_context(Namespace()) for _ in range(2))
        interfaces(
            outside,
            f"link add docker0 type veth peer name eth0 netns {container.path}",
            "link set docker0 up",
            "addr add 172.17.0.1/16 dev docker0",
            *(f"addr add {address}/32 dev lo" for address in (IPV4, *CLIENTS)),
        )
        interfaces(
            container,
            "link set eth0 up",
            "addr add 172.17.0.2/16 dev eth0",
            "route add default via 172.17.0.1",
        )
        yield container, outside


CLIENTS = ("198.51.100.1", "198.51.100.2", "198.51.100.3")


def test_a_gateway_that_hides_its_clients_is_found_by_who_is_connected(
    lab: Lab, gateway: tuple[Namespace, Namespace]
) -> None:
    container, outside = gateway
    host = mail_host(lab, container, SOUND_IPV4, PINNED, proxy_interfaces=IPV4)
    script = Path(__file__).parent.parent / "rig" / "tcp_proxy.py"
    words = outside.command(sys.executable, str(script), IPV4, "25", "172.17.0.2", "25")
    with Process(*words) as proxy, ExitStack() as sessions:
        proxy.expect("ready")
        for client in CLIENTS:
            sessions.enter_context(Smtp(IPV4, 25, network=outside, source=client)).ehlo()
        assert host.audit()[0] == 1
        problems = host.lines("problem")
    assert list(problems) == ["clients of port 25"]
    assert problems["clients of port 25"]["reason"].endswith(
        "come from 172.17.0.1, the gateway of this host: it hides who they are"
    )
    assert '"userland-proxy": false' in problems["clients of port 25"]["remedy"]


def test_a_gateway_that_merely_forwards_is_none_of_these(lab: Lab, gateway: tuple[Namespace, Namespace]) -> None:
    container, outside = gateway
    host = mail_host(lab, container, SOUND_IPV4, PINNED, proxy_interfaces=IPV4)
    with ExitStack() as sessions:
        for client in CLIENTS:
            sessions.enter_context(Smtp("172.17.0.2", 25, network=outside, source=client)).ehlo()
        assert host.audit()[0] == 0
        assert "none of them a gateway" in host.lines("ok")["clients of port 25"]["reason"]
