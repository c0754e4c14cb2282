"""Files count as soon as they change, and what is wrong with them is told once."""

import os
import time
from copy import copy
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit, setrlimit
from threading import Event

import pytest

from milter64.lists import admin_lists, commanded, list_file
from milter64.lists.admin_lists import AdminLists
from milter64.lists.entry import made
from milter64.lists.index import reader
from milter64.lists.list_file import ListFile
from milter64.lists.listed import Listed
from milter64.lists.mistakes import Mistakes, NoMistakes
from milter64.lists.who import parse
from rig.envelopes import envelope
from rig.process import until

READ = reader(Mistakes(), blocks=True)


class Watched:
    """A file in a list, and what was warned of."""

    def __init__(self, path: Path, *, ours: bool = False) -> None:
        self.warned: list[str] = []
        self.path = path
        self.file = ListFile(path, READ, self.warned.append, ours=ours)

    @property
    def names(self) -> str:
        """All that counts of these."""
        return " ".join(name for name in ("a", "b", "c") if self.file.in_force.find(f".{name}.example.org".encode()))

    def look(self) -> str:
        self.file.look(lambda: None)
        return self.names


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "block"
    path.write_text("a.example.org\n")
    return path


def test_what_is_in_a_file_counts_at_once_and_what_has_changed_when_two_looks_have_found_it_the_same(
    path: Path,
) -> None:
    listed = Watched(path)
    assert listed.names == "a"
    path.write_text("b.example.org\n")
    assert [listed.look(), listed.look()] == ["a", "b"]
    fresh = path.with_name("fresh")
    fresh.write_text("c.example.org\n")
    fresh.replace(path)
    assert [listed.look(), listed.look(), listed.look()] == ["b", "c", "c"]
    assert listed.warned == []


def test_a_file_that_is_being_written_counts_when_it_rests(path: Path) -> None:
    listed = Watched(path)
    for text in ("b", "b.exam", "b.example.org\nc.example.org"):
        path.write_text(text)
        assert listed.look() == "a"
    assert listed.look() == "b c"


@pytest.mark.parametrize(("seconds_ago", "reads_again"), [(0, True), (2, False)])
def test_a_file_that_was_changed_a_moment_before_it_was_read_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, seconds_ago: int, reads_again: bool
) -> None:
    changed = time.time_ns() - seconds_ago * 10**9
    monkeypatch.setattr(ListFile, "_look", lambda _self: (1, 1, 1, changed, changed))  # within one tick of the clock
    listed = Watched(path)
    path.write_text("b.example.org\n")
    assert listed.look() == ("b" if reads_again else "a")
    path.write_text("c.example.org\n")
    assert listed.look() == ("c" if reads_again else "a")


def test_a_file_that_is_gone_or_cant_be_read_keeps_what_counted_and_is_told_of_once(path: Path) -> None:
    listed = Watched(path)
    path.unlink()
    assert [listed.look() for _ in range(5)] == ["a"] * 5
    path.mkdir()
    assert [listed.look() for _ in range(5)] == ["a"] * 5
    path.rmdir()
    path.write_text("b.example.org\n")
    assert [listed.look(), listed.look()] == ["a", "b"]
    assert listed.warned == [
        f"{path}: No such file or directory: what counted before counts on",
        f"{path}: Is a directory: what counted before counts on",
    ]


def test_a_file_that_could_not_be_read_for_want_of_means_counts_when_it_can(path: Path) -> None:
    listed = Watched(path)
    path.write_text("b.example.org\n.com\n")
    listed.look()
    limits = getrlimit(RLIMIT_NOFILE)
    setrlimit(RLIMIT_NOFILE, (0, limits[1]))
    try:
        assert [listed.look() for _ in range(3)] == ["a"] * 3
    finally:
        setrlimit(RLIMIT_NOFILE, limits)
    assert listed.look() == "b"
    assert [warning.partition(";")[0] for warning in listed.warned] == [
        f"{path}: Too many open files: what counted before counts on",
        f"{path}:2: below com anybody may have a name",
    ]


def test_of_several_workers_one_tells(path: Path) -> None:
    """A file that is gone, is back with a wrong line, and is gone again."""
    listed = Watched(path)
    other = copy(listed.file)  # as a fork makes it
    for text in ("", ".com\n", ""):
        path.write_text(text) if text else path.unlink()
        for _ in range(3):
            listed.look()
            other.look(lambda: None)
    assert [warning.partition(";")[0] for warning in listed.warned] == [
        f"{path}: No such file or directory: what counted before counts on",
        f"{path}:1: below com anybody may have a name",
        f"{path}: No such file or directory: what counted before counts on",
    ]


