"""Entries by command, on hosts that share a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.commanding import Commanding, Story
from rig.redis import Redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis") as server:
        yield server


class Scene:
    """Two hosts, a and b, b's clock being four minutes ahead."""

    def __init__(self, folder: Path, redis: Redis) -> None:
        self.redis = redis
        self.story = Story()
        self.a, self.b = (
            Commanding(name, folder / name, redis.path, self.story, ahead=ahead)
            for name, ahead in (("a", 0), ("b", 240))
        )

    def look(self) -> None:
        """Both look until all is told."""
        for _ in range(2):
            self.a.look()
            self.b.look()

    def later(self, seconds: float = 60) -> None:
        self.story.now += seconds

    def same(self) -> set[str]:
        """Look, and return what both have."""
        self.look()
        assert self.a.entries == self.b.entries
        return self.a.entries


@pytest.fixture
def scene(tmp_path: Path, redis: Redis) -> Scene:
    return Scene(tmp_path, redis)


def test_what_a_command_says_on_one_host_counts_on_the_other(scene: Scene) -> None:
    scene.a.allow("@partner.example", because="ticket 12", spares="all")
    scene.b.block("192.0.2.0/24", until="2027-01-31")
    scene.a.block("to:joe@here.example")
    assert scene.same() == {
        "allow @partner.example spares=all # ticket 12",
        "block 192.0.2.0/24 until=2027-01-31T00:00Z",
        "block to:joe@here.example",
    }
    scene.later()
    scene.b.forget("@partner.example")
    scene.a.block("192.0.2.0/24", because="for good")
    assert scene.same() == {"block 192.0.2.0/24 # for good", "block to:joe@here.example"}
    assert (scene.a.lists.waiting, scene.a.lists.lately) == (0, 3)
    assert scene.a.told == scene.b.told == []
