"""Questions that are asked in one go: each gets what is its own, and none waits for another."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import dns.name
import pytest

from milter64.address.translator import Translator
from milter64.dns.datagram_sockets import DatagramSockets
from milter64.dns.lookup import Answer
from milter64.dns.message import Query, Response
from milter64.dns.nameserver import nameserver
from milter64.dns.query import by_datagram
from milter64.dns.resolver import Resolver
from milter64.dns.settings import Settings
from milter64.dns.side_by_side import Course, side_by_side
from milter64.dns.unanswered import OutOfMeans, Unanswered
from rig.dnsserver import DnsServer, Fault
from rig.process import until

RECORDS = {f"{n}.example": {"A": [f"192.0.2.{n}"]} for n in range(1, 9)} | {
    "alias.example": {"CNAME": ["8.example"]},
    "big.example": {"TXT": [f"{n} {'x' * 200}" for n in range(30)]},
}
TIMEOUT = 0.3
PATIENCE = 5.0


def datagram(server: DnsServer, name: str, seconds: float = PATIENCE) -> Course[Response | None]:
    """Ask for a name's addresses over UDP; None if nothing comes."""
    query = Query(dns.name.from_text(name).to_digestable(), "A")
    try:
        return (
            yield from by_datagram(query, nameserver(server.address), time.monotonic() + seconds, DatagramSockets())
        )
    except TimeoutError:
        return None


@pytest.fixture
def resolver(server: DnsServer) -> Resolver:
    return Resolver(Settings(nameservers=(server.address,), timeout=TIMEOUT), Translator())


def asked(resolver: Resolver, *names: str, seconds: float = PATIENCE, rdtype: str = "A") -> dict[str, object]:
    """Return the values of each name, or the words that there are none with; None where another waits for them."""
    outcomes = resolver.ask_all({(name, rdtype): resolver._clock() + seconds for name in names})  # noqa: SLF001
    return {
        name: outcome.values if isinstance(outcome, Answer) else outcome and str(outcome)
        for (name, _), outcome in outcomes
    }


def test_each_question_gets_its_own_answer_whatever_the_order(server: DnsServer) -> None:
    names = [name for name in RECORDS if name[0].isdigit()]
    replies = dict(side_by_side({name: datagram(server, name) for name in names}))
    assert {name: reply and reply.answer for name, reply in replies.items()} == {
        name: tuple(RECORDS[name]["A"]) for name in names
    }


def test_all_are_asked_before_any_is_answered(server: DnsServer) -> None:
    gate, names = server.hold(), ["1.example", "2.example"]
    with ThreadPoolExecutor() as pool:
        replies = pool.submit(lambda: list(side_by_side({name: datagram(server, name) for name in names})))
        until(lambda: len(server.queries) == 2, "both questions")
        gate.set()
        assert len(replies.result(PATIENCE)) == 2


def test_one_that_is_added_on_the_way_waits_for_no_other(server: DnsServer) -> None:
    gate = server.hold("1.example")
    courses = {name: datagram(server, name) for name in ("1.example", "2.example")}
    replies = side_by_side(courses)
    assert next(replies)[0] == "2.example"
    courses["3.example"] = datagram(server, "3.example")
    assert next(replies)[0] == "3.example"
    gate.set()
    assert [name for name, _ in replies] == ["1.example"]


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.WRONG_ID, Fault.WRONG_QUESTION, Fault.SILENT], ids=str)
def test_one_that_is_not_answered_keeps_no_other_from_its_answer(server: DnsServer, fault: Fault) -> None:
    server.faults["1.example"] = fault
    courses = {n: datagram(server, f"{n}.example", 0.2) for n in (1, 2, 3)}
    assert {n for n, reply in side_by_side(courses) if reply} == {2, 3}


def test_each_comes_as_soon_as_it_is_there(resolver: Resolver, server: DnsServer) -> None:
    gate = server.hold("1.example")
    deadline = resolver._clock() + PATIENCE  # noqa: SLF001
    outcomes = resolver.ask_all({("1.example", "A"): deadline, ("2.example", "A"): deadline})
    assert next(outcomes)[0] == ("2.example", "A")
    assert resolver.ask("2.example", "A", 0.0).values == ("192.0.2.2",), "it is in the cache"
    gate.set()
    assert next(outcomes)[0] == ("1.example", "A")


def test_what_becomes_of_a_question_is_its_own(resolver: Resolver, server: DnsServer) -> None:
    server.faults |= {"1.example": Fault.SERVFAIL, "2.example": Fault.SILENT}
    assert asked(resolver, "1.example", "2.example", "3.example", "alias.example", "no.example", "a..b") == {
        "1.example": "SERVFAIL",
        "2.example": "no answer in time",
        "3.example": ("192.0.2.3",),
        "alias.example": ("192.0.2.8",),
        "no.example": (),
        "a..b": (),
    }
    assert server.count("2.example") == 2, "a datagram may have been lost"
    assert server.count("1.example") == 1