def test_a_pipe_keeps_nobody_waiting_and_a_giant_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_file, "LINES", 2)
    monkeypatch.setattr(list_file, "OCTETS", 60)
    listed = Watched(path)
    path.unlink()
    os.mkfifo(path)
    assert [listed.look() for _ in range(3)][-1] == "a"
    path.unlink()
    path.write_text("b.example.org\n" * 3)
    assert [listed.look() for _ in range(3)][-1] == "a"
    path.write_text("b.example.org\n" * 5)
    assert [listed.look() for _ in range(3)][-1] == "a"
    assert [warning.removeprefix(f"{path}: ") for warning in listed.warned] == [
        "no regular file: what counted before counts on",
        "more than 2 lines: what counted before counts on",
        "more than 60 bytes: what counted before counts on",
    ]


def test_a_file_of_ours_may_be_absent_and_is_no_link(path: Path) -> None:
    listed = Watched(path, ours=True)
    path.unlink()
    assert listed.look() == ""
    path.with_name("theirs").write_text("b.example.org\n")
    path.symlink_to("theirs")
    assert [listed.look(), listed.look()] == ["", ""]
    assert listed.warned == [f"{path}: Too many levels of symbolic links: nothing in it counts"]


def test_a_file_of_ours_counts_at_once_as_it_is_replaced_in_one_step(path: Path) -> None:
    listed = Watched(path, ours=True)
    commanded.change(path, parse("b.example.org", NoMistakes()), made("b.example.org", NoMistakes(), blocks=True), 0.0)
    assert listed.look() == "a b"


def test_a_wrong_line_is_left_out_and_told_of_and_the_rest_counts(path: Path) -> None:
    path.write_text("\ufeffa.example.org\r\n.com\n\nb.example.org\nc.example.org c\n")
    listed = Watched(path)
    assert listed.names == "a b"
    assert listed.warned == [
        f"{path}:2: below com anybody may have a name; write a name of theirs, such as partner.com",
        f"{path}:5: c is not understood; write until=2027-01-31, or a # before a comment",
    ]
    path.write_text("wrong\n" * 30 + "c.example.org")
    assert [listed.look(), listed.look()] == ["a b", "c"]
    assert listed.warned[-1] == f"{path}: 20 more such lines; milter64 check-config tells them"
    assert len(listed.warned) == 13


def test_who_stops_in_the_middle_leaves_what_counted(path: Path) -> None:
    listed = Watched(path)
    path.write_text("b.example.org\n" * 1000)
    listed.look()
    with pytest.raises(InterruptedError):
        listed.file.look(_stop)
    assert listed.names == "a"
    assert listed.look() == "b"


def _stop() -> None:
    raise InterruptedError


def test_who_ends_while_a_file_is_read_neither_waits_for_it_nor_calls_it_a_fault(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_lists, "_STRETCH", 0)
    faults, ends, reads = list[str](), Event(), list[bytes]()
    listed = Watched(path)
    path.write_text("b.example.org\n" * 100_000)

    def read(raw: bytes) -> None:
        reads.append(raw)
        ends.wait()

    monkeypatch.setattr(listed.file, "_read", read)
    with AdminLists([listed.file], []).watching(lambda: faults.append("fault")):
        until(lambda: reads, "the file to be read")
        ends.set()
    assert len(reads) < 100_000
    assert listed.file.in_force.text == b"a.example.org\n"
    assert faults == []


def of(lists: AdminLists) -> Listed:
    return lists.of_sender(envelope("192.31.196.10", "mail.example", "joe@partner.example"), {})


def test_files_are_watched_and_entries_run_out_and_the_edition_tells(path: Path) -> None:
    faults: list[str] = []
    now = [0.0]
    listed = Watched(path)
    lists = AdminLists([listed.file], [], clock=lambda: now[0])
    with lists.watching(lambda: faults.append("fault")):
        edition = lists.edition
        path.write_text("192.31.196.10 until=1970-01-01T00:01:40Z # for now\n")
        until(lambda: of(lists).findings, "a network to be listed")
        assert of(lists).findings[0].facts == (("aside", f"for now, {path}:1"),)
        assert lists.edition > edition
        edition = lists.edition
        now[0] = 100.0
        until(lambda: lists.edition > edition, "an entry to run out")
        assert of(lists) == Listed()
    assert faults == []


def test_entries_that_had_run_out_by_a_clock_that_was_ahead_count_again_when_it_is_set_back(path: Path) -> None:
    now = [200.0]
    path.write_text("192.31.196.10 until=1970-01-01T00:01:40Z\n")
    lists = AdminLists([Watched(path).file], [], clock=lambda: now[0])
    with lists.watching(lambda: None):
        assert of(lists) == Listed()
        now[0] = 50.0
        until(lambda: of(lists).findings, "an entry to count again")
        now[0] = 100.0
        until(lambda: of(lists) == Listed(), "it to run out")
