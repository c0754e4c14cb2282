"""Log lines on their way to standard error: each at once, or many with one write, behind the sessions' backs.

At once is for processes without threads, and has its deadline: a reader that hangs costs lines, never the supervisor.
A worker has a thread for it: laying a line out and writing it takes a third
of a known sender's whole session if the session does it, and a reader that hangs would hang the mail.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from select import PIPE_BUF, POLLOUT, poll
from threading import Event, Thread
from typing import TextIO

Layout = Callable[[], str]
"""Lays a line out; what it holds on to must not change any more."""

_GATHER = 0.05
"""Seconds that lines gather for one write."""
_MOST = 20_000
"""Lines that may wait. More are lost, and counted: a full disk or a hanging reader is no reason to hold up mail."""
_PATIENCE = 2.0
"""Seconds that the lines which still wait have at the end, and that a reader may hang before a line is lost."""


class Lines:
    """Writes lines; every thread may."""

    def __init__(self, stream: TextIO | None) -> None:
        """Write at once, until told otherwise. Where standard error was closed before the start there is no stream."""
        self._stream = stream
        self._file: int | None = None
        with suppress(AttributeError, OSError, ValueError):
            self._file = stream.fileno()  # type: ignore[union-attr]  # Python's own buffer would repeat what failed
        self._hangs = False
        self._queue: SimpleQueue[Layout | None] | None = None
        self._lost = 0

    @property
    def bound(self) -> tuple[int, int]:
        """How many lines wait, and how many may."""
        return self._queue.qsize() if self._queue else 0, _MOST

    def put(self, layout: Layout) -> None:
        """Write a line, or have it written."""
        queue = self._queue
        if queue is None:
            self._write(layout() + "\n")
        elif queue.qsize() < _MOST:
            queue.put(layout)
        else:
            self._lost += 1  # two threads may count one for two: it is as good as many

    @contextmanager
    def behind(self, lost: Callable[[int], str]) -> Iterator[None]:
        """Have a thread write all lines meanwhile; `lost` lays out a line that says how many had no room."""
        queue: SimpleQueue[Layout | None] = SimpleQueue()
        ending = Event()
        thread = Thread(target=self._write_behind, args=(queue, ending, lost), name="log", daemon=True)
        thread.start()
        self._queue = queue
        try:
            yield
        finally:
            self._queue = None
            ending.set()
            queue.put(None)
            thread.join(_PATIENCE)

    def _write_behind(self, queue: SimpleQueue[Layout | None], ending: Event, lost: Callable[[int], str]) -> None:
        waiting: list[Layout | None] = []
        while None not in waiting:
            waiting = [queue.get()]
            ending.wait(_GATHER)
            with suppress(Empty):
                while True:
                    waiting.append(queue.get_nowait())
            lines = list(self._laid_out(waiting))
            if self._lost:
                lines.append(lost(self._lost))
                self._lost = 0
            for text in _together(lines):
                self._write(text)

    def _laid_out(self, waiting: Iterable[Layout | None]) -> Iterator[str]:
        for layout in waiting:
            try:
                if layout:
                    yield layout()
            except Exception:  # noqa: BLE001  one line's fault must not be the end of all lines
                self._lost += 1

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # nobody could be told
            if self._file is not None:
                self._write_to_file(self._file, text.encode(errors="backslashreplace"))
            elif self._stream:
                self._stream.write(text)

    def _write_to_file(self, descriptor: int, data: bytes) -> None:
        """Write; at once, which is on a main thread, with a deadline, and with none while the reader hangs on."""
        file = poll()
        file.register(descriptor, POLLOUT)
        deadline = time.monotonic() + (0.0 if self._hangs else _PATIENCE)
        while data:
            if self._queue is None:
                self._hangs = not file.poll(max(0.0, deadline - time.monotonic()) * 1000)
                if self._hangs:
                    self._lost += 1
                    return
            data = data[os.write(descriptor, data[:PIPE_BUF] if self._queue is None else data) :]


def _together(lines: Iterable[str]) -> Iterator[str]:
    """Join lines to texts that a pipe takes whole, so that the lines of several processes don't mix."""
    text = ""
    for line in lines:
        if text and len(text) + len(line) >= PIPE_BUF:
            yield text
            text = ""
        text += f"{line}\n"
    if text:
        yield text
