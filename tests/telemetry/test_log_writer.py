import io
import os
import re
import socket
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from select import PIPE_BUF, select
from threading import Event

import pytest

from milter64.telemetry import log_writer
from milter64.telemetry.log_writer import LogWriter
from rig.process import until


class Stream(io.StringIO):
    """What is written, write by write."""

    def __init__(self, *, hangs: bool = False) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.begun, self.go_on = Event(), Event()
        if not hangs:
            self.go_on.set()

    def write(self, text: str) -> int:
        self.begun.set()
        assert self.go_on.wait(60)
        self.writes.append(text)
        return len(text)


def lost(number: int) -> str:
    return f"lost {number}"


def says(text: str) -> Callable[[], str]:
    return lambda: text


def fails() -> str:
    raise ValueError("strange")


def test_without_a_thread_each_line_is_written_at_once_with_one_write() -> None:
    stream = Stream()
    out = LogWriter(stream, lost)
    out.put(says("one"))
    out.put(says("two"))
    assert stream.writes == ["one\n", "two\n"]


def test_a_thread_writes_all_lines_in_order_many_at_once_and_never_more_than_a_pipe_takes_whole() -> None:
    stream = Stream()
    out = LogWriter(stream, lost)
    expected = [f"{number} {'x' * 200}" for number in range(1000)]
    with out.behind():
        for line in expected:
            out.put(says(line))
    assert "".join(stream.writes).splitlines() == expected
    assert len(stream.writes) < 100
    assert all(text.endswith("\n") and len(text) <= PIPE_BUF for text in stream.writes)


def test_a_line_longer_than_that_is_cut() -> None:
    stream = Stream()
    out = LogWriter(stream, lost)
    out.put(says("b" * 2 * PIPE_BUF))
    with out.behind():
        for line in ("a", "b" * 2 * PIPE_BUF, "c" * (PIPE_BUF - 1)):
            out.put(says(line))
    cut = "b" * (PIPE_BUF - 4) + "...\n"
    assert stream.writes == [cut, "a\n", cut, "c" * (PIPE_BUF - 1) + "\n"]


def test_a_line_is_written_soon_though_no_other_follows() -> None:
    stream = Stream()
    out = LogWriter(stream, lost)
    with out.behind():
        out.put(says("one"))
        until(lambda: stream.writes == ["one\n"], "the line")


def test_a_reader_that_hangs_holds_nobody_up_and_what_it_misses_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "_MOST", 5)
    stream = Stream(hangs=True)
    out = LogWriter(stream, lost)
    with out.behind():
        out.put(says("first"))
        assert stream.begun.wait(60)  # the thread is stuck now
        for number in range(8):
            out.put(says(str(number)))
        stream.go_on.set()
    assert "".join(stream.writes).split("\n") == ["first", "0", "1", "2", "3", "4", "lost 3", ""]


def test_a_line_that_cannot_be_laid_out_is_lost_and_the_others_are_not() -> None:
    stream = Stream()
    out = LogWriter(stream, lost)
    with out.behind():
        out.put(fails)
        out.put(says("two"))
    assert "".join(stream.writes) == "two\nlost 1\n"


def test_a_full_disk_ends_neither_the_thread_nor_the_process() -> None:
    class Full(Stream):
        def write(self, text: str) -> int:
            if not self.writes:
                self.writes.append("")
                raise OSError(28, "No space left on device")
            return super().write(text)

    stream = Full()
    out = LogWriter(stream, lost)
    with out.behind():
        out.put(says("one"))
        until(lambda: stream.writes, "the first write")
        out.put(says("two"))
    out.put(says("three"))
    assert stream.writes == ["", "two\n", "three\n"]


def pipe(_: Path) -> tuple[int, int]:
    return os.pipe()


def journald(_: Path) -> tuple[int, int]:
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


def terminal(_: Path) -> tuple[int, int]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    return ours, theirs


@pytest.mark.parametrize("door", [pipe, journald, terminal])
def test_the_lines_of_several_processes_never_mix_however_long(
    tmp_path: Path, door: Callable[[Path], tuple[int, int]]
) -> None:
    reader, writer = door(tmp_path)
    children = [start(character, writer) for character in "abcd"]
    read = b""
    while read.count(b"\n") < 800 and select([reader], [], [], 60)[0]:
        read += os.read(reader, 65536)
    os.close(reader)
    os.close(writer)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    check_lines(read)


@pytest.mark.parametrize("flag", [0, os.O_APPEND])
def test_nor_do_they_in_a_file(tmp_path: Path, flag: int) -> None:
    path = tmp_path / "log"
    writer = os.open(path, os.O_WRONLY | os.O_CREAT | flag)
    children = [start(character, writer) for character in "abcd"]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    os.close(writer)
    check_lines(path.read_bytes())


def start(character: str, writer: int) -> int:
    """Fork a process that writes lines of one character, short ones and long ones."""
    if child := os.fork():
        return child
    try:
        out = LogWriter(open(writer, "w", closefd=False), lost)  # noqa: SIM115  a descriptor, and no path
        with out.behind():
            for number in range(200):
                out.put(says(character * (1 + number * 613 % (3 * PIPE_BUF))))
    finally:
        os._exit(0)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no line lost for want of CPU."""
    monkeypatch.setattr(log_writer, "_PATIENCE", 60)


def check_lines(read: bytes) -> None:
    found = read.decode().splitlines()
    assert len(found) == 800
    assert [line[:100] for line in found if not re.fullmatch(r"(a+|b+|c+|d+)(\.\.\.)?", line)] == []


def test_a_reader_that_hangs_holds_up_nobody_who_writes_at_once() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as file, open(writer, "w") as stream:  # noqa: PTH123  descriptors, and no paths
        out = LogWriter(stream, lost)
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * (PIPE_BUF - 1) + b"\n")
        os.set_blocking(writer, True)
        for _ in range(100):
            out.put(says("never"))
        os.read(reader, 1 << 20)
        out.put(says("heard"))
        stream.close()
        assert file.read() == b"heard\nlost 100\n"


def test_a_thread_that_hangs_with_its_reader_holds_up_nobody_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "_PATIENCE", 0.1)
    stream = Stream(hangs=True)
    out = LogWriter(stream, lost)
    with out.behind():
        out.put(says("first"))
        assert stream.begun.wait(60)
    out.put(says("second"))
    stream.go_on.set()
    until(lambda: stream.writes == ["first\n", "lost 1\n"], "the thread to go on")


def test_what_a_full_disk_did_not_take_begins_no_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    room = [3]
    write = os.write

    def short(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[: room.pop()] if room else data)

    monkeypatch.setattr("milter64.telemetry.log_writer.os.write", short)
    path = tmp_path / "log"
    with path.open("w") as stream:
        out = LogWriter(stream, lost)
        out.put(says("a line"))
        out.put(says("b line"))
        out.put(says("c line"))
    assert path.read_text() == "a l\nb line\nc line\n"


def test_a_closed_standard_error_is_nobodys_trouble() -> None:
    out = LogWriter(None, lost)
    out.put(says("one"))
    with out.behind():
        out.put(says("two"))
