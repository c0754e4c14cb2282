"""A cache that forked workers share, where they write at once, are killed over it, or strangers write for them."""

import os
import signal
from collections.abc import Callable

import pytest

from rig.forked import forked
from rig.sharedcache import CAPACITY, LARGEST, Made, make


def test_many_that_write_at_once_spoil_some_and_nobody_gets_what_is_not_right() -> None:
    cache = make(200_000)

    def work() -> bytes:
        seed, wrong, found = os.getpid(), 0, 0
        for number in range(20_000):
            key = (number * 7919 + seed) % 500
            value = cache.get((str(key),))
            found += value is not None
            wrong += value is not None and value != _of(key)
            cache.put((str(key),), _of(key))
        return f"{wrong} {found > 2000}".encode()

    assert forked(4, work) == [b"0 True"] * 4


def _of(key: int) -> tuple[int, bytes]:
    return key, str(key).encode() * (key % 50)


ROOM, POSITIONS = make().room, make().positions


@pytest.mark.parametrize(
    "damage",
    [
        lambda cache: cache.write_over(40, b"y"),
        lambda cache: cache.write_over(12, bytes(100)),
        lambda cache: cache.write_over(0, bytes(12)),
        lambda cache: cache.write_over(0, b"\xff" * 12),
        lambda cache: cache.lead_to(1),
        lambda cache: cache.lead_to(ROOM - 1),
        lambda cache: cache.lead_to(ROOM),
        lambda cache: cache.lead_to(POSITIONS - 1),
        lambda cache: cache.lead_to(2**48 - 1),
    ],
)
def test_a_record_that_was_cut_short_or_written_over_counts_as_none(damage: Callable[[Made], None]) -> None:
    cache = make()
    cache.put(("a",), b"x" * 100)
    damage(cache)
    assert cache.get(("a",)) is None
    cache.put(("a",), 2)
    assert cache.get(("a",)) == 2


def test_a_whole_record_in_what_a_stranger_says_is_none() -> None:
    cache, forged = make(), make()
    forged.put(("victim",), "forged")
    record = bytes(forged.written(100))
    cache.put(("victim",), "right")
    cache.put(("stranger",), record)
    at = bytes(cache.written(400)).index(record)
    cache.lead_to(at)
    assert (cache.get(("victim",)), cache.get(("stranger",))) == (None, None)


def test_a_record_that_was_moved_is_none() -> None:
    cache = make()
    cache.put(("a",), b"x" * 100)
    cache.put(("filling",), b"y" * 600)
    cache.write_over(200, bytes(cache.written(150)))
    cache.lead_to(200)
    assert cache.get(("a",)) is None


def test_what_is_written_anew_is_not_what_another_has_put_or_dropped_meanwhile() -> None:
    for news in (lambda cache: cache.put(("a",), "new"), lambda cache: cache.drop(("a",))):
        cache = Meanwhile(CAPACITY, LARGEST)
        cache.put(("a",), "old")
        while cache.weight < 0.7 * CAPACITY:
            cache.put(("filling",), b"x" * 100)
        cache.meanwhile = news
        assert cache.get(("a",)) == "old"
        assert cache.get(("a",)) in ("new", None)


class Meanwhile(Made):
    """One in which something happens once, between reading a record and what comes of it."""

    meanwhile: Callable[["Meanwhile"], None] | None = None

    def _read(self, position: int, key: tuple[str, ...]) -> bytes | None:
        found = super()._read(position, key)
        if (news := self.meanwhile) and found is not None:
            self.meanwhile = None
            news(self)
        return found


def test_a_process_that_is_killed_keeps_nobody_from_anything() -> None:
    cache = make()
    for _ in range(20):
        if not (child := os.fork()):
            while True:
                cache.put(("child",), os.urandom(300))
        for number in range(200):
            cache.put((str(number),), number)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        cache.put(("mine",), 1)
        assert cache.get(("mine",)) == 1
