"""What a store is: rows by key and group, which it keeps and merges without knowing what is in them."""

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

Row = TypeVar("Row")


class StoreGone(Exception):  # noqa: N818  a state that passes, and no error of the program
    """The store can't answer now; the text says why. It tries again by itself, soon."""


class StoreUnusable(StoreGone):
    """No row can have to do with it: the disk is full, it is read-only, or somebody holds a lock."""


class StoreMissing(StoreUnusable):
    """There is no place for it, and may never have been."""


class StoreForbidden(StoreUnusable):
    """There is a place for it, and we have no rights there."""


class Kind(Protocol[Row]):
    """What a store must be able to do with a row.

    `merge` is commutative, associative and idempotent, so that writes may come late, twice and in any order.
    """

    def merge(self, one: Row, other: Row, /) -> Row:
        """Unite two copies of one row."""

    def dump(self, row: Row, /) -> str:
        """Write a row as text."""

    def load(self, text: str, /) -> Row:
        """Read what `dump` wrote.

        Raises:
            ValueError: it is something else.
        """

    def waits(self, row: Row, /) -> bool:
        """Whether a row has yet to prove its worth: such rows alone give way to each other."""

    def block(self, group: str, /) -> int:
        """Return which network a group lies in, in 63 bits; equal but for the last 16, they make up a wider one."""

    def touched(self, row: Row, /) -> float:
        """Return the latest time in a row."""

    def expires(self, row: Row, /) -> float:
        """Return when a row says nothing any more."""


class Store(Protocol[Row]):
    """Rows by key and group; every thread may call everything.

    Times are seconds of whichever clock the rows themselves carry.
    """

    def read(self, key: str) -> Mapping[str, Row]:
        """Return the rows of a key by group, what this store has merged before included.

        Raises:
            StoreGone: it can't be known now.
        """

    def merge(self, key: str, rows: Mapping[str, Row]) -> None:
        """Merge rows, by group, into those of a key; the writing may come later, and what can't be written is kept."""

    def everything(self) -> Iterator[tuple[str, str, Row]]:
        """Yield key, group and row of all that is written, some at a time; it may change meanwhile.

        Raises:
            StoreGone: it can't be known now.
        """

    def expire(self, now: float) -> None:
        """Forget the rows that have expired, and those next to expire where there are too many; it may happen later."""

    def latest(self) -> float | None:
        """Return the latest time in any row, for a clock to begin at; None if there is none or it can't be known.

        Whatever lay in the future when rows were last made to expire counts as of then.
        """

    def sizes(self) -> Mapping[str, int]:
        """Return how much there is: "rows", octets "cached", rows "pending" to be written, and rows "dropped" so far.

        "rows" is 0 where it can't be known. Dropped are rows that had to give way to others before they had expired.
        """

    @property
    def caps(self) -> Mapping[str, int]:
        """How much there may be, by the words of `sizes`."""

    @property
    def gone(self) -> bool:
        """Whether the store can't be used now."""

    def happenings(self) -> Mapping[str, int]:
        """Return what has happened how often since the start.

        Reads were answered from the cache ("hit") or not ("miss"). Outages have begun ("gone"), transactions failed and
        were put back ("unwritten"), or failed for good ("lost").
        """

    def close(self) -> None:
        """Write what is left to write, and let go of everything."""
