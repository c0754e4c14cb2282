"""Merges many rows into the SQLite store's file, for somebody who waits for it; workers see them within a second.

They go the way of a worker's own, in transactions as short, with as long a rest after each: others write in between.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, Self

from milter64.store.batch_writer import write
from milter64.store.eviction import comfortable
from milter64.store.interface import Kind, Row
from milter64.store.sqlite_store import MAX_ROWS
from milter64.store.sqlite_table import Table

_PATIENCE = 5.0
"""Seconds to wait for other processes' locks."""


class Merging(Generic[Row]):
    """The file, for one thread. Every method raises StoreGone if it can't be used."""

    def __init__(self, path: Path, kind: Kind[Row], warn: Callable[[str], None], *, max_rows: int = MAX_ROWS) -> None:
        """Open nothing yet; a file that isn't there is made, and one of no use to us moved aside, as `warn` is told."""
        self._table = Table(path, kind, warn, patience=_PATIENCE)
        self._comfortable = comfortable(max_rows)
        self.dropped = 0
        """How many rows had to give way, of these or of others."""

    def merge(self, entries: Sequence[tuple[str, Mapping[str, Row]]]) -> None:
        """Merge rows by key and group; they are written then."""
        began = time.monotonic()
        outcome = write(entries, self._table.merge)
        if outcome.why:
            raise outcome.why
        self.dropped += outcome.dropped + len(outcome.lost)
        if self._table.totals()[0] > self._comfortable:
            self.dropped += sum(self._table.make_room(self._comfortable))
        time.sleep(time.monotonic() - began)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()
