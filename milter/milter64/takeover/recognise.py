"""What a file is, by what is in it; its name tells nothing."""

import errno
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from milter64.takeover import berkeley_btree, db_dump, milter_greylist, postgrey, sqlgrey
from milter64.takeover.conversion import Unreadable

_HEAD = 4096
_SQLITE = b"SQLite format 3\0"
_PACKED = {b"\x1f\x8b": "gunzip", b"BZh": "bunzip2", b"\xfd7zXZ": "unxz", b"\x28\xb5\x2f\xfd": "unzstd"}
_POSSIBLE = (
    "possible are postgrey's postgrey.db and postgrey_clients.db, or what db_dump writes of them, sqlgrey's SQLite "
    "database and milter-greylist's greylist.db"
)


class Kind(StrEnum):
    """What can be taken over into the store."""

    POSTGREY = "postgrey's database"
    POSTGREY_CLIENTS = "postgrey's database of clients"
    SQLGREY = "sqlgrey's database"
    MILTER_GREYLIST = "milter-greylist's dump"


def recognise(path: Path) -> Kind:
    """Return what a file is.

    Raises:
        Unreadable: it can't be taken over, or can't be read.
    """
    first = head(path)
    if first.startswith(_SQLITE):
        return _sqlite(path)
    if milter_greylist.HEADER.search(first):
        return Kind.MILTER_GREYLIST
    if berkeley_btree.byte_order(first) or first.startswith(db_dump.FIRST):
        postgrey.refuse_in_use(path)
        return _berkeley(path)
    if berkeley_btree.byte_order(first, berkeley_btree.OTHERS):
        raise Unreadable("it is Berkeley DB's, but no btree, and so not postgrey's", _POSSIBLE)
    if first.startswith((b"REDIS", b"*2\r\n", b"FILE\0")):
        what = "it is Redis's: of those whom it has seen rspamd keeps hashes alone, and nobody can read who they were"
        raise Unreadable(what, "nothing can be taken over from rspamd; its rows run out within a day")
    raise Unreadable("nothing is known of such a file", _POSSIBLE)


def pairs(path: Path, damaged: berkeley_btree.Damaged) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a file of Berkeley DB's, or of what db_dump has written of it.

    Raises:
        Unreadable: it is another kind of file.
    """
    with path.open("rb") as file:
        if head(path).startswith(db_dump.FIRST):
            yield from db_dump.pairs(file, damaged)
        else:
            yield from berkeley_btree.Btree(file).pairs(damaged)


def head(path: Path) -> bytes:
    """Return the first octets of a file, of which something can be made."""
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable("it is no regular file", "name a file")
            first = file.read(_HEAD)
    except OSError as error:
        remedy = "name the file in it" if error.errno == errno.EISDIR else "name another file, or give the rights"
        raise Unreadable(f"it can't be read: {error.strerror}", remedy) from error
    if not first:
        raise Unreadable("it is empty", _POSSIBLE)
    if unpack := next((program for magic, program in _PACKED.items() if first.startswith(magic)), ""):
        raise Unreadable("it is packed", f"unpack it with {unpack}")
    return first


def _at_once(name: str, flags: int) -> int:
    """Open a pipe without waiting for who writes to it."""
    return os.open(name, flags | os.O_NONBLOCK)


def _sqlite(path: Path) -> Kind:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise Unreadable(f"SQLite can't read it: {error}", "stop what writes to it, and try again") from error
    if not found >= sqlgrey.TABLES:
        raise Unreadable("it is SQLite's, but not sqlgrey's, which has a table from_awl", _POSSIBLE)
    return Kind.SQLGREY


def _berkeley(path: Path) -> Kind:
    for key, value in pairs(path, lambda _: None):
        if not re.fullmatch(rb"[0-9]+,[0-9]+(,.*)?", value):
            break
        if re.fullmatch(rb"[0-9A-Fa-f.:]+", key):
            return Kind.POSTGREY_CLIENTS
        return Kind.POSTGREY
    else:
        raise Unreadable("there is no row in it", "if postgrey was killed, start it and stop it, and try again")
    raise Unreadable("it is Berkeley DB's, but not postgrey's", _POSSIBLE)
