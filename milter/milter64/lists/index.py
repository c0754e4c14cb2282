"""The entries of a list's text, found by whom they name: a hundred thousand in a few megabytes.

A table of open addressing has, for each entry, half of the hash of its key and where its line begins. What is found is
read again, from the line, so that one hash for two keys costs nothing but time. Python hashes octets with a secret of
its own, which forked workers inherit: nobody can write a list, or come from an address, that makes it slow.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from math import inf
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

from milter64.address.frozen_dataclass import frozen
from milter64.lists.entry import Entry, read_line
from milter64.lists.mistakes import Mistake, Mistakes

_HALF = 0xFFFFFFFF
_SLICE = 1024
"""Octets of lines that are read at a stretch, about: some hundred microseconds."""
_SORTED = 4096
"""Times that are sorted at a stretch."""
_WRONG = 100
"""Wrong lines that are kept."""

Read = Callable[[bytes], Entry | None]
"""Reads a line, or raises Mistake."""
Rest = Callable[[], object]
"""Lets others have their turn, if it is time to."""
Shape = tuple[str, str, int, int]
"""An entry's kind, what it spares, and of a network the octets of an address and the length of its prefix."""


@frozen
class WrongLine:
    """A line that can't count, by its number; what is wrong with it, and how to mend it."""

    number: int
    what: str
    remedy: str


def reader(mistakes: Mistakes, *, blocks: bool) -> Read:
    """Return what reads the lines of the block list, or of the allow list."""
    return lambda raw: read_line(raw, mistakes, blocks=blocks)  # a partial with keywords takes three times as long


class Index:
    """A text and the entries in it; it never changes, and every thread may look things up.

    Of several lines that name the same the last counts.
    """

    def __init__(self, text: bytes, read: Read, rest: Rest = lambda: None) -> None:
        """Read a text; `rest` is called now and then meanwhile."""
        self.text = text
        self._read = read
        size = 1 << (2 * text.count(b"\n") + 8).bit_length()  # at most half of it is taken
        self._last = size - 1
        self._slots = memoryview(mmap(-1, 8 * size, MAP_PRIVATE | MAP_ANONYMOUS)).cast("Q")  # given back as a whole
        self._slices, self._numbers = array("L"), array("L")
        self.shapes: dict[Shape, float] = {}
        """What there are entries of, and until when: the latest second in which one doesn't count any more."""
        self.wrong: list[WrongLine] = []
        """Lines that can't count, the first of them; and how many there are:"""
        self.wrong_lines = 0
        self.ends: list[array[float]] = []
        """When entries run out, those that do: sorted, some thousand at a time, as to sort all takes long."""
        self._ends = set[float]()
        self._fill(rest)
        self._sort_ends()

    def find(self, key: bytes) -> tuple[Entry, int] | None:
        """Return the entry of a key, and the number of its line."""
        slots, last, hashed = self._slots, self._last, hash(key)
        place, mark = hashed & last, hashed >> 32 & _HALF
        while slot := slots[place]:
            if slot >> 32 == mark and (entry := self._at(start := (slot & _HALF) - 1)).who.key == key:
                return entry, self._number(start)
            place = place + 1 & last
        return None

    def _at(self, start: int) -> Entry:
        """Return the entry in the line that begins at a place."""
        end = self.text.find(b"\n", start)
        entry = self._read(self.text[start : None if end < 0 else end])
        assert entry
        return entry

    def _number(self, start: int) -> int:
        """Return the number of the line that begins at a place."""
        part = bisect_right(self._slices, start) - 1
        return self._numbers[part] + self.text.count(b"\n", self._slices[part], start) + 1

    def _fill(self, rest: Rest) -> None:
        text, read, put, start, number = self.text, self._read, self._put, 0, 0
        while start <= len(text):
            rest()
            self._slices.append(start)
            self._numbers.append(number)
            end = text.find(b"\n", start + _SLICE)
            for raw in text[start : None if end < 0 else end].split(b"\n"):
                number += 1
                try:
                    if entry := read(raw):
                        put(entry, start)
                except Mistake as mistake:
                    self.wrong_lines += 1
                    if len(self.wrong) < _WRONG:
                        self.wrong.append(WrongLine(number=number, what=str(mistake), remedy=mistake.remedy))
                start += len(raw) + 1

    def _put(self, entry: Entry, start: int) -> None:
        (kind, key, (octets, length)), _, spares, until, _ = entry
        slots, last, hashed = self._slots, self._last, hash(key)
        place, mark = hashed & last, hashed >> 32 & _HALF
        while slot := slots[place]:
            if slot >> 32 == mark and self._at((slot & _HALF) - 1).who.key == key:
                break
            place = place + 1 & last
        slots[place] = mark << 32 | start + 1
        shape = kind, spares, octets, length
        if until is None:
            self.shapes[shape] = inf
        else:
            self.shapes[shape] = max(until, self.shapes.get(shape, until))
            self._ends.add(until)
            if len(self._ends) == _SORTED:
                self._sort_ends()

    def _sort_ends(self) -> None:
        self.ends.append(array("d", sorted(self._ends)))
        self._ends.clear()


def lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a text, each with where it begins."""
    start = 0
    while (end := text.find(b"\n", start)) >= 0:
        yield start, text[start:end]
        start = end + 1
    yield start, text[start:]
