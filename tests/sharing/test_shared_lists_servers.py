"""What hosts write to the servers of entries by command, and what they read there, in parts."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest

from milter64.sharing import lists_journal, shared_lists
from milter64.sharing.interface import Command, Reply, ServersGone
from milter64.sharing.keys import LISTS, LISTS_EDITION
from rig.commanding import BEGIN, Commanding, Scene
from rig.redis import Redis

DAY = 86400.0


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Redis(tmp_path / "redis") as redis, closing(Scene(tmp_path, redis)) as scene:
        yield scene


def before_it_writes(host: Commanding, monkeypatch: pytest.MonkeyPatch, what: Callable[[], None]) -> None:
    """Have something happen once, just before a host writes."""
    send = host.servers.send

    def later(key: str, commands: Sequence[Command]) -> Future[list[Reply]]:
        if commands[0][0] == "EVAL":
            monkeypatch.setattr(host.servers, "send", send)
            what()
        return send(key, commands)

    monkeypatch.setattr(host.servers, "send", later)


def line(scene: Scene, field: str) -> object:
    """Return what the servers have in a field."""
    return json.loads(scene.redis.ask("HGET", LISTS, field))["line"]


def test_of_two_who_write_at_once_the_later_word_stays(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.same()
    scene.a.allow("x.example.org", because="1")
    scene.later()
    scene.b.allow("x.example.org", because="2")
    editions = list[str]()

    def meanwhile() -> None:
        scene.b.look()
        editions.append(scene.redis.ask("GET", LISTS_EDITION))

    before_it_writes(scene.a, monkeypatch, meanwhile)
    scene.a.look()
    assert line(scene, "allow .x.example.org") == "x.example.org # 2"
    assert scene.a.lists.lately == 0
    assert scene.same() == {"allow x.example.org # 2"}
    assert [scene.redis.ask("GET", LISTS_EDITION)] == editions


def test_what_another_wrote_just_before_is_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.same()
    scene.a.allow("x.example.org")
    scene.b.block("y.example.org")
    before_it_writes(scene.a, monkeypatch, scene.b.look)
    scene.a.look()
    scene.a.look()
    assert scene.a.entries == {"allow x.example.org", "block y.example.org"}


def test_where_there_is_no_room_for_more_what_is_there_may_change(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = "the hosts have more than 2 entries by command, and share no more: forget some"
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(shared_lists, "LINES", 2)
        meanwhile.setattr(shared_lists, "_AT_ONCE", 1)
        for name in ("x", "y", "z", "w"):
            scene.a.allow(f"{name}.example.org")
        scene.a.look()
        scene.a.forget("x.example.org")
        scene.look()
        assert line(scene, "allow .x.example.org") == ""
        assert (scene.a.lists.waiting, scene.a.told) == (2, [full])
    for who in ("b", "c"):
        scene.b.block(f"{who}.example.org")
        scene.b.look()
        scene.look()
    assert scene.same() == {f"{each}.example.org" for each in ("allow w", "allow y", "allow z", "block b", "block c")}
    monkeypatch.setattr(shared_lists, "LINES", 2)
    scene.a.allow("n.example.org")
    scene.look()
    assert scene.a.told == [full, full]


def test_no_more_is_taken_from_the_servers_than_lists_may_have(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x", "y", "z"):
        said = {"line": f"{name}.example.org", "at": BEGIN, "by": "c"}
        scene.redis.ask("HSET", LISTS, f"allow .{name}.example.org", json.dumps(said))
    monkeypatch.setattr(shared_lists, "LINES", 2)
    scene.a.look()
    assert len(scene.a.entries) == 2


def test_after_a_minute_it_is_not_lately(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.a.allow("x.example.org")
    scene.a.look()
    assert scene.a.lists.lately == 1
    monkeypatch.setattr(shared_lists, "_LATELY", -1.0)
    assert scene.a.lists.lately == 0


def test_the_servers_time_is_known_before_they_can_be_asked(scene: Scene) -> None:
    scene.same()
    scene.apart()
    scene.b.allow("y.example.org")
    scene.b.look()
    scene.b.start(booted=True)
    scene.b.allow("x.example.org", because="1")
    scene.b.look()
    scene.later()
    scene.a.allow("x.example.org", because="2")
    scene.a.look()
    scene.apart(apart=False)
    assert scene.same() == {"allow x.example.org # 2", "allow y.example.org"}


def test_what_ran_out_long_before_it_was_told_counts_no_more(scene: Scene) -> None:
    scene.a.allow("x.example.org")
    scene.same()
    scene.a.allow("x.example.org", until="2026-12-01")
    scene.later(60 * DAY)
    scene.look()
    assert scene.b.entries == set()


def test_what_was_taken_back_long_ago_takes_nothing_back_again(scene: Scene) -> None:
    scene.a.allow("x.example.org")
    scene.same()
    scene.a.forget("x.example.org")
    scene.same()
    before = scene.redis.ask("HGET", LISTS, "allow .x.example.org")
    scene.later(60 * DAY)
    scene.a.allow("x.example.org")
    scene.a.look()
    scene.redis.ask("HSET", LISTS, "allow .x.example.org", before)
    scene.a.start()
    assert scene.same() == {"allow x.example.org"}


def test_what_is_long_past_is_not_told_to_a_server_that_was_emptied(scene: Scene) -> None:
    scene.a.allow("x.example.org")
    scene.a.look()
    scene.a.forget("x.example.org")
    scene.a.look()
    scene.later(60 * DAY)
    scene.redis.ask("FLUSHALL")
    scene.a.servers.asked.clear()
    scene.a.look()
    assert scene.a.servers.asked == ["GET", "HSCAN"]


def test_a_journal_that_cant_be_written_is_told_of_each_time_it_begins(scene: Scene) -> None:
    told = "what was shared of entries by command is not noted: Is a directory"
    for times in (1, 2):
        scene.a.journal.unlink(missing_ok=True)
        scene.a.journal.mkdir()
        scene.a.allow("x.example.org", because=f"{times}")
        for _ in range(3):
            scene.look()
        assert scene.a.told == [told] * times
        assert scene.b.entries == {f"allow x.example.org # {times}"}
        scene.a.journal.rmdir()
        scene.a.look()


def test_a_field_whose_name_is_no_text_is_nothing(scene: Scene) -> None:
    scene.a.servers.run("HSET", LISTS, b"allow \xff", "x")
    scene.a.allow("x.example.org")
    assert scene.same() == {"allow x.example.org"}


@pytest.fixture
def small(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Twenty entries on the servers, which are read by threes, and one part a step."""
    scene.redis.ask("CONFIG", "SET", "hash-max-listpack-entries", "0")
    for number in range(20):
        scene.a.allow(f"n{number}.example.org")
    scene.a.look()
    monkeypatch.setattr(shared_lists, "_AT_ONCE", 3)
    monkeypatch.setattr(shared_lists, "_ROUNDS", 1)
    monkeypatch.setattr(lists_journal, "_AT_ONCE", 3)
    return scene


