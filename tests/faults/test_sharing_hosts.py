"""What befalls hosts that share, while mail flows over both: clocks that are wrong, reloads, crashes and upgrades."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import pytest

from rig.direct import Message
from rig.hosts import SharingHost, sharing
from rig.lab import Lab
from rig.process import until
from rig.procfs import children
from rig.redis import Redis
from rig.service import Milter64
from rig.two_hosts import TwoHosts

pytestmark = pytest.mark.long

SKEWED = """
import sys, time
right = time.time
time.time = lambda: right() + {seconds}
from milter64.cli.main import main
sys.exit(main())
"""


def skewed(seconds: float) -> type[SharingHost]:
    """Return a host whose clock is wrong by so much."""

    class Skewed(SharingHost):
        program = (sys.executable, "-c", SKEWED.format(seconds=seconds), "run", "--config")

    return Skewed


@pytest.mark.parametrize("seconds", [290.0, pytest.param(-290.0, marks=pytest.mark.slow)])
def test_clocks_that_are_five_minutes_apart_forgive_nobody_early_and_delay_nobody_twice(
    lab: Lab, seconds: float
) -> None:
    redis = lab.start(Redis)
    with TwoHosts(lab, redis.url, lambda: [redis.path], kinds=(SharingHost, skewed(seconds))) as two:
        two.endure(nullcontext(), seconds=4.0)


def test_a_host_whose_clock_is_further_off_shares_nothing_and_says_whose_it_is(lab: Lab) -> None:
    redis = lab.start(Redis)
    one, other = sharing(lab, redis, 2)
    astray = lab.start(skewed(400.0), redis.url)
    line = astray.wait_log(lambda line: line["event"] == "sharing")
    assert "the clock of this host is 400 s ahead of that of" in line["trouble"]
    message = Message(address="192.0.2.1")
    assert message.offer(astray).action == "tempfail"
    assert Message(address="192.0.2.1", sender="other@honest.example").offer(one).action == "tempfail"
    until(lambda: other.pairs, "the others to share")
    until(lambda: message.offer(astray).action == "continue", "the retry to pass")
    assert other.pairs == one.pairs == {"<other@honest.example> <b@lab.example>"}
    assert astray.pairs == {"<a@honest.example> <b@lab.example>"}


Fault = Callable[[Redis, TwoHosts], AbstractContextManager[None]]


def _none_left(host: SharingHost, workers: Sequence[int]) -> bool:
    return not {*workers} & {*children(host.pid)}


@contextmanager
def reloaded(redis: Redis, two: TwoHosts) -> Iterator[None]:
    """All workers end with what they have yet to send."""
    redis.stop()
    yield
    for host in two.hosts:
        before = children(host.pid)
        host.reload()
        until(partial(_none_left, host, before), "workers to be replaced")
    redis.go_on()


@contextmanager
def crashed(redis: Redis, two: TwoHosts) -> Iterator[None]:
    """All workers are killed with what they have yet to send."""
    redis.stop()
    yield
    two.rest()
    for host in two.hosts:
        for worker in children(host.pid):
            os.kill(worker, signal.SIGKILL)
    redis.go_on()


@pytest.mark.parametrize(
    "fault", [pytest.param(reloaded, marks=pytest.mark.slow), crashed], ids=lambda fault: fault.__name__
)
def test_what_workers_had_yet_to_send_when_they_ended_is_not_lost(lab: Lab, fault: Fault) -> None:
    redis = lab.start(Redis)
    with TwoHosts(lab, redis.url, lambda: [redis.path]) as two:
        two.endure(fault(redis, two))


def test_an_upgrade_from_a_store_of_its_own_to_a_shared_one_and_back_loses_nothing(lab: Lab) -> None:
    store = lab.folder / "greylist.sqlite"
    plain = f'[greylist]\nstore = "sqlite:{store}"\napply = "all"\ndelay = "2s"\n'
    passed, waiting, learned = (Message(address="192.0.2.1", sender=f"{name}@honest.example") for name in "abc")
    before = lab.start(Milter64, plain)
    for message in (passed, waiting):
        assert message.offer(before).action == "tempfail"
    until(lambda: passed.offer(before).action == "continue", "a retry to pass")
    assert before.stop() == 0

    redis = lab.start(Redis)
    other, one = lab.start(SharingHost, redis.url), lab.start(SharingHost, redis.url, store=store)
    until(lambda: redis.ask("DBSIZE") != "0" and len(other.pairs) >= 2, "the other to learn its rows")
    assert [message.offer(other).action for message in (passed, waiting)] == ["continue", "continue"]
    assert learned.offer(other).action == "tempfail"
    until(lambda: learned.offer(other).action == "continue", "a retry to pass")
    until(lambda: learned.offer(one).action == "continue", "the one to learn of it", seconds=1.5)
    assert one.stop() == 0

    back = lab.start(Milter64, plain)
    assert [message.offer(back).action for message in (passed, waiting, learned)] == ["continue"] * 3
