"""Log lines on their way to standard error: each at once, or many with one write, behind the sessions' backs.

At once is for processes without threads. A worker has a thread for it: laying a line out and writing it takes a third
of a known sender's whole session if the session does it, and a reader that hangs would hang the mail.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from select import PIPE_BUF
from threading import Event, Lock, Thread
from typing import TextIO

Layout = Callable[[], str]
"""Lays a line out; what it holds on to must not change any more."""

_GATHER = 0.05
"""Seconds that lines gather for one write."""
_MOST = 20_000
"""Lines that may wait. More are lost, and counted: a full disk or a hanging reader is no reason to hold up mail."""
_PATIENCE = 2.0
"""Seconds that the lines which still wait have at the end."""


class Lines:
    """Writes lines; every thread may."""

    def __init__(self, stream: TextIO) -> None:
        """Write at once, until told otherwise."""
        self._stream = stream
        self._lock = Lock()
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
        with self._lock, suppress(OSError):  # nobody could be told
            self._stream.write(text)
            self._stream.flush()


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
