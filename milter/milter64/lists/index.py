"""The entries of a list's text, found by whom they name: a hundred thousand in a few megabytes.

A table of open addressing has, for each entry, half of the hash of its key and where its line begins. What is found is
read again, from the line, so that one hash for two keys costs nothing but time. Python hashes octets with a secret of
its own, which forked workers inherit: nobody can write a list, or come from an address, that makes it slow.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from math import inf

from milter64.lists.entry import Entry, read_line
from milter64.lists.mistakes import Mistake, Mistakes
from milter64.mail.frozen_dataclass import frozen

_HALF = 0xFFFFFFFF
_STEP = 256
"""Lines between two of which it is kept where they begin."""
_SLICE = 128
"""Lines that are read at a stretch: about half a millisecond."""
_WRONG = 100
"""Wrong lines that are kept."""

Read = Callable[[bytes], Entry | None]
"""Reads a line, or raises Mistake."""
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
    return partial(read_line, mistakes=mistakes, blocks=blocks)


class Index:
    """A text and the entries in it; it never changes, and every thread may look things up.

    Of several lines that name the same the last counts.
    """

    def __init__(self, text: bytes, read: Read, rest: Callable[[], object] = lambda: None) -> None:
        """Read a text; `rest` is called now and then meanwhile."""
        self.text = text
        self._read = read
        self.lines = text.count(b"\n") + 1
        size = 8
        while size < 2 * self.lines:
            size *= 2
        self._last = size - 1
        self._slots = array("Q", bytes(8 * size))
        self._steps = array("L", [0])
        self.shapes: dict[Shape, float] = {}
        """What there are entries of, and until when: the latest second in which one doesn't count any more."""
        self.ends = array("d")
        """When entries run out, those that do."""
        self.repeats = array("L")
        """Where lines begin that have taken the place of others."""
        self.wrong: list[WrongLine] = []
        """Lines that can't count, the first of them; and how many there are:"""
        self.wrong_lines = 0
        self._fill(rest)

    def find(self, key: bytes) -> int | None:
        """Return where the line begins that has the entry of a key."""
        slots, last, hashed = self._slots, self._last, hash(key)
        place, mark = hashed & last, hashed >> 32 & _HALF
        while slot := slots[place]:
            if slot >> 32 == mark and self.at(start := (slot & _HALF) - 1).who.key == key:
                return start
            place = place + 1 & last
        return None

    def at(self, start: int) -> Entry:
        """Return the entry in the line that begins at a place."""
        end = self.text.find(b"\n", start)
        entry = self._read(self.text[start : None if end < 0 else end])
        assert entry
        return entry

    def number(self, start: int) -> int:
        """Return the number of the line that begins at a place."""
        step = bisect_right(self._steps, start) - 1
        return step * _STEP + self.text.count(b"\n", self._steps[step], start) + 1

    def _fill(self, rest: Callable[[], object]) -> None:
        for number, (start, raw) in enumerate(lines(self.text)):
            if not number % _SLICE:
                rest()
            if number and not number % _STEP:
                self._steps.append(start)
            try:
                if entry := self._read(raw):
                    self._put(entry, start)
            except Mistake as mistake:
                self.wrong_lines += 1
                if len(self.wrong) < _WRONG:
                    self.wrong.append(WrongLine(number=number + 1, what=str(mistake), remedy=mistake.remedy))

    def _put(self, entry: Entry, start: int) -> None:
        who, until = entry.who, entry.until
        slots, last, hashed = self._slots, self._last, hash(who.key)
        place, mark = hashed & last, hashed >> 32 & _HALF
        while slot := slots[place]:
            if slot >> 32 == mark and self.at((slot & _HALF) - 1).who.key == who.key:
                self.repeats.append(start)
                break
            place = place + 1 & last
        slots[place] = mark << 32 | start + 1
        shape = who.kind, entry.spares, *who.shape
        if until is None:
            self.shapes[shape] = inf
        else:
            self.shapes[shape] = max(until, self.shapes.get(shape, until))
            self.ends.append(until)


def lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a text, each with where it begins."""
    start = 0
    while (end := text.find(b"\n", start)) >= 0:
        yield start, text[start:end]
        start = end + 1
    yield start, text[start:]
