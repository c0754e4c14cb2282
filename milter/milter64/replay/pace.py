"""How fast DNS may be asked."""

import time
from collections.abc import Callable


class Pace:
    """Keeps questions to so many a second, on an average: whoever has asked much rests before he asks again."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._paid = 0
        self._rest_until = clock()

    def rest(self, asked: int) -> None:
        """Rest for the questions that were asked since; `asked` is how many there were in all."""
        now = self._clock()
        self._rest_until = max(self._rest_until, now) + (asked - self._paid) / self._per_second
        self._paid = asked
        if self._rest_until > now:
            self._sleep(self._rest_until - now)