def test_many_are_read_in_parts(small: Scene) -> None:
    small.b.look()
    small.b.look()
    assert 0 < len(small.b.entries) < 20
    for _ in range(20):
        small.b.look()
    assert small.same() == {f"allow n{number}.example.org" for number in range(20)}


def test_what_changes_while_they_are_read_is_read_too(small: Scene) -> None:
    for _ in range(3):
        small.b.look()
    small.later()
    small.a.forget("n3.example.org")
    small.a.allow("n4.example.org", because="new")
    small.a.look()
    for _ in range(40):
        small.look()
    names = {f"allow n{number}.example.org" for number in range(20) if number not in {3, 4}}
    assert small.same() == {*names, "allow n4.example.org # new"}


def test_what_is_said_here_goes_out_before_what_others_say_is_read(small: Scene) -> None:
    small.b.look()
    small.b.block("y.example.org")
    small.later()
    small.a.allow("x.example.org")
    small.a.look()
    small.b.look()
    assert small.redis.ask("HEXISTS", LISTS, "block .y.example.org") == "1"


def test_who_is_cut_off_while_they_are_read_begins_anew(small: Scene) -> None:
    for _ in range(3):
        small.b.look()
    small.b.servers.asked.clear()
    small.apart()
    small.b.look()
    small.apart(apart=False)
    small.b.servers.lasts = 1
    with pytest.raises(ServersGone):
        small.b.look()
    small.b.servers.lasts = 1000
    for _ in range(20):
        small.b.look()
    assert len(small.same()) == 20


def test_who_was_apart_goes_on_with_no_part(small: Scene) -> None:
    """The servers may be other ones now."""
    for _ in range(3):
        small.b.look()
    small.apart()
    small.b.look()
    small.apart(apart=False)
    counts = []
    for _ in range(2):
        small.b.servers.asked.clear()
        for _ in range(40):
            small.b.look()
        counts.append(small.b.servers.asked.count("HSCAN"))
        small.b.start()
    assert counts[0] == counts[1]


def test_a_journal_is_read_in_parts_before_anything_else(small: Scene) -> None:
    small.a.look()
    small.a.start()
    small.later()
    small.a.servers.asked.clear()
    small.a.forget("n3.example.org")
    small.a.look()
    assert small.a.servers.asked == ["GET"]
    for _ in range(30):
        small.look()
    assert len(small.same()) == 19
