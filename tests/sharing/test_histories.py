"""Three hosts, partitions, restarts and a server that is emptied, at random: in the end all have the same rows."""

from collections.abc import Iterator, Mapping
from functools import partial, reduce
from random import Random
from time import time

import pytest

from milter64.greylist.row import Record
from milter64.sharing import row_texts
from milter64.sharing.keys import rows_of
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import KIND, Host, Reached

SEEDS = [range(30), *[pytest.param(range(n, n + 97), marks=pytest.mark.slow) for n in range(30, 418, 97)]]
STEPS = 25
PAIRS = [f"<a{n}@honest.example> <b@lab.example>" for n in range(6)]
GROUPS = ["net:192.0.2.0/24", "net:2001:db8:5::/64", "spf:honest.example"]
SKEWS = (0.0, 290.0, -290.0)
"""Seconds by which the hosts' clocks are wrong."""

Rows = Mapping[tuple[str, str], str]
"""By pair and group, as they are by the server's clock."""


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Lab() as lab:
        yield lab.start(Redis)


def _ahead(seconds: float) -> float:
    return time() + seconds


class History:
    """A run of what may happen, as its seed has it."""

    def __init__(self, redis: Redis, seed: int) -> None:
        self._random = Random(seed)
        self._server = Reached(redis.path)
        self._server.run("FLUSHALL")
        self.hosts = [Host(f"mx{n}", redis.path, partial(_ahead, skew)) for n, skew in enumerate(SKEWS)]
        for host in self.hosts:
            host.turn()
        self._learned: dict[tuple[str, str], list[Record]] = {}

    def run(self) -> None:
        events = [self._learn, self._learn, self._learn, self._turn, self._turn, self._part, self._restart]
        for _ in range(STEPS):
            self._random.choice(events)()
            if self._random.random() < 0.05:
                self._server.run("FLUSHALL")
        for host in self.hosts:
            host.servers.reached = True
        for _ in range(4):
            for host in self.hosts:
                host.turn()

    def learned(self) -> Rows:
        return {entry: row_texts.dump(reduce(KIND.merge, rows), 0.0) for entry, rows in self._learned.items()}

    def _learn(self) -> None:
        host, pair, group = self._random.choice(self.hosts), self._random.choice(PAIRS), self._random.choice(GROUPS)
        at = round(time() - self._random.uniform(0, 3600), 3)
        passed = self._random.choice([None, round(at + self._random.uniform(0, 100), 3)])
        row = Record(generation=self._random.choice([0, 0, 0, 1]), first_seen=at, passed_at=passed)
        self._learned.setdefault((pair, group), []).append(row)
        skew = host.state.offset
        ours = Record(
            generation=row.generation,
            first_seen=row.first_seen + skew,
            passed_at=None if row.passed_at is None else row.passed_at + skew,
        )
        host.store.merge(pair, {group: ours})

    def _turn(self) -> None:
        self._random.choice(self.hosts).turn()

    def _part(self) -> None:
        servers = self._random.choice(self.hosts).servers
        servers.reached = not servers.reached
        servers.edition += 1

    def _restart(self) -> None:
        self._random.choice(self.hosts).restart()


def known(host: Host) -> Rows:
    """Return what a host's own store has of each pair, by the server's clock."""
    return {
        (pair, group): row_texts.dump(row, host.state.offset)
        for pair in PAIRS
        for group, row in host.store.read(pair).items()
    }


def shared(redis: Redis) -> Rows:
    """Return what the server has of each pair."""
    server = Reached(redis.path)
    found = {pair: row_texts.load_hash(server.run("HGETALL", rows_of(pair)), 0.0) for pair in PAIRS}
    server.close()
    return {(pair, group): row_texts.dump(row, 0.0) for pair, rows in found.items() for group, row in rows.items()}


@pytest.mark.parametrize("seeds", SEEDS, ids=lambda seeds: f"from {seeds[0]}")
def test_a_history_ends_in_the_same_rows_everywhere(redis: Redis, seeds: range) -> None:
    for seed in seeds:
        history = History(redis, seed)
        history.run()
        told = history.learned()
        assert [host.faults for host in history.hosts] == [[]] * len(SKEWS), seed
        assert [host.state.whole for host in history.hosts] == [True] * len(SKEWS), seed
        assert [known(host) for host in history.hosts] == [told] * len(SKEWS), seed
        assert shared(redis) == told, seed
