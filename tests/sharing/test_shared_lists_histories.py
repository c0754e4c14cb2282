"""Three hosts, partitions, restarts and a server that is emptied, at random: in the end all have the same entries."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from milter64.lists.listed import ALLOW, BLOCK
from rig.commanding import Commanding, Story
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import Reached

pytestmark = pytest.mark.long

SEEDS = [range(20), pytest.param(range(20, 60), marks=pytest.mark.slow)]
STEPS = 40
NAMES = ["x.example.org", "192.0.2.0/24", "@y.example.org", "to:joe@here.example"]
REASONS = ["", "ticket 1", "ticket 2"]
SKEWS = (0.0, 290.0, -290.0)
"""Seconds by which the hosts' clocks are wrong."""


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Lab() as lab:
        yield lab.start(Redis)


class History:
    """A run of what may happen, as its seed has it."""

    def __init__(self, redis: Redis, folder: Path, seed: int) -> None:
        self._random = Random(seed)
        self._server = Reached(redis.path)
        self._server.run("FLUSHALL")
        self._story = Story()
        self.hosts = [
            Commanding(f"mx{n}", folder / f"mx{n}", redis.path, self._story, ahead=skew) for n, skew in enumerate(SKEWS)
        ]
        for host in self.hosts:
            host.look()
        self.last: dict[tuple[str, str], str] = {}
        """What was said last, by list and whom it names; "" where that was taken back."""

    def close(self) -> None:
        """Let go of the server."""
        for each in [self._server, *[host.servers for host in self.hosts]]:
            each.close()

    def run(self, *, down: bool) -> None:
        """`down` says that hosts may look late at what was said, and lose their journals."""
        events = [self._put, self._put, self._put, self._forget, self._forget, self._look, self._part, self._restart]
        for _ in range(STEPS):
            self._story.now += self._random.uniform(1, 20)
            self._random.choice([*events, self._lose_file, self._empty, *([self._lose_journal] if down else [])])()
            if not down:
                for host in self.hosts:
                    host.look()
        for host in self.hosts:
            host.servers.reached = True
        for _ in range(3):
            for host in self._random.sample(self.hosts, 3):
                host.look()

    @property
    def _host(self) -> Commanding:
        return self._random.choice(self.hosts)

    def _put(self) -> None:
        check, who, because = (self._random.choice(some) for some in ((ALLOW, BLOCK), NAMES, REASONS))
        host = self._host
        host.put(check, who, because=because)
        self.last[check, who] = f"{who} # {because}" if because else who

    def _forget(self) -> None:
        host, who = self._host, self._random.choice(NAMES)
        for check in host.forget(who):
            self.last[check, who] = ""

    def _look(self) -> None:
        self._host.look()

    def _part(self) -> None:
        host = self._host
        host.servers.reached = not host.servers.reached

    def _restart(self) -> None:
        self._host.start(booted=self._random.random() < 0.5)

    def _empty(self) -> None:
        if self._random.random() < 0.5:
            self._server.run("FLUSHALL")

    def _lose_file(self) -> None:
        self._host.path(self._random.choice((ALLOW, BLOCK))).unlink(missing_ok=True)

    def _lose_journal(self) -> None:
        host = self._host
        host.journal.unlink(missing_ok=True)
        host.start()


@pytest.mark.parametrize("seeds", SEEDS, ids=lambda seeds: f"from {seeds[0]}")
@pytest.mark.parametrize("down", [False, True])
def test_in_the_end_all_have_the_same_whatever_the_order(
    redis: Redis, tmp_path: Path, seeds: range, *, down: bool
) -> None:
    for seed in seeds:
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        history = History(redis, folder, seed)
        with closing(history):
            history.run(down=down)
        first, *others = [host.entries for host in history.hosts]
        assert all(each == first for each in others), f"seed {seed}"
        if not down:
            assert first == {f"{check} {line}" for (check, _), line in history.last.items() if line}, f"seed {seed}"
        assert not any(host.told for host in history.hosts)
        shutil.rmtree(folder)
