import io
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from select import PIPE_BUF
from threading import Event
from typing import TextIO

import pytest

from milter64 import lines
from milter64.lines import Lines
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
    out = Lines(stream)
    out.put(says("one"))
    out.put(says("two"))
    assert stream.writes == ["one\n", "two\n"]


def test_a_thread_writes_all_lines_in_order_many_at_once_and_never_more_than_a_pipe_takes_whole() -> None:
    stream = Stream()
    out = Lines(stream)
    expected = [f"{number} {'x' * 200}" for number in range(1000)]
    with out.behind(lost):
        for line in expected:
            out.put(says(line))
    assert "".join(stream.writes).splitlines() == expected
    assert len(stream.writes) < 100
    assert all(text.endswith("\n") and len(text) <= PIPE_BUF for text in stream.writes)


def test_a_line_longer_than_that_goes_by_itself() -> None:
    stream = Stream()
    out = Lines(stream)
    with out.behind(lost):
        for line in ("a", "b" * 2 * PIPE_BUF, "c"):
            out.put(says(line))
    assert "".join(stream.writes) == f"a\n{'b' * 2 * PIPE_BUF}\nc\n"
    assert f"{'b' * 2 * PIPE_BUF}\n" in stream.writes


def test_a_line_is_written_soon_though_no_other_follows() -> None:
    stream = Stream()
    out = Lines(stream)
    with out.behind(lost):
        out.put(says("one"))
        until(lambda: stream.writes == ["one\n"], "the line")


def test_a_reader_that_hangs_holds_nobody_up_and_what_it_misses_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_MOST", 5)
    stream = Stream(hangs=True)
    out = Lines(stream)
    with out.behind(lost):
        out.put(says("first"))
        assert stream.begun.wait(60)  # the thread is stuck now
        for number in range(8):
            out.put(says(str(number)))
        stream.go_on.set()
    assert "".join(stream.writes).split("\n") == ["first", "0", "1", "2", "3", "4", "lost 3", ""]


def test_a_line_that_cannot_be_laid_out_is_lost_and_the_others_are_not() -> None:
    stream = Stream()
    out = Lines(stream)
    with out.behind(lost):
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
    out = Lines(stream)
    with out.behind(lost):
        out.put(says("one"))
        until(lambda: stream.writes, "the first write")
        out.put(says("two"))
    out.put(says("three"))
    assert stream.writes == ["", "two\n", "three\n"]


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, FileIO]]:
    """What a log is written to, and its reader's end."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stream, FileIO(reader) as end:
        yield stream, end


def full(stream: TextIO) -> int:
    """Fill a pipe, and return with how many octets."""
    os.set_blocking(stream.fileno(), False)
    octets = 0
    with suppress(BlockingIOError):
        while True:
            octets += os.write(stream.fileno(), b"x" * PIPE_BUF)
    os.set_blocking(stream.fileno(), True)
    return octets


@pytest.mark.timeout(10)
def test_a_reader_that_hangs_ends_no_line_that_is_written_at_once_but_loses_it(
    pipe: tuple[TextIO, FileIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_PATIENCE", 0.1)
    stream, reader = pipe
    octets = full(stream)
    out = Lines(stream)
    out.put(says("lost"))
    monkeypatch.setattr(lines, "_PATIENCE", 60)
    for _ in range(100):
        out.put(says("lost, and nobody waits for it"))
    while octets:
        octets -= len(reader.read(octets) or b"")
    out.put(says("one"))
    assert reader.read(PIPE_BUF) == b"one\n"


@pytest.mark.timeout(10)
def test_an_end_does_not_wait_long_for_a_reader_that_hangs(
    pipe: tuple[TextIO, FileIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_PATIENCE", 0.1)
    stream, _ = pipe
    full(stream)
    out = Lines(stream)
    with out.behind(lost):
        out.put(says("one"))
    out.put(says("two"))


def test_a_log_that_nobody_reads_any_more_or_that_was_never_there_harms_nobody(pipe: tuple[TextIO, FileIO]) -> None:
    stream, reader = pipe
    reader.close()
    for out in (Lines(stream), Lines(None)):
        out.put(says("one"))
        with out.behind(lost):
            out.put(says("two"))
        out.put(says("three"))
