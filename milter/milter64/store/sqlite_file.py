"""The file behind the SQLite store: one connection, which opens it, mends it, and opens it again.

Several processes have the file open. Whoever finds it corrupt, or in another version's format, moves it aside and
begins a fresh one; the others see that the name leads to another file now, and follow. A lock file lets one of them at
a time open or move. No lock is waited for without end.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import TypeVar

from milter64.store.sqlite_trouble import WHO, lasting, trouble

_MODE = 0o600
"""Nobody else's: who can read a file can lock it."""
_POLL = 0.01
"""Seconds between two tries to get the lock."""
_NO_INODE = (0, 0)
Result = TypeVar("Result")


class File:
    """A connection to the file, for one thread at a time."""

    def __init__(
        self,
        path: Path,
        prepare: Callable[[sqlite3.Connection], None],
        warn: Callable[[str], None],
        *,
        patience: float,
        trust: float,
    ) -> None:
        """Open nothing yet; `prepare` is given each new connection.

        `patience` is the seconds to wait for other processes' locks; `trust` those for which the name is believed to
        lead to the same file as before.
        """
        self._path = path
        self._prepare = prepare
        self._warn = warn
        self._patience = patience
        self._trust = trust
        self.opened = 0
        """How many times it has been opened."""
        self._connection: sqlite3.Connection | None = None
        self._inode = _NO_INODE
        self._looked = -inf

    def do(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do something with the file; if that finds it of no use to us, do it with a fresh one.

        Raises:
            StoreGone: the file can't be used.
        """
        try:
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                if not lasting(error):
                    raise
                self.close()  # a disk that errs once can make a sound file look corrupt: look again
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                if not (why := lasting(error)):
                    raise
                self._move_aside(*why)
                self._looked = -inf  # the name leads to another file now, whoever moved this one
                return work(self._opened())
        except (sqlite3.DataError, sqlite3.IntegrityError):
            raise  # of a row, and not of the file
        except (OSError, MemoryError, sqlite3.Error) as error:
            self.close()
            raise trouble(self._path, error) from error

    def _opened(self) -> sqlite3.Connection:
        """Return a connection to the file that now bears the name."""
        now = time.monotonic()
        if self._connection and now - self._looked >= self._trust:
            self._looked = now
            if _inode(self._path) != self._inode:
                self.close()
        if not self._connection:
            with self._alone():
                # A file that exists is opened by SQLite alone: closing it again would drop SQLite's POSIX locks on it.
                _create(self._path)
                self._inode = _inode(self._path)
                self._connection = self._open()
                self.opened += 1
        return self._connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,  # libmilter's callbacks hop between threads; our callers hold a lock
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _move_aside(self, word: str, trouble: str) -> None:
        """Rename a file that is of no use to us, unless another process has just done so; `word` goes into its name."""
        with self._alone():
            if self._inode != _inode(self._path):
                return
            aside = f"{self._path}.{word}-{time.strftime('%Y%m%d-%H%M%S')}"
            for suffix in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    Path(f"{self._path}{suffix}").rename(f"{aside}{suffix}")
            self._warn(f"{self._path} is {trouble}: moved to {aside}, and a fresh one begun")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other connection, of this process and of others, from opening or moving the file."""
        lock_file = self._path.with_name(f"{self._path.name}.lock")
        _create(lock_file)
        lock = os.open(lock_file, os.O_RDWR | os.O_CLOEXEC)
        try:
            with suppress(PermissionError):  # it is somebody else's, who lets us use it
                os.fchmod(lock, _MODE)  # earlier versions made it for the group too
            deadline = time.monotonic() + self._patience
            while not _locks(lock):
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"another process has locked {lock_file.name} ({WHO})")
                time.sleep(_POLL)
            yield
        finally:
            os.close(lock)

    def close(self) -> None:
        """Let go of the file, if it is open."""
        if self._connection:
            self._connection.close()
            self._connection = None


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock at once: what is read inside must still hold when it is written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _locks(file: int) -> bool:
    """Whether a file could be locked at once."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _inode(path: Path) -> tuple[int, int]:
    """Return what tells the file that bears a name from one that bore it before."""
    try:
        status = os.stat(path)  # noqa: PTH116  half of what Path.stat takes, for each batch
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
