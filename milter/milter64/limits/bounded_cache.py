"""A cache that is bounded by what its entries weigh: strangers fill it, and choose how much each of them holds."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from sys import getsizeof
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

_ENTRY = 200
"""Octets that an entry takes beside its key and its value: its places in an OrderedDict, and its weight."""
_ATOMS = frozenset({str, bytes, int, float, bool, type(None)})


class Cache(Generic[Key, Value]):
    """Values by key; those that were used longest ago make room. Every thread may call everything.

    `capacity` is in octets, and `weight` what there is by the measure of `weigh`, which is told key and value. What
    weighs more than `largest` is not kept, so that many fit in.
    """

    def __init__(
        self,
        capacity: int,
        largest: int,
        weigh: Callable[[Key, Value], int] = lambda key, value: octets(key) + octets(value),
    ) -> None:
        self._weigh = weigh
        self.capacity = capacity
        self.weight = 0
        self._largest = largest
        self._lock = Lock()
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, None if there is none."""
        if (entry := self._entries.get(key)) is None:  # as of most strangers; that takes no lock
            return None
        try:  # noqa: SIM105  suppress costs more than the rest
            self._entries.move_to_end(key)
        except KeyError:  # another thread has just made room
            pass
        return entry[0]

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, which must not change any more, in place of the one before."""
        weight = self._weigh(key, value) + _ENTRY
        with self._lock:
            self._drop(key)
            if weight > self._largest:
                return
            self._entries[key] = value, weight
            self.weight += weight
            while self.weight > self.capacity:
                _, (_, lost) = self._entries.popitem(last=False)
                self.weight -= lost

    def drop(self, key: Key) -> None:
        """Forget a key's value, if there is one."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.weight = 0

    def _drop(self, key: Key) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self.weight -= entry[1]


def octets(thing: object) -> int:
    """Return what a thing takes in memory with all that it consists of, be it shared with others or not."""
    kind, size = type(thing), getsizeof(thing)
    if kind in _ATOMS:  # nearly all
        return size
    if isinstance(thing, (tuple, frozenset)):
        return size + sum(map(octets, thing))
    if isinstance(thing, Mapping):
        return size + sum(map(octets, thing.items()))
    return size + sum([octets(getattr(thing, name)) for name in getattr(kind, "__slots__", ())])
