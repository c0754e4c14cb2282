"""Tables that stay small however long a log is. What they let go of is counted."""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from itertools import takewhile
from math import exp, log
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Top(Generic[Key]):
    """Counts many, and knows those that are most.

    Once there are more than there is room for, the rarest go: who is often there stays, and has been counted from the
    beginning or nearly so. `dropped` is how much was counted for keys that went.
    """

    def __init__(self, room: int) -> None:
        """Hold on to so many keys."""
        self._room = room
        self._counts: Counter[Key] = Counter()
        self.dropped = 0

    def add(self, keys: Iterable[Key]) -> None:
        """Count keys; of many at once each takes a third of the time."""
        self._counts.update(keys)
        while len(self._counts) > self._room:
            self._drop()

    def _drop(self) -> None:
        """Let go of half of them at least, the rarest."""
        counts = self._counts
        rare = sorted(counts.values())[len(counts) // 2]
        self.dropped += sum(count for count in counts.values() if count <= rare)
        self._counts = Counter({key: count for key, count in counts.items() if count > rare})

    def most(self, number: int) -> list[tuple[Key, int]]:
        """Return those that are most, with their counts, which may be too low where some were dropped."""
        return self._counts.most_common(number)

    def __len__(self) -> int:
        return len(self._counts)


class Waiting(OrderedDict[Key, float]):
    """Who waits since when, as many as there is room for; who comes in order of time goes so.

    `late` are those whose time was over, `pushed_out` those for whom there was no room any more.
    """

    def __init__(self, room: int, window: float) -> None:
        """Hold on to so many, each for `window` seconds."""
        super().__init__()  # a dict would not do: to take the first out of one again and again is slow
        self._room = room
        self._window = window
        self.late = 0
        self.pushed_out = 0

    def begin(self, key: Key, at: float) -> None:
        """Have somebody wait who doesn't yet."""
        if len(self) >= self._room:
            self.popitem(last=False)
            self.pushed_out += 1
        self[key] = at

    def end(self, key: Key, at: float) -> float | None:
        """Return how many seconds somebody has waited who waits no longer, None for one who didn't, or is late."""
        since = self.pop(key, None)
        if since is None:
            return None
        if at - since > self._window:
            self.late += 1
            return None
        return max(at - since, 0.0)

    def expire(self, now: float) -> list[Key]:
        """Let go of those whose time is over, and return them."""
        over = list(takewhile(lambda key: now - self[key] > self._window, self))
        for key in over:
            del self[key]
        self.late += len(over)
        return over


_STEPS = 16
"""Steps in which a time becomes e times as long: each is 6 % of it."""


class Times:
    """How long something took, many times: exact to 6 %."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0

    def add(self, seconds: float) -> None:
        """Count a time."""
        step = round(log(max(seconds, 1.0)) * _STEPS)
        self._counts[step] = self._counts.get(step, 0) + 1
        self.count += 1

    def part(self, part: float) -> float | None:
        """Return the seconds within which such a part of them was, None if there are none: 0.5 asks for the median."""
        left = part * self.count
        for step, count in self._steps():
            left -= count
            if left <= 0:
                return exp(step / _STEPS)
        return None

    def between(self, edges: tuple[float, ...]) -> tuple[int, ...]:
        """Return how many there are from each edge to the next; the first edge is 0, and there is an end to none."""
        counts = [0] * (len(edges) - 1)
        for step, count in self._steps():
            seconds = exp(step / _STEPS)
            counts[sum(edge <= seconds for edge in edges[1:-1])] += count
        return tuple(counts)

    def _steps(self) -> Iterator[tuple[int, int]]:
        return iter(sorted(self._counts.items()))
