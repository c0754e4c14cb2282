"""The file behind the SQLite store: one connection, which opens it, mends it, and opens it again.

Several processes have the file open. Whoever finds it corrupt moves it aside and begins a fresh one; the others see
that the name leads to another file now, and follow. A lock file lets one of them at a time open or move.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

from milter64.store.protocol import Kind, Row, StoreGone

_MODE = 0o640
_VERSION = 1
_CHUNK = 1000
"""Rows deleted in one transaction: the others wait to write meanwhile."""
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS rows (
    key TEXT NOT NULL, grp TEXT NOT NULL, row TEXT NOT NULL, touched REAL NOT NULL, expires REAL NOT NULL,
    PRIMARY KEY (key, grp)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS rows_touched ON rows (touched);
CREATE INDEX IF NOT EXISTS rows_expires ON rows (expires);
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_NO_INODE = (0, 0)
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

Result = TypeVar("Result")


class Table(Generic[Row]):
    """A connection to the file, for one thread at a time. Every method raises StoreGone if the file can't be used."""

    def __init__(self, path: Path, kind: Kind[Row], warn: Callable[[str], None], *, patience: float) -> None:
        """Open nothing yet; `patience` is the seconds to wait for other processes' locks."""
        self._path = path
        self._kind = kind
        self._warn = warn
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._inode = _NO_INODE

    def select(self, key: str) -> Mapping[str, Row]:
        """Return the rows of a key by group."""

        def select(connection: sqlite3.Connection) -> Mapping[str, Row]:
            rows = connection.execute("SELECT grp, row FROM rows WHERE key = ?", (key,)).fetchall()
            return {group: row for group, text in rows if (row := self._load(text)) is not None}

        return self._do(select)

    def latest(self) -> float | None:
        """Return the latest time in any row."""

        def latest(connection: sqlite3.Connection) -> float | None:
            (touched,) = connection.execute("SELECT max(touched) FROM rows").fetchone()
            return None if touched is None else float(touched)

        return self._do(latest)

    def count(self) -> int:
        """Return how many rows there are."""
        return self._do(lambda connection: int(connection.execute("SELECT count(*) FROM rows").fetchone()[0]))

    def merge(self, entries: Iterable[tuple[str, str, Row]]) -> None:
        """Merge entries of key, group and row into what the file has, in one transaction."""
        entries = list(entries)

        def merge(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                for key, group, row in entries:
                    self._merge(connection, key, group, row)

        self._do(merge)

    def _merge(self, connection: sqlite3.Connection, key: str, group: str, row: Row) -> None:
        found = connection.execute("SELECT row FROM rows WHERE key = ? AND grp = ?", (key, group)).fetchone()
        old = self._load(found[0]) if found else None
        merged = row if old is None else self._kind.merge(old, row)
        if merged != old:
            connection.execute(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?)",
                (key, group, self._kind.dump(merged), self._kind.touched(merged), self._kind.expires(merged)),
            )

    def expire(self, now: float, max_rows: int) -> bool:
        """Delete one chunk of the rows that have expired, or that are too many; return whether there may be more."""

        def expire(connection: sqlite3.Connection) -> bool:
            with _transaction(connection):
                chunk = connection.execute(
                    "SELECT key, grp, row FROM rows WHERE expires < ? ORDER BY expires LIMIT ?", (now, _CHUNK)
                ).fetchall()
                for key, group, text in chunk:
                    self._expire(connection, key, group, self._load(text), now)
                if chunk:
                    return True
                (count,) = connection.execute("SELECT count(*) FROM rows").fetchone()
                surplus = min(count - max_rows, _CHUNK)
                if surplus > 0:
                    connection.execute(
                        "DELETE FROM rows WHERE (key, grp) IN (SELECT key, grp FROM rows ORDER BY expires LIMIT ?)",
                        (surplus,),
                    )
                return bool(surplus == _CHUNK)

        return self._do(expire)

    def _expire(self, connection: sqlite3.Connection, key: str, group: str, row: Row | None, now: float) -> None:
        """Delete a row, unless it was written under settings that let rows expire earlier than today's."""
        expires = now if row is None else self._kind.expires(row)
        if row is None or expires < now:
            connection.execute("DELETE FROM rows WHERE key = ? AND grp = ?", (key, group))
        else:
            connection.execute("UPDATE rows SET expires = ? WHERE key = ? AND grp = ?", (expires, key, group))

    def close(self) -> None:
        """Let go of the file, if it is open."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _load(self, text: object) -> Row | None:
        try:
            return self._kind.load(str(text))
        except ValueError:
            return None

    def _do(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do something with the file; if that finds it corrupt, do it with a fresh one."""
        try:
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                if not _is_corrupt(error):
                    raise
                self._move_aside(error)
                return work(self._opened())
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StoreGone(f"{self._path}: {getattr(error, 'strerror', None) or error}") from error

    def _opened(self) -> sqlite3.Connection:
        """Return a connection to the file that now bears the name."""
        if self._connection and _inode(self._path) != self._inode:
            self.close()
        if not self._connection:
            with self._alone():
                # A file that exists is opened by SQLite alone: closing it again would drop SQLite's POSIX locks on it.
                _create(self._path)
                self._inode = _inode(self._path)
                self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,  # libmilter's callbacks hop between threads; our callers hold a lock
        )
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        """Rename a corrupt file, unless another process has just done so."""
        with self._alone():
            if self._inode != _inode(self._path):
                return
            aside = f"{self._path}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}"
            for suffix in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    Path(f"{self._path}{suffix}").rename(f"{aside}{suffix}")
            self._warn(f"{self._path} is corrupt ({error}): moved to {aside}, and a fresh one begun")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other connection, of this process and of others, from opening or moving the file."""
        lock_file = self._path.with_name(f"{self._path.name}.lock")
        _create(lock_file)
        lock = os.open(lock_file, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(_SCHEMA)
    elif version != _VERSION:
        raise sqlite3.NotSupportedError(f"its format {version} is not ours, {_VERSION}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock at once: what is read inside must still hold when it is written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT


def _inode(path: Path) -> tuple[int, int]:
    """Return what tells the file that bears a name from one that bore it before."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return _NO_INODE
    return status.st_dev, status.st_ino


def _create(path: Path) -> None:
    """Create a file unless it is there; made by root, it belongs to the folder's owner, who must be able to use it."""
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE)
    except FileExistsError:
        return
    try:
        os.fchmod(file, _MODE)
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(file, folder.st_uid, folder.st_gid)
    finally:
        os.close(file)