def test_one_that_is_cut_short_goes_over_tcp_alone(resolver: Resolver, server: DnsServer) -> None:
    assert len(str(asked(resolver, "big.example", "1.example", rdtype="TXT")["big.example"])) > 30 * 200
    assert server.tcp_queries == 1


@pytest.mark.parametrize("follows_cnames", [False, True])
def test_one_that_is_cut_short_or_leads_on_has_its_time_beside_one_without_answer(
    resolver: Resolver, server: DnsServer, *, follows_cnames: bool
) -> None:
    server.follows_cnames = follows_cnames
    server.faults |= {"1.example": Fault.SILENT, "alias.example": Fault.TRUNCATED}
    answers = asked(resolver, "1.example", "alias.example", seconds=TIMEOUT)
    assert answers == {"1.example": "no answer in time", "alias.example": ("192.0.2.8",)}


def test_where_tcp_hangs_it_hangs_for_one_alone(resolver: Resolver, server: DnsServer) -> None:
    server.faults |= {"1.example": Fault.TRUNCATED | Fault.TCP_HANGS, "2.example": Fault.TRUNCATED}
    assert asked(resolver, "1.example", "2.example", "3.example", seconds=TIMEOUT) == {
        "1.example": "no answer over TCP in time",
        "2.example": ("192.0.2.2",),
        "3.example": ("192.0.2.3",),
    }


def test_who_asks_no_more_leaves_nobody_waiting(resolver: Resolver) -> None:
    deadline = resolver._clock() + PATIENCE  # noqa: SLF001
    resolver.ask("1.example", "A", deadline)
    outcomes = resolver.ask_all({("1.example", "A"): deadline, ("2.example", "A"): deadline})
    assert next(outcomes)[0] == ("1.example", "A"), "it is in the cache"
    del outcomes
    assert resolver.ask("2.example", "A", deadline).values == ("192.0.2.2",)


def test_each_has_its_own_deadline(resolver: Resolver, server: DnsServer) -> None:
    server.faults["1.example"] = Fault.SILENT
    now = resolver._clock()  # noqa: SLF001
    outcomes = dict(resolver.ask_all({("1.example", "A"): now + TIMEOUT, ("2.example", "A"): now + PATIENCE}))
    assert isinstance(outcomes["1.example", "A"], Unanswered)
    assert server.count("1.example") == 1, "there was no time for a second try"


def test_what_another_waits_for_is_said_at_once_and_can_be_joined(resolver: Resolver, server: DnsServer) -> None:
    gate = server.hold("1.example")
    with ThreadPoolExecutor() as pool:
        pool.submit(asked, resolver, "1.example", "2.example")
        until(lambda: server.count("1.example"), "the question")
        assert asked(resolver, "1.example", "3.example") == {"1.example": None, "3.example": ("192.0.2.3",)}
        joined = pool.submit(resolver.ask, "1.example", "A", resolver._clock() + PATIENCE)  # noqa: SLF001
        gate.set()
        assert joined.result(PATIENCE).values == ("192.0.2.1",)
    assert server.count("1.example") == 1


def test_one_question_spelt_in_two_ways_is_asked_once(resolver: Resolver, server: DnsServer) -> None:
    assert asked(resolver, "1.example", "1.EXAMPLE") == {"1.example": ("192.0.2.1",), "1.EXAMPLE": None}
    assert server.count("1.example") == 1


def test_who_joins_is_not_left_waiting_when_the_asker_breaks_down(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = Event()
    join = resolver._join  # noqa: SLF001  to know when it is called

    def break_down(*_: object) -> Course[Response]:
        assert joined.wait(PATIENCE)
        raise ZeroDivisionError
        yield  # it is a course

    def joins(*one: Any) -> Answer | Unanswered | None:  # noqa: ANN401  handed on
        joined.set()
        return join(*one)

    monkeypatch.setattr(resolver._nameservers, "exchange", break_down)  # noqa: SLF001  nothing else breaks down
    monkeypatch.setattr(resolver, "_join", joins)
    with ThreadPoolExecutor() as pool:
        asker = pool.submit(asked, resolver, "1.example")
        until(lambda: resolver._flights, "the question")  # noqa: SLF001  nobody else knows
        with pytest.raises(Unanswered, match="broke down"):
            resolver.ask("1.example", "A", resolver._clock() + PATIENCE)  # noqa: SLF001
        assert isinstance(asker.exception(PATIENCE), ZeroDivisionError)


def test_want_of_means_is_that_of_all(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sockets(*_: object, **_more: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("milter64.dns.nameservers.by_datagram", no_sockets)
    deadline = resolver._clock() + PATIENCE  # noqa: SLF001
    outcomes = dict(resolver.ask_all({("1.example", "A"): deadline, ("2.example", "A"): deadline}))
    assert {type(outcome) for outcome in outcomes.values()} == {OutOfMeans}
