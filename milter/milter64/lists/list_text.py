"""The text of a list as it changes: of a long one, what is new is read at once, and the whole at leisure."""

from collections.abc import Callable

from milter64.lists.entry import Entry
from milter64.lists.index import Index, Read
from milter64.mail.frozen_dataclass import frozen

_CHUNKS = (4096, 256, 16, 1)
"""Octets that are compared at a time, and then where the first difference is."""
_LONG = 1 << 16
"""Octets of a text that is worth the trouble."""
_FEW = 8
"""How many times more octets it must have than have changed."""

Rest = Callable[[], object]


@frozen
class ListText:
    """What a text was, all but the lines from `start` to `end`, and what stands in their place.

    It never changes, and every thread may look things up.
    """

    before: Index
    start: int = 0
    end: int = 0
    fresh: Index | None = None

    @property
    def text(self) -> bytes:
        """The text as it is now."""
        before = self.before.text
        return before[: self.start] + self.fresh.text + before[self.end :] if self.fresh else before

    @property
    def indexes(self) -> tuple[Index, ...]:
        """What it is made of."""
        return (self.before, self.fresh) if self.fresh else (self.before,)

    def find(self, key: bytes) -> tuple[Entry, int] | None:
        """Return the entry of a key and the number of its line, of several the last."""
        old = self.before.find(key)
        if not self.fresh:
            return None if old is None else (self.before.at(old), self.before.number(old))
        if old is not None and old >= self.end:
            return self.before.at(old), self.before.number(old) + self._shift
        if (new := self.fresh.find(key)) is not None:
            return self.fresh.at(new), self._first + self.fresh.number(new) - 1
        if old is not None and old < self.start:
            return self.before.at(old), self.before.number(old)
        return None

    def changed_to(self, text: bytes, read: Read, rest: Rest) -> "ListText":
        """Return what it is when it has become another text."""
        before = self.before
        if len(before.text) >= _LONG:
            start, end, new_end = _difference(before.text, text)
            is_little = (end - start + new_end - start) * _FEW < len(before.text)
            # Where a line goes that had taken another one's place, that one would have to count again.
            if is_little and not any(start <= repeat < end for repeat in before.repeats):
                return ListText(before=before, start=start, end=end, fresh=Index(text[start:new_end], read, rest))
        return ListText(before=Index(text, read, rest))

    @property
    def _first(self) -> int:
        return self.before.number(self.start)

    @property
    def _shift(self) -> int:
        assert self.fresh
        return self.fresh.text.count(b"\n") - self.before.text.count(b"\n", self.start, self.end)


def _difference(old: bytes, new: bytes) -> tuple[int, int, int]:
    """Return from where on, and up to where in each of them, two texts differ, in whole lines."""
    shorter = min(len(old), len(new))
    head = tail = 0
    for chunk in _CHUNKS:
        while head + chunk <= shorter and old[head : head + chunk] == new[head : head + chunk]:
            head += chunk
    start = old.rfind(b"\n", 0, head) + 1
    ends = len(old), len(new)
    for chunk in _CHUNKS:
        while tail + chunk <= shorter - start and (
            old[ends[0] - tail - chunk : ends[0] - tail] == new[ends[1] - tail - chunk : ends[1] - tail]
        ):
            tail += chunk
    cuts = tuple(length - tail for length in ends)
    if not all(cut == start or text[cut - 1 : cut] == b"\n" for text, cut in zip((old, new), cuts, strict=True)):
        tail = len(old) - (old.find(b"\n", cuts[0]) + 1 or len(old))
    return start, len(old) - tail, len(new) - tail
