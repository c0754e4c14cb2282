"""Which row gives way next, found at once however many there are: for a store whose lock everybody waits for.

It is the order that `eviction` describes, kept up to date row by row instead of made out in the end.
"""

from collections import OrderedDict
from collections.abc import Iterator

from milter64.store.eviction import PASSED_SHARE, wide

Entry = tuple[str, str]
"""Key and group of a row."""


class Ranks:
    """Counts by number, and who has the highest; of several, who came to it last."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._holders: dict[int, dict[int, None]] = {}
        """By count, and in the order in which they came to it."""
        self._highest = 0

    def add(self, number: int, step: int) -> None:
        """Count one more, or one less."""
        before = self._counts.pop(number, 0)
        if before:
            holders = self._holders[before]
            del holders[number]
            if not holders:
                del self._holders[before]
        if now := before + step:
            self._counts[number] = now
            self._holders.setdefault(now, {})[number] = None
        if now > self._highest or (before == self._highest and before not in self._holders):
            self._highest = now

    def first(self) -> int:
        """Return who has the highest count; there must be one."""
        return next(reversed(self._holders[self._highest]))

    def __len__(self) -> int:
        return len(self._counts)


class Precedence:
    """The rows of a store, those that wait and those that have passed."""

    def __init__(self) -> None:
        # A plain dict's beginning costs the more to find the more of it has gone.
        self._waiting: OrderedDict[Entry, int] = OrderedDict()
        """With the block that each lies in; by their coming, and so by when they expire."""
        self._passed: OrderedDict[Entry, None] = OrderedDict()
        """By their last passing, and so by when they expire."""
        self._wides = Ranks()
        self._blocks: dict[int, Ranks] = {}
        """By wide block."""
        self._entries: dict[int, dict[Entry, None]] = {}
        """Those that wait, by block."""

    def wait(self, entry: Entry, block: int) -> None:
        """Note a row that waits; one that is known already keeps its place."""
        if entry not in self._waiting:
            self.drop(entry)
            self._waiting[entry] = block
            self._wides.add(wide(block), 1)
            self._blocks.setdefault(wide(block), Ranks()).add(block, 1)
            self._entries.setdefault(block, {})[entry] = None

    def passed(self, entry: Entry) -> None:
        """Note a row that has passed just now."""
        self.drop(entry)
        self._passed[entry] = None

    def drop(self, entry: Entry) -> None:
        """Forget a row, if it is known."""
        self._passed.pop(entry, None)
        if (block := self._waiting.pop(entry, None)) is None:
            return
        self._wides.add(wide(block), -1)
        blocks = self._blocks[wide(block)]
        blocks.add(block, -1)
        if not blocks:
            del self._blocks[wide(block)]
        del self._entries[block][entry]
        if not self._entries[block]:
            del self._entries[block]

    def last(self, max_rows: int) -> Entry:
        """Return which row has to go first for there to be no more than `max_rows`; there must be one."""
        if not self._waiting or len(self._passed) > int(max_rows * PASSED_SHARE):
            return next(iter(self._passed))
        block = self._blocks[self._wides.first()].first()
        return next(reversed(self._entries[block]))

    def first(self) -> Iterator[Entry]:
        """Return the row that waits and the one that has passed which expire first."""
        return (next(iter(entries)) for entries in (self._waiting, self._passed) if entries)
