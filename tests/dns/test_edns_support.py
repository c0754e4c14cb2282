"""Nameservers without EDNS (RFC 6891 6.2.2, 7)."""

from collections.abc import Iterator
from queue import Queue

import dns.name
import pytest

from milter64.dns import edns_support
from milter64.dns.message import Response
from milter64.dns.nameserver import Nameserver, nameserver
from milter64.dns.nameservers import SILENCE, Nameservers
from milter64.dns.side_by_side import side_by_side
from milter64.dns.unanswered import TimedOut
from rig.asking import GOOD, PATIENCE, RECORDS, SLOW, TIMEOUT, exchange, join_probes
from rig.clock import Clock
from rig.dnsserver import ALL, Fault
from rig.plaindns import PlainDns, Way

LONG = "long.example"


class Asked:
    """One nameserver, and what it was found to be."""

    def __init__(self, clock: Clock, server: PlainDns) -> None:
        self.found = Queue[Nameserver]()
        self.breaker = Queue[bool]()
        self._clock = clock
        self.servers = Nameservers(
            [nameserver(server.address)], TIMEOUT, on_breaker=self.breaker.put, on_plain=self.found.put, clock=clock
        )

    def exchange(self, name: str = GOOD, seconds: float = PATIENCE) -> Response:
        return exchange(self.servers, name, self._clock() + seconds)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlainDns]:
    monkeypatch.setattr(edns_support, "_PATIENCE", TIMEOUT)
    records = {**RECORDS, LONG: {"A": [f"192.0.2.{number}" for number in range(50)]}, ".": {"NS": ["ns.example"]}}
    with PlainDns(records) as server:
        yield server
        server.way = None
        server.revive()
        join_probes()


@pytest.fixture
def asked(clock: Clock, plain: PlainDns) -> Asked:
    return Asked(clock, plain)


@pytest.mark.parametrize("way", Way)
def test_a_nameserver_without_edns_is_asked_without_and_told_of_once(
    plain: PlainDns, asked: Asked, clock: Clock, way: Way
) -> None:
    plain.way = way
    assert asked.exchange().answer == ("192.0.2.1",)
    assert str(asked.found.get(timeout=PATIENCE)) == plain.address
    extended = plain.extended
    for _ in range(3):
        assert asked.exchange().answer
    assert plain.extended == extended
    clock.advance(edns_support.LASTS)
    assert asked.exchange().answer
    assert plain.extended > extended
    join_probes()
    assert asked.found.empty()


def test_an_hour_later_it_may_have_learnt(plain: PlainDns, asked: Asked, clock: Clock) -> None:
    plain.way = Way.NOTIMP
    asked.exchange()
    asked.found.get(timeout=PATIENCE)
    plain.way = None
    clock.advance(edns_support.LASTS)
    before = plain.plain
    for _ in range(2):
        assert asked.exchange().answer
    assert plain.plain == before


@pytest.mark.parametrize("way", Way)
def test_its_long_answers_take_tcp(plain: PlainDns, asked: Asked, way: Way) -> None:
    plain.way = way
    assert len(asked.exchange(LONG).answer) == 50
    assert plain.tcp_queries == 1


@pytest.mark.parametrize("way", Way)
def test_one_question_that_is_answered_without_alone_makes_it_none(plain: PlainDns, asked: Asked, way: Way) -> None:
    """A datagram was lost, the name took its time, or it is the fault of the domain's own servers."""
    plain.way, plain.only = way, SLOW
    assert asked.exchange(SLOW).answer
    join_probes()
    assert asked.found.empty()
    extended = plain.extended
    asked.exchange()
    assert plain.extended == extended + 1


def test_who_is_silent_both_ways_is_none(plain: PlainDns, asked: Asked) -> None:
    plain.faults["."] = Fault.SILENT
    assert asked.exchange().answer
    join_probes()
    assert asked.found.empty()


def test_who_does_not_understand_at_all_is_none_either(plain: PlainDns, asked: Asked) -> None:
    plain.faults[ALL] = Fault.FORMERR
    plain.way = Way.FORMERR
    with pytest.raises(Exception, match="FORMERR"):
        asked.exchange()
    join_probes()
    assert asked.found.empty()


def test_the_breaker_closes_although_probes_with_edns_get_no_answer(
    plain: PlainDns, asked: Asked, clock: Clock
) -> None:
    plain.silence()
    for _ in range(2):
        with pytest.raises(TimedOut):
            asked.exchange(GOOD, 2.5 * TIMEOUT)
        clock.advance(SILENCE)
    assert asked.breaker.get(timeout=PATIENCE) is True
    plain.revive()
    assert asked.breaker.get(timeout=PATIENCE) is False
    assert asked.exchange().answer


@pytest.mark.parametrize("way", [Way.NOTIMP, Way.FORMERR])
def test_of_questions_asked_at_once_all_are_asked_without(
    plain: PlainDns, asked: Asked, clock: Clock, way: Way
) -> None:
    plain.way = way
    owners = [dns.name.from_text(name).to_digestable() for name in (GOOD, SLOW)]
    courses = {owner: asked.servers.exchange(owner, "A", clock() + PATIENCE) for owner in owners}
    assert all(response.answer for _, response in side_by_side(courses))
    assert [plain.count(name) for name in (GOOD, SLOW)] == [2, 2]
