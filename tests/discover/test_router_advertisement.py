"""Router advertisements on a real link, between two network namespaces."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from milter64.address.networks import pack
from milter64.discover.router_advertisement import Advertisement, listen
from rig.advertisement import advertise, advertisement, await_solicitation, pref64
from rig.network import Namespace
from rig.process import Process, alive, until

OPTION = pref64(pack("2001:db8:122:344::"), 96, 600)
ROUTER = "fe80::1"


@dataclass(frozen=True)
class Link:
    """A router and a host, each with the interface `eth0`."""

    router: Namespace
    host: Namespace


@pytest.fixture
def link() -> Iterator[Link]:
    with ExitStack() as stack:
        router, host = stack.enter_context(Namespace()), stack.enter_context(Namespace())
        for namespace in (router, host):
            namespace.call(lambda: Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0"))
            namespace.call(lambda: Path("/proc/sys/net/ipv6/conf/default/accept_ra").write_text("0"))
        # Only who forwards is in the group of all routers, which is solicited.
        router.call(lambda: Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1"))
        router.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", host.path)
        router.run("ip", "addr", "add", f"{ROUTER}/64", "dev", "eth0")
        router.run("ip", "addr", "add", "2001:db8:1::1/64", "dev", "eth0", "nodad")
        router.run("ip", "link", "set", "eth0", "up")
        host.run("ip", "link", "set", "eth0", "up")
        until(lambda: _is_up(router) and _is_up(host), "link-local addresses")
        yield Link(router=router, host=host)


def _is_up(namespace: Namespace) -> bool:
    state = namespace.run("ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link")
    return "fe80" in state and "tentative" not in state


def hears(link: Link, *messages: tuple[bytes, int], source: str = "::") -> list[Advertisement]:
    """Return what a host hears that has solicited, when the router answers with messages of a hop limit each."""

    def answer() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
            raw.settimeout(20)
            ready.set_result(None)
            assert await_solicitation(raw) == 255  # or no router would answer (RFC 4861 6.1.1)
        for message, hops in messages:
            advertise(link.router, "eth0", message, hops=hops, source=source)

    ready: Future[None] = Future()
    with ThreadPoolExecutor() as pool:
        answered = pool.submit(link.router.call, answer)
        ready.result(20)
        heard = link.host.call(lambda: listen(1.0))
        answered.result(20)
    return heard


def test_a_router_that_is_solicited_tells_its_prefix(link: Link) -> None:
    (heard,) = hears(link, (advertisement(OPTION), 255))
    assert heard.router.startswith("fe80::")
    assert heard.interface == "eth0"
    assert [(each.prefix.text, each.lifetime) for each in heard.prefixes] == [("2001:db8:122:344::/96", 600)]


def test_the_latest_word_of_a_router_counts(link: Link) -> None:
    withdrawn = advertisement(pref64(pack("2001:db8:122:344::"), 96, 0))
    (heard,) = hears(link, (advertisement(OPTION), 255), (withdrawn, 255))
    assert [each.lifetime for each in heard.prefixes] == [0]


def test_what_was_forwarded_or_is_no_advertisement_is_not_heard(link: Link) -> None:
    assert hears(link, (advertisement(OPTION), 254), (advertisement(OPTION)[:-1], 255)) == []


def test_what_comes_from_no_link_local_address_is_not_heard(link: Link) -> None:
    assert hears(link, (advertisement(OPTION), 255), source="2001:db8:1::1") == []


def test_nothing_is_heard_where_no_router_is(link: Link) -> None:
    assert link.host.call(lambda: listen(0.2)) == []


def run_discover(link: Link, file: Path, *wrapper: str) -> dict[str, Any]:
    words = (*wrapper, sys.executable, "-m", "milter64", "discover", "--config", str(file), "--wait", "3", "--json")
    with Process(*link.host.command(*words)) as process:
        if not wrapper:

            def offer() -> bool:
                advertise(link.router, "eth0", advertisement(OPTION))
                return not alive(process.pid)

            until(offer, "the end of discover")
        assert process.wait() == os.EX_OK, process.output
        found: dict[str, Any] = json.loads(process.output)
        return found


def test_the_verb_proposes_the_outbound_prefix_in_a_comment(link: Link, tmp_path: Path) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text('dns = { nameservers = ["127.0.0.1:9"] }\ngreylist.store = "memory:"\n')
    found = run_discover(link, file)
    (router,) = found["pref64"]["routers"]
    assert router["prefixes"] == [{"prefix": "2001:db8:122:344::/96", "lifetime": 600}]
    assert found["proposal"] == {"prefixes": ["64:ff9b::/96"], "outbound_only": ["2001:db8:122:344::/96"]}
    assert f'# "2001:db8:122:344::/96",  # PREF64 of router {router["router"]}' in found["toml"]


def test_without_root_it_is_not_readable(link: Link, tmp_path: Path) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text('dns = { nameservers = ["127.0.0.1:9"] }\ngreylist.store = "memory:"\n')
    found = run_discover(link, file, "setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw")
    assert (found["pref64"]["reason"], found["pref64"]["waited"]) == ("not readable: that needs root", 0)
