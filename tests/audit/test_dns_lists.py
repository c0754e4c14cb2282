"""What the audit says of DNS lists: ours, by a real resolver, and those that Postfix asks in vain."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import dns.message
import pytest

from milter64.address.translator import Translator
from milter64.audit.auditor import THEMES, _Told
from milter64.audit.facts.facts import Dns
from milter64.audit.report_line import Level, Line
from milter64.audit.rules.published_mx import published
from milter64.checks.dns_list_settings import Settings, Zone
from milter64.dns.resolver import Resolver
from milter64.dns.settings import Settings as DnsSettings
from rig.dnslists import NOTHING, DnsList, ListServer
from rig.dnsserver import Fault
from rig.lab import Lab
from rig.scene import Scene
from rig.unbound import Unbound

KEY = "s3cr3tk3ys3cr3tk3y"
NAME = "about = ['name']"
CLIENT = "64:ff9b::c01f:c40a"


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer() as server:
        yield server


def judged(server: ListServer | Unbound, zone: str, more: str = "") -> list[Line]:
    """Return the lines on a list that is asked by a real resolver."""
    address = server.address if isinstance(server, ListServer) else server.server
    facts = Scene(settings=f'[[dnslist]]\nzone = "{zone}"\n{more}').facts()
    resolver = Resolver(DnsSettings(nameservers=(address,), timeout=1.0), Translator())
    facts = replace(facts, dns=Dns(asker=resolver, seconds=4.0, end=time.monotonic() + 60))
    lines = list(THEMES["lists"](facts, published(facts)))
    assert KEY not in repr(lines)
    return lines


def everybody(found: DnsList) -> None:
    found.everybody = "127.0.0.2"


def without_tests(found: DnsList) -> None:
    found.tests = {}


def silent(found: DnsList) -> None:
    found.fault = Fault.SILENT


def refusing(found: DnsList) -> None:
    found.fault = Fault.REFUSED


def refusing_publics(found: DnsList) -> None:
    found.everybody, found.tests = "127.255.255.254", {}


def one_lists(found: DnsList) -> None:
    found.listed = {"1.0.0.127": ["127.0.0.2"]}


@pytest.mark.parametrize("more", ["", "about = ['client', 'sender']", NAME])
def test_a_list_whose_test_entries_are_right_is_fine(server: ListServer, more: str) -> None:
    server.lists["bl.example.net"] = DnsList()
    (line,) = judged(server, "bl.example.net", more)
    assert (line.level, line.subject) == (Level.OK, "DNS list bl.example.net")
    assert ("names" in line.reason, "IPv4 addresses" in line.reason) == ("about" in more, "client" in more or not more)
    assert line.see == f"dig +short {'test' if more == NAME else '2.0.0.127'}.bl.example.net"


def test_a_list_may_have_no_ipv6_addresses(server: ListServer) -> None:
    server.lists["bl.example.net"] = DnsList(tests={"2.0.0.127": ["127.0.0.2"]})
    (line,) = judged(server, "bl.example.net")
    assert (line.level, line.reason) == (Level.OK, "its test entries are right: IPv4 addresses")


@pytest.mark.parametrize(
    ("spoil", "reason", "remedy"),
    [
        (silent, "no answer in time", "whether it still exists"),
        (refusing, "REFUSED", "a resolver of your own"),
        (refusing_publics, "127.255.255.254: it wants no questions through this resolver", "a resolver of your own"),
        (everybody, "it lists whatever it is asked about", "take it out"),
        (one_lists, "it lists 127.0.0.1", "take it out"),
        (without_tests, "it doesn't list 127.0.0.2", "its key, are written"),
    ],
)
def test_a_list_that_cannot_be_believed_is_a_problem_with_its_remedy(
    server: ListServer, spoil: Callable[[DnsList], None], reason: str, remedy: str
) -> None:
    zone = f"{KEY}.bl.example.net"
    server.lists[zone] = DnsList()
    spoil(server.lists[zone])
    (line,) = judged(server, zone)
    assert (line.level, line.subject) == (Level.PROBLEM, "DNS list bl.example.net")
    assert reason in line.reason
    assert "it counts for nothing" in line.reason
    assert remedy in line.remedy


def test_a_resolver_that_leaves_out_what_lists_answer_makes_them_empty_and_is_told_of(
    server: ListServer, lab: Lab
) -> None:
    server.lists["bl.example.net"] = DnsList()
    (line,) = judged(lab.start(Unbound, server.address, stripped="127.0.0.0/8"), "bl.example.net")
    assert (line.level, line.reason) == (
        Level.PROBLEM,
        "IPv4 addresses: it doesn't list 127.0.0.2; it counts for nothing",
    )
    assert "leaves out 127.0.0.0/8 (unbound: private-address" in line.remedy


class Flapping(ListServer):
    """Fails on each other question, as where one of two nameservers is out of order."""

    def _take(self, query: dns.message.Message) -> Fault:
        return super()._take(query) | (Fault.SERVFAIL if len(self.queries) % 2 else NOTHING)


def test_a_list_of_whose_nameservers_one_is_out_of_order_is_fine() -> None:
    with Flapping({"bl.example.net": DnsList()}) as server:
        (line,) = judged(server, "bl.example.net")
    assert line.level == Level.OK


@pytest.mark.parametrize(
    ("zone", "lacks"),
    [
        ("zen.dq.spamhaus.net", True),
        ("combined.mail.abusix.zone", True),
        (f"{KEY}.zen.dq.spamhaus.net", False),
        (f"{KEY}.white.mail.abusix.zone", False),
    ],
)
def test_a_list_that_wants_a_key_and_has_none_is_not_even_asked(server: ListServer, zone: str, lacks: bool) -> None:  # noqa: FBT001  a column
    server.lists[zone] = DnsList()
    (line,) = judged(server, zone)
    assert (line.level is Level.PROBLEM) is lacks
    assert bool(server.asked(zone)) is not lacks
    if lacks:
        assert line.remedy == f'write zone = "KEY.{zone}", with the key of your account'


def test_what_is_being_asked_is_shown_without_a_key() -> None:
    shown: list[str] = []
    with ListServer() as server:
        resolver = Resolver(DnsSettings(nameservers=(server.address,)), Translator())
        told = _Told(resolver, shown.append, (Settings(zone=Zone(f"{KEY}.bl.example.net")),))
        for name in (f"2.0.0.127.{KEY}.bl.example.net", "mx.example.org"):
            told.ask(name, "A", time.monotonic() + 5)
    assert shown == ["the DNS list bl.example.net", "A mx.example.org"]
