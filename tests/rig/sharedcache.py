"""A cache in shared memory that a test can look into, and damage."""

from milter64.limits.shared_cache import SharedCache

CAPACITY = 20_000
LARGEST = 2_000


class Made(SharedCache[tuple[str, ...], object]):
    """One that can be damaged."""

    @property
    def position(self) -> int:
        return self._next[0]

    @position.setter
    def position(self, position: int) -> None:
        self._next[0] = position

    @property
    def positions(self) -> int:
        return self._positions

    @property
    def room(self) -> int:
        return self._room

    def write_over(self, at: int, octets: bytes) -> None:
        self._records[at : at + len(octets)] = octets

    def written(self, octets: int) -> memoryview:
        return self._records[: min(octets, self._next[0])]

    def lead_to(self, position: int) -> None:
        """Have all places that are taken lead to a position."""
        for number, place in enumerate(self._places.tolist()):
            if place:
                self._places[number] = place % 2**16 + position * 2**16


def make(capacity: int = CAPACITY) -> Made:
    return Made(capacity, LARGEST)
