"""Which nameserver is asked, and which names are not asked about."""

import errno
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from milter64.dns import nameservers
from milter64.dns.unanswered import OutOfMeans
from rig.asking import GOOD, PATIENCE, SLOW, TIMEOUT, Asked, time_out_beside_an_answer
from rig.clock import Clock
from rig.dnsserver import ALL, DnsServer, Fault


@pytest.fixture
def make(clock: Clock) -> Callable[..., Asked]:
    return partial(Asked, clock)


def dead_address() -> str:
    with DnsServer() as gone:
        return gone.address


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.REFUSED, Fault.FORMERR, Fault.SILENT, Fault.GARBAGE])
def test_where_one_nameserver_fails_the_next_is_asked(
    server: DnsServer, other: DnsServer, make: Callable[..., Asked], fault: Fault
) -> None:
    server.faults[ALL] = fault
    assert make(server.address, other.address).exchange(GOOD).answer
    assert server.count(GOOD) == (2 if fault is Fault.FORMERR else 1), "without EDNS too"


def test_where_one_port_is_closed_the_next_nameserver_is_asked_at_once(
    server: DnsServer, make: Callable[..., Asked]
) -> None:
    asked = make(dead_address(), server.address, timeout=PATIENCE)
    began = time.monotonic()
    assert asked.exchange(GOOD).answer
    assert time.monotonic() - began < PATIENCE / 2


def test_who_answered_last_is_asked_first(server: DnsServer, other: DnsServer, make: Callable[..., Asked]) -> None:
    asked = make(server.address, other.address)
    server.silence()
    asked.exchange(GOOD)
    asked.exchange(GOOD)
    assert (server.count(GOOD), other.count(GOOD)) == (1, 2)
    server.revive()
    other.silence()
    asked.exchange(GOOD)
    asked.exchange(GOOD)
    assert (server.count(GOOD), other.count(GOOD)) == (3, 3)


@pytest.mark.parametrize(
    ("fault", "words", "tries"),
    [
        (Fault.SERVFAIL, "SERVFAIL ({})", 1),
        (Fault.REFUSED, "REFUSED ({})", 1),
        (Fault.FORMERR, "FORMERR ({})", 2),
        (Fault.SILENT, "no answer in time ({})", 2),
        (Fault.GARBAGE, "no answer in time ({})", 2),
        (Fault.WRONG_ID, "no answer in time ({})", 2),
        (Fault.TRUNCATED | Fault.TCP_HANGS, "no answer over TCP in time ({})", 4),
        (Fault.TRUNCATED | Fault.GARBAGE | Fault.THEN_RIGHT, "garbage over TCP ({})", 2),
    ],
)
def test_a_nameserver_that_fails_leaves_the_question_unanswered_and_the_next_one_untouched(
    server: DnsServer, make: Callable[..., Asked], fault: Fault, words: str, tries: int
) -> None:
    asked = make(server.address)
    server.faults[SLOW] = fault
    failure = asked.failure(SLOW)
    assert failure.in_full == words.format(server.address)
    assert str(failure) == words.removesuffix(" ({})")
    assert server.count(SLOW) == tries
    assert asked.exchange(GOOD).answer


def test_a_closed_port_is_named(make: Callable[..., Asked]) -> None:
    address = dead_address()
    failure = make(address).failure(GOOD)
    assert (str(failure), failure.in_full) == ("connection refused", f"connection refused ({address})")


def test_our_own_want_of_means_is_told_from_a_nameservers_silence(
    server: DnsServer, clock: Clock, make: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = make(server.address)

    def no_sockets(*_: object, **_more: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(nameservers, "by_datagram", no_sockets)
        for _ in range(2):
            failure = asked.failure(GOOD)
            assert (type(failure), str(failure)) == (OutOfMeans, "too many open files")
            clock.advance(nameservers.SILENCE + 1)
    assert asked.exchange(GOOD).answer
    assert asked.news.empty()


def test_a_lost_datagram_is_forgiven(server: DnsServer, make: Callable[..., Asked]) -> None:
    asked = make(server.address)
    server.silence()
    with ThreadPoolExecutor() as pool:
        reply = pool.submit(asked.exchange, GOOD)
        assert server.received(1)
        server.revive()
        assert reply.result(PATIENCE).answer


def test_no_try_outlasts_the_deadline(server: DnsServer, make: Callable[..., Asked]) -> None:
    asked = make(server.address, timeout=PATIENCE)
    server.silence()
    began = time.monotonic()
    asked.fails(GOOD, TIMEOUT)
    assert time.monotonic() - began < PATIENCE / 2
    assert server.count(GOOD) == 1


def test_nothing_is_sent_after_the_deadline(server: DnsServer, make: Callable[..., Asked]) -> None:
    assert make(server.address).fails(GOOD, 0) == "no time left"
    assert not server.queries


def test_a_truncated_answer_is_fetched_over_tcp(server: DnsServer, make: Callable[..., Asked]) -> None:
    server.faults[GOOD] = Fault.TRUNCATED
    assert make(server.address).exchange(GOOD).answer
    assert (server.count(GOOD), server.tcp_queries) == (2, 1)


def test_a_name_that_timed_out_beside_answers_is_not_asked_about_for_a_minute(
    server: DnsServer, clock: Clock, make: Callable[..., Asked]
) -> None:
    asked = make(server.address)
    time_out_beside_an_answer(asked, server, SLOW)
    tries = server.count(SLOW)
    server.revive()
    del server.faults[SLOW]
    assert asked.fails(SLOW.upper()) == "timed out a moment ago"
    clock.advance(nameservers.MARK_LASTS - 1)
    assert asked.fails(SLOW) == "timed out a moment ago"
    assert server.count(SLOW) == tries
    clock.advance(1)
    assert asked.exchange(SLOW).answer
    assert asked.exchange(SLOW).answer


def test_silence_about_one_type_says_nothing_of_another(server: DnsServer, make: Callable[..., Asked]) -> None:
    asked = make(server.address)
    time_out_beside_an_answer(asked, server, SLOW)
    del server.faults[SLOW]
    assert asked.fails(SLOW) == "timed out a moment ago"
    assert asked.exchange(SLOW, rdtype="TXT")


def test_a_name_that_timed_out_when_nothing_else_was_answered_is_asked_about_again(
    server: DnsServer, make: Callable[..., Asked]
) -> None:
    asked = make(server.address)
    asked.exchange(GOOD)
    server.silence()
    asked.fails(SLOW)
    server.revive()
    assert asked.exchange(SLOW).answer


def test_a_name_is_not_marked_by_an_asker_in_a_hurry(server: DnsServer, make: Callable[..., Asked]) -> None:
    asked = make(server.address)
    server.faults[SLOW] = Fault.SILENT
    with ThreadPoolExecutor() as pool:
        silence = pool.submit(asked.fails, SLOW, TIMEOUT * 0.7)
        assert server.received(1)
        asked.exchange(GOOD)
        silence.result(PATIENCE)
    del server.faults[SLOW]
    assert asked.exchange(SLOW).answer


def test_the_oldest_mark_makes_room_for_the_newest(server: DnsServer, make: Callable[..., Asked]) -> None:
    asked = make(server.address)
    time_out_beside_an_answer(asked, server, "a.example")
    room = 2 * asked.nameservers.marks[0]
    asked = make(server.address, capacity=room)
    for name in ("a.example", "b.example", "c.example"):
        time_out_beside_an_answer(asked, server, name)
    assert asked.fails("b.example") == asked.fails("c.example") == "timed out a moment ago"
    assert asked.nameservers.marks == (room, room)
    assert asked.fails("a.example") != "timed out a moment ago"
