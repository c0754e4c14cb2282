"""Writing a batch: where it can't be written as a whole it is split, so that one row blocks no other."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic

from milter64.store.interface import Row, StoreGone, StoreUnusable

_CHUNK = 1000
"""Keys written in one transaction: others wait to write meanwhile."""
_MAX_FAILURES = 64
"""Transactions of a batch that may fail; of more, it is the file that can't be used, and no row."""


@dataclass(slots=True)
class Outcome(Generic[Row]):
    """What became of a batch: how many rows were `dropped`, which are to be tried again, and why; what cost others."""

    dropped: int = 0
    unwritten: list[tuple[str, Mapping[str, Row]]] = field(default_factory=list)
    why: StoreGone | None = None
    lost: list[Exception] = field(default_factory=list)


def write(
    entries: Iterable[tuple[str, Mapping[str, Row]]],
    merge: Callable[[list[tuple[str, Mapping[str, Row]]]], int],
) -> Outcome[Row]:
    """Merge rows by key and group, in transactions; without entries, try whether that could be done.

    `merge` does one, and returns how many rows it has dropped. Rows that fail alone are to be tried again where it
    raises StoreGone, as when a page of the file can't be read; else they are lost, as they would fail for ever.

    Raises:
        StoreGone: the file can't be used.
    """
    entries = list(entries)
    chunks = [entries[start : start + _CHUNK] for start in range(0, len(entries), _CHUNK)][::-1] or [[]]
    outcome = Outcome[Row]()
    failures = 0
    while chunks:
        chunk = chunks.pop()
        try:
            outcome.dropped += merge(chunk)
        except StoreUnusable:
            raise
        except Exception as error:
            failures += 1
            gone = error if isinstance(error, StoreGone) else None
            if gone and (not chunk or failures > _MAX_FAILURES):
                raise
            if gone and failures == 1:
                merge([])  # unless the file can't be used at all
            if half := len(chunk) // 2:
                chunks += [chunk[half:], chunk[:half]]
            elif gone:
                outcome.unwritten += chunk
                outcome.why = gone
            else:
                outcome.lost.append(error)
    return outcome
