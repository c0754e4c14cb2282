"""A clock that runs like time.monotonic() and can be put forward."""

import time


class Clock:
    """Calling it gives seconds, beginning with those of time.monotonic()."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
