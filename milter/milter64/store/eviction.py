"""Who gives way where there are too many rows: the network that holds the most, and in it the part that does.

A row lies in a block, a number that its group gives (see `Kind.block`): a /48, say, within a /32. Blocks that agree but
for the last 16 bits make up a wider one. The wide blocks that hold the most are cut to one level, and so are the blocks
within each; of a block's rows the newest go. So whoever floods the store loses rows of that flood, and a sender who
called before it began, or who calls from elsewhere, loses none.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from milter64.store.interface import Kind, Row

MAX_GROUPS = 128
"""Rows of one key: all of them are read at once."""
_KEPT_GROUPS = 96
"""What a key with too many rows is cut to: room for some time, as finding out who gives way takes time."""
PASSED_SHARE = 0.9
"""The part of a store that passed rows may fill, so that there is always room for somebody new."""
_SPARE = 20
"""The part of a file's rows, a twentieth, that is left to those which come while others make room."""

Counts = Sequence[tuple[int, int]]
"""Blocks and how many rows each holds; of those that hold alike the first come first to lose."""


def wide(block: int) -> int:
    """Return the wide block that a block lies in."""
    return block >> 16


def comfortable(max_rows: int) -> int:
    """Return how many rows a file is cut to that has more."""
    return max_rows - max(1, max_rows // _SPARE)


class Quota:
    """What the blocks that hold the most have to give up; asked about rows one by one, the newest first."""

    def __init__(self, wides: Counts, surplus: int) -> None:
        """Spread the surplus over the wide blocks by the rows that they hold; `narrow` must follow."""
        self.left = min(surplus, sum([count for _, count in wides]))
        """Rows that are still to go."""
        self.wides = excess(wides, self.left)
        """What each wide block has yet to give up."""
        self._blocks: dict[int, int] = {}

    def narrow(self, blocks: Counts) -> None:
        """Spread what each wide block has to give up over its blocks by the rows that they hold."""
        by_wide: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for block, count in blocks:
            by_wide[wide(block)].append((block, count))
        for each, counts in by_wide.items():
            self._blocks |= excess(counts, self.wides.get(each, 0))

    def takes(self, block: int) -> bool:
        """Whether the next row of a block has to go; if so, it is gone."""
        if not self.left or not self._blocks.get(block) or not self.wides[wide(block)]:
            return False
        self.left -= 1
        self._blocks[block] -= 1
        self.wides[wide(block)] -= 1
        return True


def excess(counts: Counts, surplus: int) -> dict[int, int]:
    """Return what counts have to lose for them all to lie at one level at most, `surplus` in all.

    Where that doesn't come out even, the last ones of those that lose keep one more.
    """
    sizes = sorted([count for _, count in counts], reverse=True)
    surplus = min(surplus, sum(sizes))
    if surplus <= 0:
        return {}
    level = total = 0
    for number, (size, below) in enumerate(zip(sizes, [*sizes[1:], 0], strict=True), start=1):
        total += size
        if total - number * below >= surplus:
            level = (total - surplus) // number
            break
    losers = [(block, count - level) for block, count in counts if count > level]
    full = len(losers) - (sum([count for _, count in losers]) - surplus)  # so many lose all that is above the level
    return {block: count if place < full else count - 1 for place, (block, count) in enumerate(losers)}


def counted(blocks: Iterable[int]) -> Counts:
    """Return how many rows each block holds, from the blocks of rows; whose row comes first comes first to lose."""
    return list(Counter(blocks).items())


def surpluses(rows: int, waiting: int, max_rows: int) -> tuple[int, int]:
    """Return how many passed and how many waiting rows have to go; with some room to spare, so that it lasts a while.

    Waiting rows push no passed one out. But passed ones fill nine tenths of a store at most.
    """
    if rows <= max_rows:
        return 0, 0
    passed = rows - waiting
    over = min(rows - max_rows, passed - int(max_rows * PASSED_SHARE))
    passed_surplus = over + max_rows // 100 if over > 0 else 0
    surplus = min(waiting, max(0, rows - passed_surplus - max_rows))
    return passed_surplus, surplus + (waiting - surplus) // 10 if surplus else 0


def cut(kind: Kind[Row], rows: Mapping[tuple[str, str], Row], max_rows: int) -> list[tuple[str, str]]:
    """Return which of some rows, by key and group, have to go."""
    waiting = [(kind.touched(row), kind.block(entry[1]), entry) for entry, row in rows.items() if kind.waits(row)]
    waiting.sort(reverse=True)  # of networks that hold alike, too, the newest come first to lose
    passed_surplus, waiting_surplus = surpluses(len(rows), len(waiting), max_rows)
    gone: list[tuple[str, str]] = []
    if passed_surplus:
        passed = sorted((kind.expires(row), entry) for entry, row in rows.items() if not kind.waits(row))
        gone += [entry for _, entry in passed[:passed_surplus]]
    if waiting_surplus:
        blocks = [block for _, block, _ in waiting]
        quota = Quota(counted(map(wide, blocks)), waiting_surplus)
        quota.narrow(counted(blocks))
        gone += [entry for _, block, entry in waiting if quota.takes(block)]
    return gone


def united(kind: Kind[Row], one: Mapping[str, Row], other: Mapping[str, Row]) -> Mapping[str, Row]:
    """Return the rows of both, by group, merged where both have one; those that are too many for a key left out."""
    if not one or not other:
        rows = one or dict(other)
    else:
        rows = {**one, **{group: kind.merge(one[group], row) if group in one else row for group, row in other.items()}}
    if len(rows) <= MAX_GROUPS:
        return rows
    gone = {group for _, group in cut(kind, {("", group): row for group, row in rows.items()}, _KEPT_GROUPS)}
    return {group: row for group, row in rows.items() if group not in gone}
