"""Log lines on their way to standard error: each at once, or many with one write, behind the sessions' backs.

At once is for processes without threads. A worker has a thread for it: laying a line out and writing it takes a third
of a known sender's whole session if the session does it, and a reader that hangs would hang the mail.

Several processes write to one place. What a pipe takes whole doesn't mix with what others write (pipe(7)), and the same
length is taken whole by a socket, as journald's, by a terminal, and by a file: so no write is longer, nor is any line.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from select import PIPE_BUF, POLLOUT, poll
from threading import Event, Lock, Thread
from typing import TextIO

Layout = Callable[[], str]
"""Lays a line out, in ASCII; what it holds on to must not change any more."""

LONGEST = PIPE_BUF - 1
"""Characters of a line; what is beyond is cut."""
_GATHER = 0.05
"""Seconds that lines gather for one write."""
_MOST = 20_000
"""Lines that may wait. More are lost, and counted: a full disk or a hanging reader is no reason to hold up mail."""
_PATIENCE = 2.0
"""Seconds that the lines which still wait have at the end."""
_MOMENT = 0.2
"""Seconds that a reader has to make room for a line that is to be written at once; once it hadn't, it has none."""


class LogWriter:
    """Writes lines; every thread may."""

    def __init__(self, stream: TextIO | None, lost: Callable[[int], str]) -> None:
        """Write at once, until told otherwise; `lost` lays out a line that says how many could not be written.

        Without a stream, as where standard error is closed, nothing is written.
        """
        self._stream = stream
        self._laid_out_lost = lost
        self._lock = Lock()
        self._queue: SimpleQueue[Layout | None] | None = None
        self._lost = 0
        self._hangs = False
        self._torn = False

    @property
    def bound(self) -> tuple[int, int]:
        """How many lines wait, and how many may."""
        return self._queue.qsize() if self._queue else 0, _MOST

    def put(self, layout: Layout) -> None:
        """Write a line, or have it written."""
        queue = self._queue
        if queue is None:
            self._put_at_once(layout)
        elif queue.qsize() < _MOST:
            queue.put(layout)
        else:
            self._lost += 1  # two threads may count one for two: it is as good as many

    def _put_at_once(self, layout: Layout) -> None:
        """Write a line unless its reader hangs, or the thread that stands in its write for that."""
        if not self._lock.acquire(timeout=_MOMENT):
            self._lost += 1
            return
        try:
            if not self._has_room():
                self._lost += 1
                return
            for text in self._texts([layout]):
                self._write(text)
        finally:
            self._lock.release()

    def _has_room(self) -> bool:
        if (descriptor := self._descriptor()) is None:
            return True
        reader = poll()
        reader.register(descriptor, POLLOUT)
        try:
            self._hangs = not reader.poll(0 if self._hangs else _MOMENT * 1000)
        except OSError:  # no file may be open, poll(2)
            self._hangs = True
        return not self._hangs

    @contextmanager
    def behind(self) -> Iterator[None]:
        """Have a thread write all lines meanwhile."""
        queue, ending = SimpleQueue[Layout | None](), Event()
        thread = Thread(target=self._write_behind, args=(queue, ending), name="log", daemon=True)
        thread.start()
        self._queue = queue
        try:
            yield
        finally:
            self._queue = None
            ending.set()
            queue.put(None)
            thread.join(_PATIENCE)

    def _write_behind(self, queue: SimpleQueue[Layout | None], ending: Event) -> None:
        waiting: list[Layout | None] = []
        while None not in waiting:
            waiting = [queue.get()]
            ending.wait(_GATHER)
            with suppress(Empty):
                while True:
                    waiting.append(queue.get_nowait())
            for text in self._texts(waiting):
                with self._lock:
                    self._write(text)

    def _texts(self, waiting: Iterable[Layout | None]) -> Iterator[str]:
        """Return lines as they are written, and behind them how many were lost."""
        lines = list(self._laid_out(waiting))
        if self._lost:
            lines.append(_cut(self._laid_out_lost(self._lost)))
            self._lost = 0
        return _together(lines)

    def _laid_out(self, waiting: Iterable[Layout | None]) -> Iterator[str]:
        for layout in waiting:
            try:
                if layout:
                    yield _cut(layout())
            except Exception:  # noqa: BLE001  one line's fault must not be the end of all lines
                self._lost += 1

    def _write(self, text: str) -> None:
        """Write a text with one write. What a full disk doesn't take is not made up for: it would begin a line."""
        with suppress(OSError):  # nobody could be told
            if (descriptor := self._descriptor()) is not None:
                text = f"\n{text}" if self._torn else text
                written = os.write(descriptor, text.encode("ascii", "backslashreplace"))
                self._torn = text[written - 1] != "\n"
            elif self._stream:
                self._stream.write(text)

    def _descriptor(self) -> int | None:
        """Return what to write to, None for a stream in memory."""
        with suppress(OSError, AttributeError):  # the latter of None, which has none
            return self._stream.fileno()  # type: ignore[union-attr]
        return None


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _together(lines: Iterable[str]) -> Iterator[str]:
    """Join lines to texts that are each written whole."""
    text = ""
    for line in lines:
        if text and len(text) + len(line) > LONGEST:
            yield text
            text = ""
        text += f"{line}\n"
    if text:
        yield text
