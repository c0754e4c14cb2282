"""What others have put among the entries of hosts that share, and how much there may be of it."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from milter64.sharing import commanded_file, shared_lists
from milter64.sharing.keys import LISTS
from rig.commanding import BEGIN, Scene
from rig.redis import Redis


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Redis(tmp_path / "redis") as redis, closing(Scene(tmp_path, redis)) as scene:
        yield scene


def test_a_newer_builds_words_are_kept_for_others(scene: Scene) -> None:
    scene.redis.ask("HSET", LISTS, "allow .x.example.org", said("x.example.org news=1", BEGIN))
    scene.a.block("z.example.org")
    assert scene.same() == {"block z.example.org"}
    assert [each.partition(":")[0] for each in scene.a.told] == [
        "allow .x.example.org, which c has said, can't count here"
    ]
    scene.redis.ask("FLUSHALL")
    scene.look()
    assert json.loads(scene.redis.ask("HGET", LISTS, "allow .x.example.org"))["line"] == "x.example.org news=1"


def said(line: object, at: object, by: object = "c") -> str:
    return json.dumps({"line": line, "at": at, "by": by})


JUNK = [
    "",
    "x",
    "[" * 10_000,
    "{}",
    "[1, 2]",
    '{"line": "x.example.org", "at": NaN, "by": "c"}',
    '{"line": "\\ud800", "at": 1, "by": "c"}',
    said("x.example.org", BEGIN + 3600),
    said("x.example.org", 1).replace("1,", "true,"),
    said("x.example.org", "1"),
    said("x.example.org", 1, ["c"]),
    said("x.example.org", 1, "c" * 300),
    said("y.example.org", BEGIN + 60),
    said("x.example.org # " + "x" * 1000, BEGIN + 60),
    said("x.example.org\n", BEGIN + 60),
    said("# x", BEGIN + 60),
]


@pytest.mark.parametrize("value", JUNK)
def test_what_no_milter64_says_is_nothing(scene: Scene, value: str) -> None:
    """It is left where it is until a host has something to say of the same."""
    field = "allow .x.example.org"
    scene.redis.ask("HSET", LISTS, field, value)
    scene.a.block("z.example.org")
    assert scene.same() == {"block z.example.org"}
    assert scene.redis.ask("HGET", LISTS, field) == value
    scene.b.allow("x.example.org", because="mine")
    assert scene.same() == {"allow x.example.org # mine", "block z.example.org"}
    assert scene.a.told == scene.b.told == []


def test_other_lists_are_left_alone(scene: Scene) -> None:
    scene.redis.ask(
        "HSET",
        LISTS,
        "grey x",
        said("x.example.org", BEGIN),
        "\udcff".encode(errors="surrogateescape").decode("latin1"),
        "x",
    )
    assert scene.same() == set()
    assert scene.redis.ask("HLEN", LISTS) == "2"


def test_what_is_long_past_is_forgotten_by_all(scene: Scene) -> None:
    scene.a.allow("x.example.org")
    scene.a.allow("y.example.org", until="2026-12-01")
    scene.a.block("z.example.org")
    scene.same()
    scene.a.forget("x.example.org")
    scene.same()
    scene.later(39 * 86400)
    scene.b.block("b.example.org")
    assert scene.same() > {"block z.example.org", "block b.example.org"}
    assert scene.redis.ask("HLEN", LISTS) == "4"
    scene.later(5 * 86400)
    scene.b.forget("b.example.org")
    scene.look()
    scene.look()
    assert {*scene.redis.ask("HKEYS", LISTS).splitlines()} == {"block .z.example.org", "block .b.example.org"}
    assert {
        line for line in scene.a.journal.read_text().splitlines() if "x.example" in line or "y.example" in line
    } == set()


def test_there_is_room_for_so_many_and_who_is_left_out_waits(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_lists, "LINES", 2)
    for name in ("x", "y", "z"):
        scene.a.allow(f"{name}.example.org")
    scene.look()
    assert scene.redis.ask("HLEN", LISTS) == "2"
    assert scene.a.lists.waiting == 1
    scene.a.forget("x.example.org")
    scene.look()
    assert scene.a.told == ["the hosts have more than 2 entries by command, and share no more: forget some"]


def test_many_are_told_in_parts(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_lists, "_AT_ONCE", 3)
    monkeypatch.setattr(shared_lists, "_ROUNDS", 2)
    for number in range(20):
        scene.a.allow(f"n{number}.example.org")
    scene.a.look()
    assert scene.a.lists.waiting == 14
    scene.look()
    assert len(scene.same()) == 20


def test_a_file_takes_no_more_of_others_than_it_has_room_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x", "y", "z"):
        scene.a.allow(f"{name}.example.org")
    scene.a.look()
    monkeypatch.setattr(commanded_file, "LINES", 2)
    scene.look()
    assert scene.b.entries == {"allow x.example.org", "allow y.example.org"}
    room = f"{scene.b.path('allow')} has no room; forget others"
    assert scene.b.told == [f"allow .z.example.org, which a has said, can't count here: {room}"]
    monkeypatch.setattr(commanded_file, "OCTETS", 48)
    monkeypatch.setattr(commanded_file, "LINES", 9)
    scene.a.allow("w.example.org", because="long")
    scene.look()
    assert scene.b.entries == {"allow x.example.org", "allow y.example.org"}


def test_of_many_that_cant_count_some_are_told(scene: Scene) -> None:
    for number in range(12):
        scene.redis.ask(
            "HSET", LISTS, f"allow .n{number}.example.org", said(f"n{number}.example.org \u00e9=", 1, "c\n")
        )
    scene.a.block("z.example.org")
    scene.look()
    assert len(scene.a.told) == 11
    assert scene.a.told[0].startswith("allow .n")
    assert "which c has said" in scene.a.told[0]
    assert scene.a.told[-1] == "2 more such entries can't count here"
    assert all(each.isprintable() and each.isascii() for each in scene.a.told)
