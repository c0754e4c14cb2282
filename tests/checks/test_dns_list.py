"""A DNS list by a real resolver: what is asked, which answers count, and that none of a list gone wrong does."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from milter64.address.translator import Translator
from milter64.checks import dns_list
from milter64.checks.dns_list_settings import About, Answers, Settings, Zone
from milter64.dns.lookup import Lookup, asked_alone
from milter64.dns.resolver import Resolver
from milter64.dns.settings import Settings as DnsSettings
from milter64.mail.action import Action
from milter64.mail.finding import Finding
from rig.dnslists import NOTHING, DnsList, ListServer
from rig.dnsserver import Fault
from rig.envelopes import envelope
from rig.process import until

KEY = "s3cr3ts3cr3t"
TRANSLATED = "64:ff9b::c01f:c40a"
"""192.31.196.10 behind the translator."""
FOUR = "10.196.31.192"
SIX = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
TIMEOUT = 0.5


class World:
    """Lists and who asks them."""

    def __init__(self, server: ListServer, timeout: float = TIMEOUT) -> None:
        self.server = server
        self.deadline = 5.0
        """Seconds that a question has, all in all."""
        self.told: list[tuple[str, str]] = []
        self.resolver = Resolver(DnsSettings(nameservers=(server.address,), timeout=timeout), Translator())
        self._timeout = timeout
        self.checks = dict(dns_list.checks((), self.resolver, timeout, print))

    def use(self, zone: str = "bl.example", about: About = "client", **more: object) -> tuple[str, str]:
        settings = Settings(zone=Zone(zone), about=(about,), **more)  # type: ignore[arg-type]  # as the test says
        self.checks |= dns_list.checks([settings], self.resolver, self._timeout, lambda *told: self.told.append(told))
        return settings.key(about)

    def ask(
        self,
        key: tuple[str, str],
        client: str = TRANSLATED,
        helo: str = "mail.helo.example",
        sender: str = "a@b.example",
    ) -> Finding:
        self.lookup = Lookup(time.monotonic() + self.deadline)
        finding = asked_alone(self.checks[key](envelope(client, helo, sender), self.lookup), self.resolver)
        assert finding.key == key
        return finding

    def names(self, zone: str = "bl.example") -> list[str]:
        """Return what has been asked of a list but for what tells whether it works."""
        tests = {"2.0.0.127", "1.0.0.127", "test", "invalid"}
        return [
            name
            for name in self.server.asked(zone)
            if name not in tests
            and not name.endswith((".127", ".invalid", "f.7.f.f.f.f" + 20 * ".0"))
            and name[0] != "x"
        ]


@pytest.fixture
def world() -> Iterator[World]:
    with ListServer({"bl.example": DnsList({FOUR: ["127.0.0.4"], SIX: ["127.0.0.3"]})}) as server:
        yield World(server)


def test_a_client_behind_a_translator_is_looked_for_by_his_ipv4_address(world: World) -> None:  # RFC 5782 2.1
    finding = world.ask(world.use())
    assert (finding.result, finding.reason) == ("listed", "bl.example lists 192.31.196.10")
    assert finding.facts == (("answer", "127.0.0.4"), ("aside", "127.0.0.4"))
    assert world.names() == [FOUR]


def test_a_native_ipv6_client_is_looked_for_by_his_nibbles(world: World) -> None:  # RFC 5782 2.4
    finding = world.ask(world.use(), "2001:db8::1")
    assert (finding.result, finding.reason) == ("listed", "bl.example lists 2001:db8::1")
    assert world.names() == [SIX]


def test_whom_a_list_has_nothing_about_it_does_not_list(world: World) -> None:
    finding = world.ask(world.use(), "192.0.2.1")
    assert (finding.result, finding.reason, finding.facts) == ("none", "bl.example does not list 192.0.2.1", ())


def test_an_answer_that_is_not_wanted_counts_for_nothing_and_needs_no_probe(world: World) -> None:
    key = world.use(answers=(Answers("127.0.0.2-3"),))
    world.ask(key, "192.0.2.1")
    before = len(world.server.queries)
    assert world.ask(key).result == "none"
    assert len(world.server.queries) == before + 1


def test_who_is_refused_is_told_the_text_with_what_is_listed(world: World) -> None:
    finding = world.ask(world.use(text="see https://bl.example/{address}?{x}"))
    assert finding.fact("text") == "see https://bl.example/192.31.196.10?{x}"


def test_a_list_that_accepts_says_pass(world: World) -> None:  # RFC 8904 2
    finding = world.ask(world.use(action=Action.ACCEPT))
    assert (finding.check, finding.result) == ("dnswl", "pass")


@pytest.mark.parametrize(
    ("about", "name"),
    [("sender", "bad.example.org"), ("helo", "mail.bad.example"), ("name", "host.bad.example")],
)
def test_a_list_of_domains_is_asked_about_a_name_of_several_labels(world: World, about: About, name: str) -> None:
    world.server.lists["bl.example"].listed = {name: ["127.0.1.2"]}
    world.server.records = {
        f"{FOUR}.in-addr.arpa": {"PTR": ["forged.example", "host.bad.example"]},
        "host.bad.example": {"A": ["192.31.196.10"]},
    }
    finding = world.ask(world.use(about=about), helo="Mail.bad.example.", sender="joe@BAD.example.org")
    assert (finding.property, finding.result) == (f"bl.example/{about}", "listed")
    assert finding.reason == f"bl.example lists {name}"
    assert world.names() == [name]


@pytest.mark.parametrize(
    ("helo", "sender"),
    [
        ("[192.31.196.10]", "joe@[192.31.196.10]"),
        ("[IPv6:2001:db8::1]", "joe@[IPv6:2001:db8::1]"),
        ("192.31.196.10", "joe@192.31.196.10"),
        ("test", "joe@test"),
        ("invalid", ""),
        ("a..b", "joe@a..b"),
        (f"{'x' * 64}.example", f"joe@{'x' * 64}.example"),
        ("", "joe"),
    ],
)
def test_nothing_else_is_a_name_to_be_asked_about(world: World, helo: str, sender: str) -> None:
    for about in ("helo", "sender"):
        assert world.ask(world.use(about=about), helo=helo, sender=sender).result == "none"
    assert world.server.asked("bl.example") == []


@pytest.mark.parametrize("about", ["helo", "sender"])
def test_no_name_gets_around_a_list_by_its_length_or_its_hyphens(world: World, about: About) -> None:
    above = ".".join(["x" * 55] * 4) + ".bad.example"
    world.server.lists["bl.example"].listed = {above: ["127.0.1.2"], "-a-.bad.example": ["127.0.1.2"]}
    key = world.use(about=about)
    for name in (f"{'y' * 9}.{above}", "-a-.bad.example"):
        finding = world.ask(key, helo=name, sender=f"joe@{name}")
        assert finding.result == "listed"
        assert finding.reason.startswith(f"bl.example lists {name[:50]}")


def test_a_name_that_leaves_no_room_for_the_zone_is_not_listed_and_says_nothing_about_the_list(world: World) -> None:
    zone = ".".join(["z" * 62] * 3)
    world.server.lists[zone] = DnsList()
    assert world.ask(world.use(zone, "helo"), helo=f"{'x' * 40}.{'x' * 40}").result == "none"
    assert world.server.asked(zone) == []


def test_a_client_without_a_confirmed_name_is_not_asked_about_by_name(world: World) -> None:
    world.server.records = {f"{FOUR}.in-addr.arpa": {"PTR": ["forged.example"]}}
    world.server.faults["1.2.0.192.in-addr.arpa"] = Fault.SERVFAIL
    key = world.use(about="name")
    assert world.ask(key).reason == "the client has no confirmed name"
    assert world.ask(key, "192.0.2.1").result == "temperror"
    assert world.server.asked("bl.example") == []


@pytest.mark.parametrize("value", ["127.255.255.254", "127.0.0.1", "192.0.2.80"])
def test_a_list_that_gives_a_wrong_answer_counts_for_nothing_and_says_so(world: World, value: str) -> None:
    world.server.lists["bl.example"].listed = {FOUR: ["127.0.0.2", value]}
    key = world.use()
    finding = world.ask(key)
    assert finding.result == "permerror"
    assert value in finding.reason
    assert world.told == [("bl.example", f"IPv4 addresses: {finding.reason}")]
    asked = len(world.server.queries)
    assert world.ask(key, "192.0.2.1").result == "permerror"
    assert len(world.server.queries) == asked


@pytest.mark.parametrize("about", ["helo", "sender"])
def test_no_stranger_puts_a_list_to_sleep_by_a_name_in_its_zone_that_is_no_entry(world: World, about: About) -> None:
    world.server.lists["bl.example"].listed = {"a.ns": ["192.0.2.53"], "bad.example.org": ["127.0.1.2"]}
    key = world.use(about=about)
    finding = world.ask(key, helo="a.ns", sender="joe@a.ns")
    assert (finding.result, finding.reason) == ("permerror", "it answers 192.0.2.53, as no list does")
    assert world.ask(key, helo="bad.example.org", sender="joe@bad.example.org").result == "listed"
    assert world.told == []


def test_a_list_of_names_that_refuses_us_sleeps_when_it_was_looked_at(world: World) -> None:
    key = world.use(about="helo")
    assert world.ask(key, helo="good.example.org").result == "none"
    world.server.lists["bl.example"].everybody = "127.255.255.254"
    assert world.ask(key, helo="a.example.org").result == "permerror"
    until(lambda: world.told, "the look to be told of")
    asked = len(world.server.queries)
    assert world.ask(key, helo="b.example.org").result == "permerror"
    assert len(world.server.queries) == asked


def test_nothing_is_made_of_a_list_that_suddenly_lists_everybody(world: World) -> None:
    key = world.use()
    assert world.ask(key, "192.0.2.1").result == "none"
    world.server.lists["bl.example"].everybody = "127.0.0.2"
    finding = world.ask(key, "192.0.2.2")
    assert (finding.result, finding.reason) == ("permerror", "it lists whatever it is asked about: 127.0.0.2")
    assert world.ask(key).result == "permerror"
    assert len(world.told) == 1


def test_what_is_said_of_a_list_that_cannot_be_asked_lasts_for_ten_seconds(world: World) -> None:
    key = world.use()
    assert world.ask(key, "192.0.2.1").result == "none"
    assert world.lookup.ttl == 60
    world.server.lists["bl.example"].everybody = "127.0.0.2"
    for _ in range(2):
        assert world.ask(key).result == "permerror"
        assert world.lookup.ttl == 10
    world.server.lists["none.example"] = DnsList(tests={"2.0.0.127": ["127.0.0.2"]})
    assert world.ask(world.use("none.example"), "2001:db8::1").result == "none"
    assert world.lookup.ttl == 3600


def test_a_flood_of_those_who_are_listed_shares_few_probes(world: World) -> None:
    world = World(world.server, timeout=30.0)
    world.deadline = 60.0
    clients = [f"192.31.196.{last}" for last in range(100)]
    world.server.lists["bl.example"].listed = {f"{last}.196.31.192": ["127.0.0.2"] for last in range(100)}
    key = world.use()
    assert world.ask(key, "192.0.2.1").result == "none"
    before = len(world.server.queries)
    gate = world.server.hold()
    with ThreadPoolExecutor(100) as pool:
        answers = [pool.submit(world.ask, key, client) for client in clients]
        assert world.server.received(before + 100)
        gate.set()
        assert {each.result().result for each in answers} == {"listed"}
    assert len(world.server.queries) - before - 100 <= 20


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.SERVFAIL, Fault.SILENT])
def test_a_list_that_is_dead_or_refuses_counts_for_nothing(world: World, fault: Fault) -> None:
    key = world.use()
    assert world.ask(key, "192.0.2.1").result == "none"
    world.server.lists["bl.example"].fault = fault
    for last in range(2, 5):
        finding = world.ask(key, f"192.0.2.{last}")
        assert finding.result == ("permerror" if fault is Fault.REFUSED else "temperror")
    asked = len(world.names())
    assert world.ask(key).result in ("temperror", "permerror")
    assert until(lambda: world.told)
    assert world.ask(key).result in ("temperror", "permerror")
    assert len(world.names()) == asked


def test_a_question_that_had_no_time_says_nothing_about_a_list(world: World) -> None:
    key = world.use()
    world.ask(key, "192.0.2.1")
    world.server.lists["bl.example"].fault = Fault.SILENT
    asked = len(world.server.queries)
    for last in range(2, 8):
        world.deadline = 0.02
        assert world.ask(key, f"192.0.2.{last}").result == "temperror"
    world.server.lists["bl.example"].fault = NOTHING
    world.deadline = 5.0
    assert world.ask(key).result == "listed"
    assert len(world.server.queries) <= asked + 6 + 3, "six questions, one more, and its probe"


def test_no_key_of_a_zone_is_in_what_is_told_of_questions_and_findings(world: World) -> None:
    zone = f"{KEY}.zen.example.org"
    world.server.lists[zone] = DnsList({FOUR: ["127.0.0.2"]})
    world.server.records[f"11.196.31.192.{zone}"] = {"CNAME": [f"10.196.31.192.{zone}"]}
    key = world.use(zone, text="see {address}")
    for client in ("192.31.196.10", "192.31.196.11", "192.0.2.1"):
        finding = world.ask(key, client)
        assert KEY not in repr(finding)
        assert KEY not in repr(world.lookup.questions)
    world.server.lists[zone].everybody = "127.0.0.2"
    world.ask(key, "192.0.2.2")
    assert KEY not in repr(world.told)
    assert world.server.asked(zone)
