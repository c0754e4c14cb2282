"""A cache in memory that forked workers share: what one has learned the others know, and it takes memory once.

Nobody locks it. Records are written one behind the other, round and round; apart from them stands, by a hash of each
key, where its record is. Two workers that write at the same moment may spoil a record, and one that is killed may leave
a part of one: a sum tells, and such a record counts as none. The sum is of its position too, and of a secret, as in
what strangers have to say there may be whole records of their making. So nobody waits, and what is found is never
wrong; but now and then something is forgotten.

What was written longest ago makes room, and what is still used is written anew before its turn comes. Strangers take as
much as they have to say, and all of it together takes what there is room for, to the octet.
"""

import mmap
from collections.abc import Hashable
from marshal import dumps, loads
from os import urandom
from struct import Struct
from threading import Lock
from typing import Generic, Self, TypeVar
from zlib import crc32

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_WORD = 8
_WAYS = 8
"""Places in a set; where a key's may be is one set."""
_SHORT = 80
"""Octets of a record for each of which there is a place: the usual ones are longer, so that few sets are full."""
_MARKS, _POSITIONS = 1 << 16, 1 << 48
"""A place that was taken has its key's mark, which isn't 0, and above that its record's position: how many octets there
were before it ever, or since that was more than there are numbers for."""
_OLD = 1 / 2
"""The part of a round after which a record that is used is written anew: what is used every half a round stays."""
_HEAD = Struct("=III")
"""A record's sum, and how many octets its key and its value have, which follow."""
_SEALED = Struct("=QI")
"""A record's position, and how many octets its key has."""
_ALIKE = 2
"""The last version of marshal's format in which what is equal is written alike."""


class SharedCache(Generic[Key, Value]):
    """Values by key, all of which marshal has to know; for every thread of every process that is forked from here on.

    `capacity` is in octets. What takes more than `largest` is not kept, so that many fit in.
    """

    def __init__(self, capacity: int, largest: int, memory: mmap.mmap | None = None) -> None:
        """Have room, of which nothing takes memory before it is written to, or that of another cache.

        Raises:
            OSError: the system has none.
        """
        self.capacity = capacity
        self._memory = memory or mmap.mmap(-1, _WORD + capacity)
        self._secret = int.from_bytes(urandom(4))
        self._sets = capacity // (_SHORT + _WORD) // _WAYS + 1
        self._room = capacity - self._sets * _WAYS * _WORD
        self._largest = min(largest, self._room)
        octets = memoryview(self._memory)
        self._next = octets[:_WORD].cast("Q")
        self._places = octets[_WORD : -self._room].cast("Q")
        self._records = octets[-self._room :]
        self._positions = _POSITIONS // self._room * self._room
        self._lock = Lock()  # for the threads of a process, which might take turns at each step

    @property
    def weight(self) -> int:
        """How much there is, in octets."""
        return min(self._next[0], self._room) * self.capacity // self._room

    def anew(self) -> Self:
        """Return one in the same memory that has nothing, as others can't read what was written there before.

        Those who have this one go on with it beside them.
        """
        return type(self)(self.capacity, self._largest, self._memory)

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, None if there is none."""
        hashed = hash(key)
        first, mark = hashed % self._sets * _WAYS, _mark(hashed)
        for place in self._places[first : first + _WAYS].tolist():
            if place % _MARKS == mark:
                position = place // _MARKS
                age = (self._next[0] - position) % self._positions
                if age <= self._room and (value := self._read(position, key)) is not None:
                    known: Value = loads(value)  # noqa: S302  it is as one of us has written it
                    if age > _OLD * self._room:
                        self._write(hashed, key, value, place)
                    return known
        return None

    def put(self, key: Key, value: Value) -> None:
        """Keep a value in the place of the one before."""
        self._write(hash(key), key, dumps(value))  # type: ignore[arg-type]  # what marshal knows has no name

    def drop(self, key: Key) -> None:
        """Forget a key's value, if there is one."""
        self._drop(hash(key))

    def _read(self, position: int, key: Key) -> bytes | None:
        """Return the value of the record at a position, None if it is another key's, or spoiled."""
        at = position % self._room
        begin = at + _HEAD.size
        if begin > self._room:
            return None
        total, key_octets, value_octets = _HEAD.unpack_from(self._records, at)
        end = begin + key_octets + value_octets
        if end > self._room:
            return None
        record = self._records[begin:end].tobytes()
        if self._sum(position, key_octets, record) != total or record[:key_octets] != dumps(key, _ALIKE):  # type: ignore[arg-type]  # as above
            return None
        return record[key_octets:]

    def _write(self, hashed: int, key: Key, value: bytes, instead_of: int | None = None) -> None:
        """Write a record; in the place of one that was read before, unless news has taken that."""
        name = dumps(key, _ALIKE)  # type: ignore[arg-type]  # as above
        record = name + value
        size = _HEAD.size + len(record)
        if size > self._largest:
            self._drop(hashed)
            return
        with self._lock:
            position = self._next[0] % self._positions
            left = self._room - position % self._room
            if left < size:  # the next round begins
                position = (position + left) % self._positions
            self._next[0] = (position + size) % self._positions
        at = position % self._room
        self._records[at : at + size] = (
            _HEAD.pack(self._sum(position, len(name), record), len(name), len(value)) + record
        )
        first, mark = hashed % self._sets * _WAYS, _mark(hashed)
        places = self._places[first : first + _WAYS].tolist()
        if instead_of is None:  # the key's own, or else that of the record that was written longest ago
            instead_of = next((place for place in places if place % _MARKS == mark), min(places))
        elif instead_of not in places:
            return
        self._places[first + places.index(instead_of)] = position * _MARKS + mark

    def _sum(self, position: int, key_octets: int, record: bytes) -> int:
        return crc32(record, crc32(_SEALED.pack(position, key_octets), self._secret))

    def _drop(self, hashed: int) -> None:
        first, mark = hashed % self._sets * _WAYS, _mark(hashed)
        for place in range(first, first + _WAYS):
            if self._places[place] % _MARKS == mark:
                self._places[place] = 0


def _mark(hashed: int) -> int:
    return hashed % (_MARKS - 1) + 1
