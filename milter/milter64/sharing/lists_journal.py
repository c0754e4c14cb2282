"""What was agreed of the entries by command, in a file beside theirs, so that what has changed since then is known."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from milter64.limits import regular_file
from milter64.lists import commanded
from milter64.lists.index import lines
from milter64.sharing.said import Said, as_json, dump, read

_OCTETS = 1 << 28
"""Of a file at most."""
_AT_ONCE = 500
"""Lines that are read at a time."""

_AHEAD = "ahead"
_FAR = 300.0
"""Seconds that row time may be ahead of the server's clock."""

Stamp = tuple[int, int]
"""Which file it is, and when it was changed."""
ABSENT: Stamp = (0, 0)


class Journal:
    """For one thread. Where its file is lost nothing else is: what files and servers have is put together then."""

    def __init__(self, path: Path, checks: Iterable[str]) -> None:
        """Know of nothing yet."""
        self._path = path
        self.said: dict[str, dict[str, Said]] = {check: {} for check in checks}
        """By list and field; what is in the list's file has the same order as there."""
        self.held = set[str]()
        """Fields whose lines are not in the file, for this host can't take them."""
        self.stamps = dict.fromkeys(self.said, ABSENT)
        """The lists' files, as they were when that was agreed."""
        self.offset = 0.0
        """By how many seconds row time was ahead of the server's clock, when that was known last."""
        self.changed = False
        """Whether there is more than was written down."""

    def read(self, clock: Callable[[], float]) -> Iterator[None]:
        """Read what was written down, in parts, and leave out what can't be used; `clock` is row time."""
        try:
            text = regular_file.read(self._path, _OCTETS, follow=False)
        except OSError:
            return
        for number, (_, raw) in enumerate(lines(text), 1):
            self._take(raw, clock)
            if number % _AT_ONCE == 0:
                yield

    def get(self, field: str) -> Said | None:
        """Return what was agreed of a field."""
        return self.said[list_of(field)].get(field)

    def put(self, field: str, said: Said, *, held: bool = False) -> None:
        """Note what counts of a field, as the latest."""
        of_list = self.said[list_of(field)]
        of_list.pop(field, None)
        of_list[field] = said
        (self.held.add if held else self.held.discard)(field)

    def drop(self, field: str) -> None:
        """Forget a field."""
        self.said[list_of(field)].pop(field, None)
        self.held.discard(field)
        self.changed = True

    def found(self, check: str, stamp: Stamp) -> None:
        """Note how a list's file is now, once it has been looked at."""
        self.stamps[check] = stamp
        self.changed = True

    def ahead(self, offset: float) -> None:
        """Note by how many seconds row time is ahead of the server's clock."""
        self.changed |= offset != self.offset
        self.offset = offset

    def save(self) -> None:
        """Write it down.

        Raises:
            OSError: it can't be written.
        """
        text = b"".join(line + b"\n" for line in self._lines())
        commanded.write(self._path, text, self._path.parent.stat())
        self.changed = False

    def _lines(self) -> Iterator[bytes]:
        yield json.dumps([_AHEAD, self.offset, 0]).encode()
        for check, stamp in self.stamps.items():
            yield json.dumps([check, *stamp]).encode()
        for of_list in self.said.values():
            for field, said in of_list.items():
                yield as_json([field, dump(said).decode(), field in self.held]).encode()

    def _take(self, raw: bytes, clock: Callable[[], float]) -> None:
        try:
            name, first, second = json.loads(raw)
            if name == _AHEAD:
                self.offset = float(first) if abs(first) <= _FAR else 0.0
            elif name in self.stamps:
                self.stamps[name] = (int(first), int(second))
            elif list_of(name) in self.said and (said := read(name, first.encode(), clock() - self.offset)):
                self.put(name, said, held=bool(second))
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return


def list_of(field: str) -> str:
    """Return the list that a field is about."""
    return field.partition(" ")[0]
