"""How far a replay is, and how long it may take yet: on a terminal only."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

_EVERY = 0.5
"""Seconds between two words."""
_CLEAR = "\r\x1b[K"


class Progress:
    """Says how much of files is read."""

    def __init__(self, paths: Sequence[str], stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Say it on `stream`, if that is a terminal and the files' sizes are known."""
        self._stream = stream
        self._clock = clock
        sizes = [path.stat().st_size for path in map(Path, paths) if path.is_file()]
        self._total = sum(sizes) if len(sizes) == len(paths) and stream.isatty() else 0
        self._began = self._said = clock()
        self._before = self._place = 0

    def moved(self, place: int) -> None:
        """Note how far the file is read that is being read; the next one begins where the place is less."""
        if place < self._place:
            self._before += self._place
        self._place = place
        now = self._clock()
        done = self._before + place
        if not self._total or not done or now - self._said < _EVERY:
            return
        self._said = now
        left = (now - self._began) * (self._total - done) / done
        minutes, seconds = divmod(round(max(left, 0)), 60)
        print(f"{_CLEAR}{done / self._total:4.0%}, {minutes}:{seconds:02} left", end="", file=self._stream, flush=True)

    def close(self) -> None:
        """Take back what was said."""
        if self._total:
            print(end=_CLEAR, file=self._stream, flush=True)
