"""The files of entries by command: they change in one step, and whoever changes them loses nobody else's change."""

import fcntl
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from milter64.lists import commanded
from milter64.lists.entry import Entry, made
from milter64.lists.list_file import OCTETS
from milter64.lists.mistakes import Mistakes, NoMistakes
from milter64.lists.who import Who, parse

NOW = 1000.0


def entry(who: str, until: str | None = None) -> Entry:
    return made(who, Mistakes(), blocks=False, until=until)


def named(who: str) -> Who:
    return parse(who, NoMistakes())


def add(path: Path, who: str, until: str | None = None) -> list[Entry]:
    return commanded.change(path, named(who), entry(who, until), NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "greylist.sqlite.allow"


def test_the_file_is_beside_the_greylist_and_there_is_none_in_memory() -> None:
    assert commanded.place("sqlite:/var/lib/x/rows", "allow") == Path("/var/lib/x/rows.allow")
    assert commanded.place("memory:", "allow") is None


def test_an_entry_is_added_and_replaced_and_taken_out(path: Path) -> None:
    assert add(path, "a.example.org") == []
    assert add(path, "b.example.org") == []
    (gone,) = add(path, "a.example.org", "2027-01-31")
    assert gone == entry("a.example.org")
    assert path.read_text() == "b.example.org\na.example.org until=2027-01-31T00:00Z\n"
    assert commanded.change(path, named("b.example.org"), None, NOW) == [entry("b.example.org")]
    assert path.read_text() == "a.example.org until=2027-01-31T00:00Z\n"


def test_what_has_run_out_goes_and_what_is_no_entry_stays(path: Path) -> None:
    path.write_text(
        "# mine\n\nx.example.org until=1970-01-01T00:16:40Z\n.com\nnot right\ny.example.org until=1970-01-02\n"
    )
    add(path, "a.example.org")
    assert path.read_text() == "# mine\n.com\nnot right\ny.example.org until=1970-01-02\na.example.org\n"
    (gone,) = commanded.change(path, named(".com"), None, NOW)  # as it was right once
    assert gone.written == ".com"


def test_nothing_is_written_where_nothing_changes(path: Path) -> None:
    assert commanded.change(path, named("a.example.org"), None, NOW) == []
    assert not path.exists()


def test_the_file_is_its_folders_owners_and_nobody_elses_to_read(path: Path) -> None:
    os.chown(path.parent, 12345, 23456)
    path.parent.chmod(0o750)
    before = os.umask(0o077)
    try:
        add(path, "a.example.org")
    finally:
        os.umask(before)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 23456, 0o640)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_link_leads_nowhere(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("secret\n")
    path.symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        add(path, "a.example.org")
    assert other.read_text() == "secret\n"


def _add(path: Path, number: int) -> None:
    for each in range(20):
        add(path, f"n{each}.x{number}.example.org")


def test_of_many_commands_at_once_each_counts(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    some = [context.Process(target=_add, args=(path, number)) for number in range(4)]
    for each in some:
        each.start()
    for each in some:
        each.join()
    lines = path.read_text().splitlines()
    assert sorted(lines) == sorted(f"n{each}.x{number}.example.org" for each in range(20) for number in range(4))


def test_who_keeps_the_lock_for_long_is_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commanded, "_PATIENCE", 0.05)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(OSError) as refusal:  # noqa: PT011  its words are looked at
            add(path, "a.example.org")
    finally:
        os.close(descriptor)
    assert refusal.value.strerror == "another command has it locked for 0.05 s"
    assert not path.exists()


def test_a_file_that_is_full_takes_no_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commanded, "LINES", 2)
    for number in range(2):
        add(path, f"n{number}.example.org")
    with pytest.raises(OSError) as refusal:  # noqa: PT011  its words are looked at
        add(path, "n2.example.org")
    assert refusal.value.strerror == f"more than 2 lines or {OCTETS} bytes"
    assert path.read_text() == "n0.example.org\nn1.example.org\n"
