"""What a resolver remembers, and whom it lets wait together."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest

from milter64.address.translator import Translator
from milter64.dns.lookup import Answer, Lookup, asked_alone
from milter64.dns.message import Response
from milter64.dns.resolver import Resolver, _Flight
from milter64.dns.settings import Settings
from milter64.dns.side_by_side import Course
from milter64.dns.unanswered import OutOfMeans, Unanswered
from milter64.limits.memory import USUAL
from milter64.numbers.counting_resolver import CountingResolver
from milter64.telemetry.metrics import Tally
from rig.clock import Clock
from rig.dnsserver import DnsServer, Fault

PATIENCE = 5.0
MOMENT = 0.2
"""Seconds in which a question would arrive, if one came."""


@pytest.mark.parametrize(("published", "ttl"), [(300, 300), (3600, 3600), (2**31 - 1, 3600), (0, 1)])
@pytest.mark.parametrize("name", ["example.org", "nowhere.example.net"], ids=["RFC 1035 3.2.1", "RFC 2308 5"])
def test_an_answer_is_remembered_for_its_ttl(
    server: DnsServer, clock: Clock, ask: Callable[..., Answer], name: str, *, published: int, ttl: int
) -> None:
    server.ttl = server.negative_ttl = published
    first = ask(name, "A")
    assert first.ttl == ttl
    clock.advance(ttl - 0.5)
    again = ask(name, "A")
    assert (again.values, again.exists, again.name, again.ttl) == (first.values, first.exists, first.name, 0)
    assert server.count(name) == 1
    clock.advance(0.5)
    ask(name, "A")
    assert server.count(name) == 2


def test_a_remembered_answer_is_of_the_name_that_aliases_lead_to(server: DnsServer, ask: Callable[..., Answer]) -> None:
    server.records["alias.example.org"] = {"CNAME": ["host.example.org"]}
    server.records["host.example.org"] = {"A": ["192.0.2.7"]}
    assert [ask("alias.example.org", "A").name for _ in range(2)] == ["host.example.org"] * 2
    assert server.count("alias.example.org") == 1


def test_a_remembered_answer_has_the_rest_of_its_ttl(ask: Callable[..., Answer], clock: Clock) -> None:
    ask("example.org", "A")
    clock.advance(100)
    assert ask("example.org", "A").ttl in (199, 200)


def test_a_denial_without_soa_is_remembered_for_a_second_alone(  # RFC 2308 5
    ask: Callable[..., Answer], server: DnsServer
) -> None:
    server.negative_ttl = None
    assert ask("nowhere.example.net", "A").ttl == 1
    assert ask("to.nothing.example", "A").ttl == 1
    assert ask("to.nowhere.example", "A").ttl == 1
    assert (server.count("to.nothing.example"), server.count("only.mx.example")) == (1, 1), "NODATA or unfinished?"
    assert (server.count("to.nowhere.example"), server.count("nowhere.example.net")) == (1, 1), "NXDOMAIN is final"


def test_case_and_a_final_dot_make_no_other_question(ask: Callable[..., Answer], server: DnsServer) -> None:
    for name in ("example.org", "EXAMPLE.org", "example.org."):
        assert set(ask(name, "A").values) == {"192.0.2.1", "192.0.2.2"}
    assert len(server.queries) == 1
    assert ask("example.org", "AAAA").values
    assert len(server.queries) == 2


def test_what_lasts_no_longer_than_it_should_is_asked_anew_and_serves_others_until_then(
    ask: Callable[..., Answer], server: DnsServer, clock: Clock
) -> None:
    for lasting, asked in ((0.0, 1), (298.0, 1), (300.0, 2)):
        assert ask("example.org", "A", lasting=lasting).ttl in (299, 300)
        assert server.count("example.org") == asked
    clock.advance(200.0)
    server.silence()
    with pytest.raises(Unanswered):
        ask("example.org", "A", MOMENT, lasting=250.0)
    assert ask("example.org", "A", MOMENT).ttl in (99, 100)


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.REFUSED, Fault.SILENT])
def test_a_failure_is_not_remembered(ask: Callable[..., Answer], server: DnsServer, fault: Fault) -> None:
    server.faults["example.org"] = fault
    with pytest.raises(Unanswered):
        ask("example.org", "A", MOMENT)
    del server.faults["example.org"]
    assert ask("example.org", "A").values


def test_the_answer_that_was_used_longest_ago_makes_room(server: DnsServer) -> None:
    memory = replace(USUAL, answers=40_000)
    resolver = Resolver(Settings(nameservers=(server.address,)), Translator(), memory=memory)
    for name in ("large0.example", "large1.example", "large2.example"):
        server.records[name] = {"TXT": ["x" * 14_000]}
    for number in (0, 1, 0, 2, 0):
        resolver.ask(f"large{number}.example", "TXT", time.monotonic() + PATIENCE)
    asked = server.tcp_queries
    resolver.ask("large0.example", "TXT", time.monotonic() + PATIENCE)
    assert server.tcp_queries == asked == 3
    resolver.ask("large1.example", "TXT", time.monotonic() + PATIENCE)
    assert server.tcp_queries == 4


def test_a_huge_answer_is_not_remembered(ask: Callable[..., Answer], server: DnsServer) -> None:
    server.records["huge.example"] = {"TXT": ["x" * 20_000]}
    assert ask("huge.example", "TXT").values == ask("huge.example", "TXT").values == (b"x" * 20_000,)
    assert server.tcp_queries == 2


def test_the_same_question_in_flight_is_asked_once(ask: Callable[..., Answer], server: DnsServer) -> None:
    gate = server.hold("example.org")
    with ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(ask, name, "A") for name in ("example.org", "Example.Org.") * 10]
        assert not server.received(2, MOMENT)
        gate.set()
        assert {frozenset(future.result(PATIENCE).values) for future in futures} == {
            frozenset({"192.0.2.1", "192.0.2.2"})
        }
    assert server.count("example.org") == 1


def test_other_questions_do_not_wait_for_the_one_in_flight(ask: Callable[..., Answer], server: DnsServer) -> None:
    gate = server.hold("example.org")
    with ThreadPoolExecutor() as pool:
        future = pool.submit(ask, "example.org", "A")
        assert server.received(1)
        assert ask("n10.example", "A").values
        assert not future.done()
        gate.set()
        assert future.result(PATIENCE).values


def test_who_joins_a_question_that_fails_is_told_so(ask: Callable[..., Answer], server: DnsServer) -> None:
    server.faults["example.org"] = Fault.SERVFAIL
    gate = server.hold("example.org")
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(ask, "example.org", "A") for _ in range(3)]
        assert not server.received(2, MOMENT)
        gate.set()
        assert all("SERVFAIL" in str(future.exception(PATIENCE)) for future in futures)
    assert server.count("example.org") == 1


def test_who_joins_waits_no_longer_than_their_own_deadline(ask: Callable[..., Answer], server: DnsServer) -> None:
    gate = server.hold("example.org")
    with ThreadPoolExecutor() as pool:
        future = pool.submit(ask, "example.org", "A")
        assert server.received(1)
        began = time.monotonic()
        with pytest.raises(Unanswered, match="no answer in time"):
            ask("example.org", "A", MOMENT)
        assert MOMENT <= time.monotonic() - began < PATIENCE / 2  # who asked first waits that long
        gate.set()
        assert future.result(PATIENCE).values


def test_who_joined_and_has_more_time_asks_again(ask: Callable[..., Answer], server: DnsServer) -> None:
    gate = server.hold("example.org")
    with ThreadPoolExecutor() as pool:
        hurried: Future[Answer] = pool.submit(ask, "example.org", "A", 2 * MOMENT)
        assert server.received(1)
        patient = pool.submit(ask, "example.org", "A")
        assert isinstance(hurried.exception(PATIENCE), Unanswered)
        assert server.received(2)
        gate.set()
        assert patient.result(PATIENCE).values
    assert server.count("example.org") == 2


def test_what_is_remembered_is_answered_after_the_deadline_and_without_nameservers(
    ask: Callable[..., Answer], server: DnsServer
) -> None:
    ask("example.org", "A")
    server.silence()
    assert ask("example.org", "A", -1).values


@pytest.mark.parametrize("tally", [None, Tally()], ids=["uncounted", "counted"])
def test_a_lookup_hands_on_how_long_answers_are_to_last(server: DnsServer, tally: Tally | None) -> None:
    settings = Settings(nameservers=(server.address,), timeout=1.0)
    resolver = (
        CountingResolver(settings, Translator(), tally, on_breaker=lambda _: None)
        if tally
        else Resolver(settings, Translator())
    )
    for lasting, asked in ((0.0, 1), (0.0, 1), (1000.0, 2)):
        asked_alone(Lookup(time.monotonic() + PATIENCE).ask("example.org", "A"), resolver, lasting)
        assert server.count("example.org") == asked


def test_those_who_wait_for_the_same_are_told_of_the_same_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(Settings(nameservers=("127.0.0.1:9",)), Translator())
    asked, joined = Event(), Event()
    join = resolver._join  # noqa: SLF001  to know when it is called

    def no_sockets(*_: object) -> Course[Response]:
        asked.set()
        assert joined.wait(PATIENCE)
        raise OutOfMeans("too many open files")
        yield  # it is a course

    def joins(flight: _Flight, deadline: float) -> Answer | Unanswered | None:
        joined.set()
        return join(flight, deadline)

    monkeypatch.setattr(resolver._nameservers, "exchange", no_sockets)  # noqa: SLF001  it would ask
    monkeypatch.setattr(resolver, "_join", joins)
    lookups = [Lookup(time.monotonic() + PATIENCE) for _ in range(2)]

    def ask(lookup: Lookup) -> bool:
        with pytest.raises(OutOfMeans):
            asked_alone(lookup.ask("example.org", "A"), resolver)
        return lookup.out_of_means

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, lookups[0])
        assert asked.wait(PATIENCE)
        second = pool.submit(ask, lookups[1])
        assert first.result()
        assert second.result()
