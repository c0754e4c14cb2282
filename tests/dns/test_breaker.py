"""When the breaker opens and closes."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Queue

import pytest

from milter64.dns import nameservers
from milter64.dns.nameserver import nameserver
from milter64.dns.nameservers import Nameservers
from milter64.dns.unanswered import Unanswered
from rig.asking import (
    GOOD,
    PATIENCE,
    RECORDS,
    SLOW,
    TIMEOUT,
    Asked,
    exchange,
    join_probes,
    probes,
    time_out_beside_an_answer,
)
from rig.clock import Clock
from rig.dnsserver import ALL, DnsServer, Fault


@pytest.fixture(autouse=True)
def _hasty(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Probe more often than every second; end with the server alive, so that no probe outlives the test."""
    monkeypatch.setattr(nameservers, "PROBE_EVERY", 0.4)
    yield
    server.revive()
    join_probes()


def open_breaker(asked: Asked, server: DnsServer, clock: Clock) -> None:
    """Be silent for five seconds, though asked."""
    server.silence()
    asked.fails(SLOW)
    clock.advance(nameservers.SILENCE)
    asked.fails(SLOW)
    assert asked.news.get(timeout=PATIENCE) is True


def test_five_seconds_of_silence_open_the_breaker_and_an_answer_to_a_probe_closes_it(
    server: DnsServer, clock: Clock
) -> None:
    asked = Asked(clock, server.address)
    open_breaker(asked, server, clock)
    tries = server.count(GOOD)
    began = time.monotonic()
    assert asked.fails(GOOD) == "no nameserver answers"
    assert time.monotonic() - began < PATIENCE / 2
    assert server.count(GOOD) == tries
    server.revive()
    assert asked.news.get(timeout=PATIENCE) is False
    assert asked.exchange(GOOD).answer
    assert asked.news.empty()


def test_the_breaker_opens_as_often_as_it_must(server: DnsServer, clock: Clock) -> None:
    asked = Asked(clock, server.address)
    for _ in range(2):
        open_breaker(asked, server, clock)
        server.revive()
        assert asked.news.get(timeout=PATIENCE) is False
        join_probes()


def test_who_waits_when_the_breaker_opens_waits_for_no_further_try(server: DnsServer, clock: Clock) -> None:
    asked = Asked(clock, *[server.address] * 20)
    server.silence()
    with ThreadPoolExecutor() as pool:
        words = pool.submit(asked.fails, GOOD, 60)
        assert server.received(1)
        clock.advance(nameservers.SILENCE)
        assert asked.news.get(timeout=PATIENCE) is True
        assert words.result(PATIENCE) == "no nameserver answers"
    assert server.count(GOOD) < 10


def test_however_many_wait_one_probe_is_sent_a_second(server: DnsServer, clock: Clock) -> None:
    asked = Asked(clock, server.address)
    server.silence()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(asked.fails, f"n{n}.example", 60) for n in range(5)]
        assert server.received(5)
        clock.advance(nameservers.SILENCE)
        assert all(words.result(PATIENCE) for words in waiting)
    assert len(probes()) == 1
    assert asked.news.get(timeout=PATIENCE) is True


def test_a_closed_port_opens_the_breaker_too_and_a_second_goes_by_before(clock: Clock) -> None:
    with DnsServer() as gone:
        port = gone.port
    asked = Asked(clock, f"127.0.0.1:{port}")
    asked.fails(GOOD)
    clock.advance(nameservers.SILENCE)
    began = time.monotonic()
    asked.fails(GOOD)
    assert asked.news.get(timeout=PATIENCE) is True
    assert time.monotonic() - began >= nameservers.PROBE_EVERY
    with DnsServer(RECORDS, port=port):
        assert asked.news.get(timeout=PATIENCE) is False


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.REFUSED, Fault.FORMERR, Fault.TRUNCATED])
def test_whatever_a_nameserver_answers_to_a_probe_it_is_alive(server: DnsServer, clock: Clock, fault: Fault) -> None:
    asked = Asked(clock, server.address)
    open_breaker(asked, server, clock)
    server.faults[ALL] = fault
    assert asked.news.get(timeout=PATIENCE) is False


def test_the_second_nameserver_is_probed_too(server: DnsServer, other: DnsServer, clock: Clock) -> None:
    asked = Asked(clock, server.address, other.address)
    other.silence()
    open_breaker(asked, server, clock)
    other.revive()
    assert asked.news.get(timeout=PATIENCE) is False


def test_one_slow_name_does_not_open_the_breaker(server: DnsServer, clock: Clock) -> None:
    asked = Asked(clock, server.address)
    server.faults[SLOW] = Fault.SILENT
    asked.fails(SLOW)
    clock.advance(nameservers.SILENCE)
    asked.fails(SLOW)
    join_probes()
    assert server.count(".", "NS") == 1
    assert asked.news.empty()
    assert asked.exchange(GOOD).answer


def test_an_answer_to_anybody_in_the_last_second_keeps_the_breaker_closed(server: DnsServer, clock: Clock) -> None:
    asked = Asked(clock, server.address)
    server.faults["."] = server.faults[SLOW] = Fault.SILENT
    asked.fails(SLOW)
    clock.advance(nameservers.SILENCE)
    seen = len(server.queries)
    asked.fails(SLOW)
    assert server.received(seen + 3)
    assert asked.exchange(GOOD).answer
    join_probes()
    assert asked.news.empty()


def test_silence_without_questions_opens_nothing(server: DnsServer, clock: Clock) -> None:
    asked = Asked(clock, server.address)
    asked.exchange(GOOD)
    clock.advance(3600)
    server.silence()
    asked.fails(SLOW)
    assert not probes()
    assert server.count(".") == 0


def test_closing_clears_the_marks_that_were_set_meanwhile(server: DnsServer, clock: Clock) -> None:
    asked = Asked(clock, server.address)
    time_out_beside_an_answer(asked, server, "late.example")
    del server.faults["late.example"]
    open_breaker(asked, server, clock)
    server.revive()
    assert asked.news.get(timeout=PATIENCE) is False
    assert asked.exchange("late.example")


def test_a_line_that_cannot_be_logged_does_not_keep_the_breaker_open(server: DnsServer, clock: Clock) -> None:
    def log(_: bool) -> None:  # noqa: FBT001  as on_breaker is called
        told.put(None)
        raise BrokenPipeError

    told = Queue[None]()
    servers = Nameservers([nameserver(server.address)], TIMEOUT, on_breaker=log, clock=clock)
    server.silence()
    for _ in range(2):
        with suppress(Unanswered):
            exchange(servers, GOOD, clock() + PATIENCE)
        clock.advance(nameservers.SILENCE)
    told.get(timeout=PATIENCE)
    server.revive()
    told.get(timeout=PATIENCE)
    assert exchange(servers, GOOD, clock() + PATIENCE).answer
