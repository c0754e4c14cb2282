"""What a file of entries by command is taken to say, and when that was said."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from milter64.lists.commanded import alone
from milter64.lists.mistakes import Mistakes
from milter64.sharing import commanded_file
from milter64.sharing.keys import LISTS
from rig.commanding import Scene
from rig.redis import Redis

DAY = 86400.0


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Redis(tmp_path / "redis") as redis, closing(Scene(tmp_path, redis)) as scene:
        yield scene


def write(scene: Scene, *lines: str) -> None:
    """Have a's file hold these lines, changed now."""
    scene.a.path("allow").write_text("".join(f"{line}\n" for line in lines))
    scene.a.date("allow")


X, Y, Z, N, M = (f"{name}.example.org" for name in "xyznm")


@pytest.mark.parametrize(
    ("files", "given"),
    [
        pytest.param([[Y, Z, X]], {X}, id="behind those that it stood before"),
        pytest.param([[X, Y, Z]], {Z}, id="the last, where nothing else has changed"),
        pytest.param([[X, Y, Z, X]], {X}, id="twice"),
        pytest.param([[Y, X, f"{Z} # new"]], {X, f"{Z} # new"}, id="as it was, with one that is new"),
        pytest.param([[X, f"{Y} # new", f"{Z} # new"]], {f"{Y} # new", f"{Z} # new"}, id="changed where they stood"),
        pytest.param([[X, Y]], set(), id="taken back"),
        pytest.param([[X, N, Y, Z], [X, N, Y, Z, M]], {N, M}, id="put in between, and then one more"),
    ],
)
def test_who_was_given_is_seen_by_what_stands_where(scene: Scene, files: list[list[str]], given: set[str]) -> None:
    """The other host takes all back meanwhile; what was given after that counts."""
    write(scene, X, Y, Z)
    scene.same()
    scene.apart()
    scene.later()
    for who in (X, Y, Z):
        scene.b.forget(who)
    scene.b.look()
    for lines in files:
        scene.later()
        write(scene, *lines)
        scene.a.look()
    scene.apart(apart=False)
    assert scene.same() == {f"allow {line}" for line in given}


def test_what_another_has_changed_stands_where_it_is_known_to(scene: Scene) -> None:
    write(scene, X, Y)
    scene.same()
    scene.later()
    scene.b.allow(X, because="new")
    scene.same()
    scene.apart()
    scene.later()
    scene.b.forget(X)
    scene.b.look()
    scene.later()
    scene.a.allow(Z)
    scene.a.look()
    scene.apart(apart=False)
    assert scene.same() == {f"allow {Y}", f"allow {Z}"}


def test_what_is_seen_late_was_said_when_its_file_was_changed(scene: Scene) -> None:
    scene.a.allow(X, because="1")
    scene.later()
    scene.b.allow(X, because="2")
    scene.b.look()
    scene.later()
    assert scene.same() == {f"allow {X} # 2"}


def test_what_others_have_said_before_a_command_counts_no_more(scene: Scene) -> None:
    scene.same()
    scene.a.allow(X, because="1")
    scene.a.look()
    with alone(scene.b.folder, 0.0):
        scene.b.look()
    scene.later()
    scene.b.allow(X, because="2")
    assert scene.same() == {f"allow {X} # 2"}


def test_what_has_run_out_was_not_taken_back(scene: Scene) -> None:
    scene.a.allow(X, until="2026-12-01")
    scene.same()
    scene.apart()
    scene.later(4 * DAY)
    scene.b.allow(X, until="2027-06-30")
    scene.b.look()
    scene.later()
    scene.a.allow(Z)
    scene.a.look()
    scene.apart(apart=False)
    assert scene.same() == {f"allow {X} until=2027-06-30T00:00Z", f"allow {Z}"}


def test_what_has_run_out_is_put_nowhere(scene: Scene) -> None:
    scene.a.allow(X, until="2026-12-01")
    scene.a.look()
    scene.later(4 * DAY)
    scene.look()
    assert scene.b.entries == set()


def test_what_ran_out_long_before_it_was_seen_is_told_where_that_is_news(scene: Scene) -> None:
    scene.a.allow(X)
    scene.same()
    scene.a.allow(X, until="2026-12-01")
    scene.a.allow(Y, until="2026-12-01")
    scene.later(60 * DAY)
    scene.a.look()
    assert scene.redis.ask("HKEYS", LISTS) == f"allow .{X}"
    scene.look()
    assert scene.b.entries == set()


def test_a_line_that_is_no_text_stays_whoever_was_taken_back(scene: Scene) -> None:
    scene.a.allow(X)
    scene.same()
    scene.a.path("allow").write_bytes(b"\xff\n")
    scene.a.date("allow")
    scene.look()
    scene.later()
    scene.b.allow(X)
    scene.look()
    assert scene.a.path("allow").read_bytes() == f"\udcff\n{X}\n".encode(errors="surrogateescape")


def test_a_file_that_has_nothing_to_take_is_left_as_it_is(scene: Scene) -> None:
    scene.a.allow(X)
    before = scene.a.path("allow").stat().st_mtime_ns
    scene.look()
    assert scene.a.path("allow").stat().st_mtime_ns == before


def test_nothing_is_written_where_nothing_is_said(scene: Scene) -> None:
    """Not even where something can't be taken."""
    scene.b.mistakes = Mistakes(iprev=False)
    scene.b.start()
    scene.a.allow(X)
    scene.look()
    scene.b.start()
    scene.look()
    before = [host.journal.stat().st_mtime_ns for host in (scene.a, scene.b)]
    scene.look()
    assert [host.journal.stat().st_mtime_ns for host in (scene.a, scene.b)] == before


def test_who_begins_again_says_nothing_again(scene: Scene) -> None:
    scene.a.allow(X)
    scene.same()
    scene.a.start()
    scene.a.servers.asked.clear()
    scene.look()
    assert "EVAL" not in scene.a.servers.asked


def test_what_was_held_and_is_given_here_counts(scene: Scene) -> None:
    scene.b.mistakes = Mistakes(iprev=False)
    scene.b.start()
    scene.a.allow(X)
    scene.look()
    scene.apart()
    scene.later()
    scene.a.forget(X)
    scene.a.look()
    scene.later()
    scene.b.allow(X)
    scene.b.look()
    scene.apart(apart=False)
    assert scene.same() == {f"allow {X}"}


def test_of_what_there_is_room_for_as_much_is_taken(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.b.allow(N)
    scene.b.look()
    for who in (X, Y, Z):
        scene.a.allow(who)
    scene.a.look()
    monkeypatch.setattr(commanded_file, "LINES", 3)
    scene.b.look()
    assert scene.b.entries == {f"allow {N}", f"allow {X}", f"allow {Y}"}


def test_a_file_grows_no_longer_than_it_may(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for who in (X, Y, Z):
        scene.a.allow(who)
    scene.a.look()
    monkeypatch.setattr(commanded_file, "OCTETS", 30)
    scene.b.look()
    assert scene.b.entries == {f"allow {X}", f"allow {Y}"}


def test_what_could_not_be_taken_before_is_not_told_again(scene: Scene) -> None:
    scene.b.mistakes = Mistakes(iprev=False)
    scene.b.start()
    for number in range(12):
        scene.a.allow(f"n{number}.example.org")
    scene.look()
    told = len(scene.b.told)
    scene.b.start()
    scene.look()
    assert len(scene.b.told) == told
