"""What was amiss when, and so what may be held against the service."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from threading import Lock


@dataclass(slots=True)
class _Span:
    what: str
    begin: float
    end: float = inf


class Troubles:
    """Spans of monotonic time, by what is wrong in them; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._spans: list[_Span] = []
        self._cut: dict[int, list[float]] = {}

    @contextmanager
    def during(self, what: str, *, after: float = 0.0) -> Iterator[None]:
        """Something is wrong meanwhile, and may be felt for some seconds after."""
        span = _Span(what, time.monotonic())
        with self._lock:
            self._spans.append(span)
        try:
            yield
        finally:
            span.end = time.monotonic() + after

    def met(self, what: str, begin: float, end: float) -> bool:
        """Whether it was wrong some time between two times."""
        with self._lock:
            return any(span.what == what and span.begin <= end and begin <= span.end for span in self._spans)

    def cut(self, ports: set[int], now: float) -> None:
        """Note that the sessions from these ports end at `now`, with the worker that has them."""
        with self._lock:
            for port in ports:
                self._cut.setdefault(port, []).append(now)

    def was_cut(self, port: int, begin: float, end: float) -> bool:
        """Whether a session was with a worker that was killed."""
        with self._lock:
            return any(begin <= when <= end for when in self._cut.get(port, ()))
