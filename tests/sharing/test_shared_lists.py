"""Entries by command, on hosts that share a real server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from milter64.lists import list_file
from milter64.lists.commanded import alone
from milter64.lists.mistakes import Mistakes
from milter64.sharing.keys import LISTS
from rig.commanding import Commanding, Scene
from rig.redis import Redis


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Redis(tmp_path / "redis") as redis, closing(Scene(tmp_path, redis)) as scene:
        yield scene


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
    assert (scene.a.lists.lately, scene.b.lists.lately) == (3, 2)
    assert scene.a.told == scene.b.told == []


def test_one_look_of_each_is_enough(scene: Scene) -> None:
    scene.same()
    scene.a.allow("x.example.org")
    scene.a.look()
    scene.b.look()
    assert scene.b.entries == {"allow x.example.org"}


def test_nobody_reads_again_what_he_has_said_himself(scene: Scene) -> None:
    scene.same()
    scene.a.servers.asked.clear()
    scene.a.allow("x.example.org")
    for _ in range(3):
        scene.a.look()
    assert scene.a.servers.asked == ["GET", "EVAL", "GET", "GET"]


Change = Callable[[Commanding], None]


def allow(because: str = "") -> Change:
    return lambda host: host.allow("x.example.org", because=because)


def forget(host: Commanding) -> None:
    host.forget("x.example.org")


X = "allow x.example.org"


@pytest.mark.parametrize(
    ("before", "words", "after"),
    [
        pytest.param(None, [("a", allow("1")), ("b", allow("2"))], f"{X} # 2", id="of two the later one"),
        pytest.param(None, [("b", allow("2")), ("a", allow("1"))], f"{X} # 1", id="whoever says it"),
        pytest.param(allow(), [("a", allow("1")), ("b", forget)], None, id="taken back after it was changed"),
        pytest.param(allow(), [("b", forget), ("a", allow("1"))], f"{X} # 1", id="changed after it was taken back"),
        pytest.param(allow(), [("b", forget), ("a", allow())], X, id="said again as it was"),
        pytest.param(allow(), [("b", forget), ("b", allow()), ("a", forget)], None, id="taken back by both"),
        pytest.param(None, [("a", allow()), ("b", allow())], X, id="both say the same"),
    ],
)
@pytest.mark.parametrize("first", ["a", "b"])
def test_of_what_was_said_apart_the_latest_word_counts(
    scene: Scene, before: Change | None, words: list[tuple[str, Change]], after: str | None, first: str
) -> None:
    others = {"allow before.example.org", "block y.example.org"}
    scene.a.allow("before.example.org")
    if before:
        before(scene.a)
    scene.b.block("y.example.org")
    scene.same()
    scene.a.servers.reached = scene.b.servers.reached = False
    for host, change in words:
        scene.later()
        change(getattr(scene, host))
        scene.look()
    scene.later()
    for host in (first, "b" if first == "a" else "a"):
        getattr(scene, host).servers.reached = True
        scene.look()
    assert scene.same() == {*others, *([after] if after else [])}


def test_the_next_word_counts_even_where_a_clock_goes_behind(scene: Scene) -> None:
    scene.a.allow("x.example.org")
    scene.same()
    scene.later(-30)
    scene.b.allow("x.example.org", because="2")
    assert scene.same() == {"allow x.example.org # 2"}


def test_what_was_said_while_the_service_was_down_is_told_when_it_is_back(scene: Scene) -> None:
    for name in ("x", "y", "z"):
        scene.a.allow(f"{name}.example.org")
    scene.same()
    scene.a.forget("x.example.org")
    scene.a.allow("y.example.org", because="new")
    scene.a.block("x.example.org")
    scene.later()
    scene.b.forget("z.example.org")
    scene.b.look()
    scene.a.start()
    assert scene.same() == {"allow y.example.org # new", "block x.example.org"}


def test_what_was_said_without_a_journal_is_put_together(scene: Scene) -> None:
    """As two hosts are upgraded, one after the other, whose builds knew no shared lists."""
    scene.a.allow("x.example.org", because="a")
    scene.a.block("a.example.org")
    scene.later()
    scene.b.allow("x.example.org", because="b")
    scene.b.block("b.example.org")
    assert scene.same() == {"allow x.example.org # b", "block a.example.org", "block b.example.org"}


BROKEN = [
    b"",
    b"\0\xff",
    b"[]\n[1,2,3]\n{}\nnull\n" + b"[" * 10_000,
    b'["allow x.example.org", 1, 2]',
    b'["allow", "x", 1]',
    b'["allow", Infinity, 1]',
]


@pytest.mark.parametrize("journal", [None, *BROKEN])
def test_a_journal_that_is_lost_or_broken_loses_nothing(scene: Scene, journal: bytes | None) -> None:
    scene.a.allow("x.example.org")
    scene.b.block("y.example.org")
    before = scene.same()
    scene.a.journal.unlink() if journal is None else scene.a.journal.write_bytes(journal)
    scene.later()
    scene.b.forget("x.example.org")
    scene.b.look()
    scene.a.start()
    assert scene.same() == before - {"allow x.example.org"}


def test_the_journal_is_nobody_elses_to_read(scene: Scene) -> None:
    scene.a.allow("x.example.org")
    scene.look()
    assert scene.a.journal.stat().st_mode & 0o777 == 0o640


def test_a_server_that_was_emptied_gets_all_back_and_what_was_taken_back_stays_so(scene: Scene) -> None:
    scene.a.allow("x.example.org")
    scene.b.block("y.example.org")
    scene.a.allow("z.example.org")
    scene.same()
    scene.apart()
    scene.later()
    scene.a.forget("z.example.org")
    scene.a.look()
    scene.redis.ask("FLUSHALL")
    scene.a.start()
    scene.apart(apart=False)
    assert scene.same() == {"allow x.example.org", "block y.example.org"}
    assert scene.redis.ask("HLEN", LISTS) == "3"


def test_a_server_that_was_emptied_and_filled_between_two_looks_is_noticed(scene: Scene) -> None:
    scene.a.allow("x.example.org")
    scene.same()
    scene.redis.ask("FLUSHALL")
    scene.b.allow("y.example.org")
    scene.b.look()
    assert scene.same() == {"allow x.example.org", "allow y.example.org"}
    assert scene.redis.ask("HLEN", LISTS) == "2"


def test_a_file_that_is_gone_comes_back(scene: Scene) -> None:
    scene.a.allow("x.example.org")
    scene.a.block("y.example.org")
    scene.a.forget("y.example.org")
    scene.same()
    for check in ("allow", "block"):
        scene.a.path(check).unlink()
    assert scene.same() == {"allow x.example.org"}


def test_what_is_no_entry_stays_in_its_file_and_is_nobody_elses(scene: Scene) -> None:
    scene.a.path("allow").write_bytes(b"# mine\n\nnot right\n\xff.example.org\n\tx.example.org\n")
    scene.b.allow("y.example.org")
    scene.look()
    assert scene.b.entries == {"allow y.example.org", "allow x.example.org"}
    assert (
        scene.a.path("allow").read_bytes() == b"# mine\nnot right\n\xff.example.org\n\tx.example.org\ny.example.org\n"
    )


def test_what_a_host_cant_take_it_tells_of_once_and_takes_when_it_can(scene: Scene) -> None:
    scene.b.mistakes = Mistakes(iprev=False)
    scene.b.start()
    scene.b.allow("@before.example")
    scene.a.allow("x.example.org", because="so")
    for _ in range(3):
        scene.look()
    assert scene.b.entries == {"allow @before.example"}
    scene.b.start()
    scene.redis.ask("FLUSHALL")
    for _ in range(3):
        scene.look()
    why = "names are not looked up, for iprev.enabled is false; write a network"
    assert scene.b.told == [f"allow .x.example.org, which a has said, can't count here: {why}"]
    assert scene.a.entries == {"allow @before.example", "allow x.example.org # so"}
    scene.b.mistakes = Mistakes()
    scene.b.start()
    assert scene.same() == {"allow @before.example", "allow x.example.org # so"}
    scene.a.forget("x.example.org")
    assert scene.same() == {"allow @before.example"}


def test_a_file_that_cant_be_read_loses_nothing_and_is_told_of_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.a.allow("x.example.org")
    before = scene.same()
    scene.b.allow("y.example.org")
    scene.b.look()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(list_file, "OCTETS", 5)
        for _ in range(3):
            scene.a.look()
    assert scene.a.told == ["entries by command are not shared: more than 5 bytes"]
    assert scene.same() == {*before, "allow y.example.org"}


def test_nobody_waits_for_a_command_that_has_the_files(scene: Scene) -> None:
    scene.same()
    scene.a.allow("x.example.org")
    scene.a.look()
    with ExitStack() as held:
        held.enter_context(alone(scene.b.folder, 0.0))
        scene.b.look()
        assert scene.b.entries == set()
    scene.b.look()
    assert scene.b.entries == {"allow x.example.org"}
    assert scene.b.told == []


def test_who_is_cut_off_between_file_and_journal_has_taken_nothing_back(scene: Scene) -> None:
    scene.a.allow("x.example.org")
    scene.a.allow("y.example.org")
    scene.same()
    journal = scene.b.journal.read_bytes()
    scene.a.allow("z.example.org")
    scene.a.forget("x.example.org")
    after = scene.same()
    scene.b.journal.write_bytes(journal)
    for check in ("allow", "block"):
        if scene.b.path(check).exists():
            scene.b.date(check)
    scene.b.start()
    assert scene.same() == after == {"allow y.example.org", "allow z.example.org"}
