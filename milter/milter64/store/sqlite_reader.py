"""Reads the SQLite store's file beside those whose it is: it changes nothing, and nobody waits for it.

What a worker does with a file of no use to it, to begin a fresh one, isn't done here: it is said. A few rows are read
at a time, so that the -wal file can be written back meanwhile. SQLite would make a -wal file where there is none, as
beside a file at rest: such a one is read as if nobody could change it, and anew if somebody did.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic
from urllib.parse import quote

from milter64.limits.own_user import own_user
from milter64.store.interface import Kind, Row, StoreForbidden, StoreGone, StoreMissing
from milter64.store.sqlite_table import SELECT, SOME, hashed, recognised
from milter64.store.sqlite_trouble import lasting, trouble

_CHUNK = 1000
"""Rows that are read at a time."""
_PATIENCE = 2.0
"""Seconds to wait where a process is about to mend or to leave the file."""
_TRIES = 100
"""How often a file at rest is read anew that is begun to be written, and left again, each time."""

_At = tuple[int, int, int, int]


class Reader(Generic[Row]):
    """The rows of a file, for one thread at a time."""

    def __init__(self, path: Path, kind: Kind[Row]) -> None:
        """Look whether the file is there, and ours.

        Raises:
            StoreGone: it isn't, or it can't be read; the text says what helps. So does every method.
        """
        self._path = path
        self._kind = kind
        self._connection: sqlite3.Connection | None = None
        self._latest: float | None = self._all("SELECT latest FROM totals")[0][0]

    @property
    def gone(self) -> bool:
        """Never, as there would be no reader."""
        return False

    def latest(self) -> float | None:
        """Return the latest time in any row, as the store does."""
        return self._latest

    def read(self, key: str) -> Mapping[str, Row]:
        """Return the rows of a key by group."""
        found = self._all(f"{SELECT} = ?", hashed(key))
        return {group: row for _, of, group, text in found if of == key and (row := self._load(text)) is not None}

    def everything(self) -> Iterator[tuple[str, str, Row]]:
        """Yield key, group and row of each, those first that were written first."""
        for chunk in self.chunks():
            yield from chunk

    def chunks(self) -> Iterator[list[tuple[str, str, Row]]]:
        """Yield what `everything` does, some at a time."""
        last = -1
        while chunk := self._all(SOME, last, _CHUNK):
            last = chunk[-1][0]
            yield [(key, group, row) for _, key, group, text in chunk if (row := self._load(text)) is not None]

    def close(self) -> None:
        """Let go of the file."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _load(self, text: object) -> Row | None:
        with suppress(ValueError):
            return self._kind.load(str(text))
        return None

    def _all(self, statement: str, *values: object) -> list[Any]:
        try:
            for _ in range(_TRIES):
                if self._connection or _has_wal(self._path):
                    self._connection = self._connection or self._opened("mode=ro")
                    return self._connection.execute(statement, values).fetchall()
                if (found := self._at_rest(statement, *values)) is not None:
                    return found
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise self._gone(error) from error
        raise StoreGone(f"{self._path}: somebody writes it all the time, and leaves it")

    def _at_rest(self, statement: str, *values: object) -> list[Any] | None:
        """Return what a statement finds in a file that nobody has open; None where that isn't so."""
        before = _at(self._path)
        connection = self._opened("immutable=1")
        try:
            found = connection.execute(statement, values).fetchall()
        except sqlite3.DatabaseError:
            if _at(self._path) == before and not _has_wal(self._path):
                raise
            return None
        finally:
            connection.close()
        return found if _at(self._path) == before and not _has_wal(self._path) else None

    def _opened(self, how: str) -> sqlite3.Connection:
        self._path.stat()  # SQLite would not tell why it can't open it
        if not os.access(self._path, os.R_OK):
            raise PermissionError
        connection = sqlite3.connect(f"file:{quote(str(self._path))}?{how}", uri=True, timeout=_PATIENCE)
        try:
            connection.execute("PRAGMA temp_store = MEMORY")
            _expect_ours(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _gone(self, error: Exception) -> StoreGone:
        if isinstance(error, FileNotFoundError):
            return StoreMissing(f"{self._path} isn't there; the service makes it when it is started")
        if isinstance(error, PermissionError):
            return StoreForbidden(f"the user {own_user()} may not read {self._path}; try it as root")
        if isinstance(error, sqlite3.DatabaseError) and (why := lasting(error)):
            return StoreGone(f"{self._path} is {why[1]}; the service moves it aside, and begins a fresh one")
        return trouble(self._path, error)


def _expect_ours(connection: sqlite3.Connection) -> None:
    if not recognised(connection):
        raise FileNotFoundError  # a worker is about to make it


def _has_wal(path: Path) -> bool:
    return os.path.lexists(f"{path}-wal")


def _at(path: Path) -> _At:
    """Return what is another one once a file was written, or is another file."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
