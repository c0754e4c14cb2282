import io
from collections.abc import Callable
from select import PIPE_BUF
from threading import Event

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
