"""Why the store's file can't be used, and what helps."""

import os
import sqlite3
from pathlib import Path

from milter64.limits.own_user import own_user
from milter64.store.interface import StoreForbidden, StoreGone, StoreMissing, StoreUnusable

_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL})
_NO_RIGHTS = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
WHO = "`lslocks` tells which"
"""Who holds a lock."""


class OtherFormat(sqlite3.DatabaseError):
    """The file is ours, and another version wrote it."""


def lasting(error: sqlite3.DatabaseError) -> tuple[str, str] | None:
    """Return what makes a file of no use to us for good, in a word and in several; None if it may pass."""
    if isinstance(error, OtherFormat):
        return "other", str(error)
    return ("corrupt", f"corrupt ({error})") if _code(error) in _CORRUPT else None


def trouble(path: Path, error: Exception) -> StoreGone:
    """Return what is to be raised where a store's file can't be used."""
    folder, user = path.parent, own_user()
    if isinstance(error, FileNotFoundError):
        return StoreMissing(f"no folder {folder}; run `install -d -o {user} {folder}`")
    if _code(error) in _LOCKED:
        return StoreUnusable(f"{path}: another process has locked it ({WHO})")
    if _code(error) == sqlite3.SQLITE_FULL:
        return StoreUnusable(f"{path}: {error}; make room for it")
    if _is_read_only(folder):
        remedy = f"mount it to be written, or name {folder} in ReadWritePaths= of milter64's unit"
        return StoreUnusable(f"{path}: Read-only file system; {remedy}")
    if isinstance(error, PermissionError) or _code(error) in _NO_RIGHTS:
        of_file = os.R_OK | os.W_OK, f"{path}*"
        lock = path.with_name(f"{path.name}.lock")
        for place, rights, all_of_it in ((folder, os.W_OK | os.X_OK, folder), (path, *of_file), (lock, *of_file)):
            if not os.access(place, rights) and (place == folder or os.path.lexists(place)):
                return StoreForbidden(f"the user {user} has no rights on {place}; run `chown {user} {all_of_it}`")
    gone = StoreUnusable if _code(error) == sqlite3.SQLITE_READONLY else StoreGone
    return gone(f"{path}: {getattr(error, 'strerror', None) or error}")


def _is_read_only(folder: Path) -> bool:
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
