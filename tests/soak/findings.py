"""What went wrong: what, how often, and when first."""

import time
from collections import Counter
from collections.abc import Iterator
from threading import Lock


class Findings:
    """Counts what should not be; thread-safe."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = Lock()
        self._times: Counter[str] = Counter()
        self._first: dict[str, float] = {}

    def add(self, what: str) -> None:
        """Note that something was wrong."""
        with self._lock:
            self._times[what] += 1
            self._first.setdefault(what, self.elapsed)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @property
    def total(self) -> int:
        """How much was wrong."""
        return self._times.total()

    def lines(self, most: int) -> Iterator[str]:
        """Yield what was wrong most often."""
        for what, times in self._times.most_common(most):
            yield f"{times} x {what} (first at {clock(self._first[what])})"


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
