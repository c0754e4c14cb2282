"""The table behind the SQLite store: what is read, merged and deleted in its file.

Rows are appended, and found by a hash of their key: an index that is small and no other makes writing cheap. What is
seldom looked for, such as rows that have expired, is found by going through all: a third of a second for a million.
"""

import json
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, Generic

from milter64.store.eviction import MAX_GROUPS, Counts, Quota, surpluses, united
from milter64.store.interface import Kind, Row
from milter64.store.sqlite_file import File, transaction
from milter64.store.sqlite_trouble import OtherFormat

_APPLICATION = int.from_bytes(b"m64g")
"""Which tells our files from other programs'."""
_VERSION = 2
_STAMP = f"PRAGMA application_id = {_APPLICATION}"
_TABLES = {"rows", "totals", "sqlite_stat1", "sqlite_stat4"}
"""All that there is in a file of ours; the first versions didn't sign theirs."""
_COLUMNS = ["id", "hash", "block", "waits", "expires", "key", "grp", "row"]
_CHUNK = 1000
"""Rows deleted in one transaction: the others wait to write meanwhile."""
_SCANNED = 50_000
"""Rows gone through without a pause: what waits to be written has its turn then."""
_MAX_BLOCKS = 100_000
"""Blocks whose rows are counted at a time, those of the newest rows first."""
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, block INTEGER NOT NULL, waits INTEGER NOT NULL,
    expires REAL NOT NULL, key TEXT NOT NULL, grp TEXT NOT NULL, row TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS rows_hash ON rows (hash);
CREATE TABLE IF NOT EXISTS totals (rows INTEGER NOT NULL, latest REAL);
INSERT INTO totals SELECT 0, NULL WHERE NOT EXISTS (SELECT 1 FROM totals);
"""
_WIDTH = 64
"""Rows in one statement: at each step of one the thread lets go of the GIL, and has to get it back."""
SELECT = "SELECT id, key, grp, row FROM rows WHERE hash "
SOME = "SELECT id, key, grp, row FROM rows WHERE id > ? ORDER BY id LIMIT ?"
"""The next rows after one."""
_SELECT_MANY = f"{SELECT} IN ({', '.join('?' * _WIDTH)})"
_INSERT = "INSERT INTO rows (hash, block, waits, expires, key, grp, row) VALUES (?, ?, ?, ?, ?, ?, ?)"
_INSERT_MANY = _INSERT + ", (?, ?, ?, ?, ?, ?, ?)" * (_WIDTH - 1)
_NO_ID = 1 << 62
"""Above all ids."""
_PAGES = 2000
_WAL_PAGES = 4000
"""Pages after which the -wal file is written back, and what it keeps of its length: 16 MB."""


class Table(Generic[Row]):
    """The rows, for one thread at a time. Every method raises StoreGone if the file can't be used."""

    def __init__(  # noqa: PLR0913  a file's, and its pages
        self,
        path: Path,
        kind: Kind[Row],
        warn: Callable[[str], None],
        *,
        patience: float,
        trust: float = 0.0,
        pages: int = _PAGES,
    ) -> None:
        """Open nothing yet; see `File`. `pages` is how much of the file SQLite keeps, in KiB."""
        self._kind = kind
        self._file = File(path, partial(_prepare, pages=pages), warn, patience=patience, trust=trust)
        self.close = self._file.close

    def select(self, key: str) -> Mapping[str, Row]:
        """Return the rows of a key by group."""
        found = self._file.do(lambda connection: connection.execute(f"{SELECT} = ?", (hashed(key),)).fetchall())
        return {group: row for _, of, group, text in found if of == key and (row := self._load(text)) is not None}

    def version(self) -> tuple[int, int]:
        """Return what changes whenever another connection has written, or the name leads to another file."""
        (changes,) = self._file.do(lambda connection: connection.execute("PRAGMA data_version").fetchone())
        return self._file.opened, changes

    def totals(self) -> tuple[int, float | None]:
        """Return how many rows there are, and the latest time in any row that ever was, see `Store.latest`."""
        return self._file.do(_totals)

    def everything(self) -> Iterator[tuple[str, str, Row]]:
        """Yield key, group and row of each."""
        last = -1
        while chunk := self._all(SOME, last, _CHUNK):
            last = chunk[-1][0]
            for _, key, group, text in chunk:
                if (row := self._load(text)) is not None:
                    yield key, group, row

    def merge(self, entries: list[tuple[str, Mapping[str, Row]]]) -> int:
        """Merge rows by key and group into what the file has; return how many were too many for their key."""
        return self._file.do(partial(self._merge, entries))

    def _merge(self, entries: list[tuple[str, Mapping[str, Row]]], connection: sqlite3.Connection) -> int:
        kind = self._kind
        inserts: list[tuple[object, ...]] = []
        updates: list[tuple[object, ...]] = []
        deletes: list[tuple[int]] = []
        dropped, latest = 0, 0.0
        with transaction(connection):
            hashes = [hashed(key) for key, _ in entries]
            found = _found(connection, hashes, {key for key, _ in entries})
            for (key, rows), its_hash in zip(entries, hashes, strict=True):
                if not (ids := found.get(key)):
                    for group, row in rows.items():
                        inserts.append(
                            (
                                its_hash,
                                kind.block(group),
                                kind.waits(row),
                                kind.expires(row),
                                key,
                                group,
                                kind.dump(row),
                            )
                        )
                        latest = max(latest, kind.touched(row))
                    continue
                old = {group: known for group, (_, text) in ids.items() if (known := self._load(text)) is not None}
                merged = united(kind, old, rows)
                for group, row in merged.items():
                    if old.get(group) != row:
                        latest = max(latest, kind.touched(row))
                        values = (kind.waits(row), kind.expires(row), key, group, kind.dump(row))
                        if group in ids:
                            updates.append((*values, ids[group][0]))
                        else:
                            inserts.append((its_hash, kind.block(group), *values))
                deletes += ((ids[group][0],) for group in ids.keys() - merged.keys())
                if len(old) + len(rows) > MAX_GROUPS:
                    dropped += len(old.keys() | rows.keys()) - len(merged)
            _insert(connection, inserts)
            connection.executemany("UPDATE rows SET waits=?, expires=?, key=?, grp=?, row=? WHERE id=?", updates)
            connection.executemany("DELETE FROM rows WHERE id = ?", deletes)
            _count(connection, len(inserts) - len(deletes), latest)
        return dropped

    def expire(self, now: float) -> Iterator[int]:
        """Delete the rows that have expired; yield after each chunk how many those were."""
        self._all("UPDATE totals SET latest = ? WHERE latest > ?", now, now)
        find = "SELECT id, expires, row FROM rows WHERE id > ? AND expires < ? ORDER BY id LIMIT ?"
        chunk = self._all(find, -1, now, _CHUNK)
        while chunk:
            deletable = []
            for row_id, expires, text in chunk:
                row = self._load(text)
                if row is None or (today := self._kind.expires(row)) < now:
                    deletable.append((row_id, expires))
                else:  # it was written under settings that let rows expire earlier than today's
                    self._all("UPDATE rows SET expires = ? WHERE id = ? AND expires = ?", today, row_id, expires)
            yield from self._delete(deletable)
            chunk = self._all(find, chunk[-1][0], now, _CHUNK)

    def make_room(self, max_rows: int) -> Iterator[int]:
        """Delete the rows that are too many (see `eviction`); yield after each chunk how many those were."""
        rows, _ = self.totals()
        if rows <= max_rows:
            return
        wides = yield from self._counts("block >> 16", "waits")
        passed_surplus, waiting_surplus = surpluses(rows, sum([count for _, count in wides]), max_rows)
        floor = rows - passed_surplus - waiting_surplus
        next_to_expire = "SELECT id, expires FROM rows WHERE NOT waits ORDER BY expires LIMIT ?"
        yield from self._delete(self._all(next_to_expire, passed_surplus) if passed_surplus else [], floor)
        quota = Quota(wides, waiting_surplus)
        heavy = json.dumps(list(quota.wides))
        quota.narrow(
            (yield from self._counts("block", "waits AND block >> 16 IN (SELECT value FROM json_each(?))", heavy))
        )
        newest = "SELECT id, expires, block FROM rows WHERE waits AND id < ? ORDER BY id DESC LIMIT ?"
        last = _NO_ID
        while quota.left and (chunk := self._all(newest, last, 10 * _CHUNK)):
            last = chunk[-1][0]
            yield from self._delete(
                [(row_id, expires) for row_id, expires, block in chunk if quota.takes(block)], floor
            )

    def _counts(self, block: str, condition: str, *values: str) -> Generator[int, None, Counts]:
        """Return how many rows there are in each block, newest blocks first; yield 0 now and then."""
        statement = f"SELECT {block}, count(*) FROM rows WHERE id > ? AND id <= ? AND {condition}"  # noqa: S608  ours
        statement += " GROUP BY 1 ORDER BY max(id) DESC"
        counts: dict[int, int] = {}
        [(last,)] = self._all("SELECT ifnull(max(id), 0) FROM rows")
        for start in range(last, 0, -_SCANNED):
            for each, count in self._all(statement, start - _SCANNED, start, *values):
                if each in counts or len(counts) < _MAX_BLOCKS:
                    counts[each] = counts.get(each, 0) + count
            yield 0
        return list(counts.items())

    def _delete(self, rows: list[tuple[int, float]], floor: int = 0) -> Iterator[int]:
        """Delete rows, by id and by what they were to expire at, while there are more than `floor`.

        One that is to expire at another time now has moved since, or is another row.
        """
        for start in range(0, len(rows), _CHUNK):
            yield self._file.do(partial(_delete, rows[start : start + _CHUNK], floor))

    def _all(self, statement: str, *values: object) -> list[Any]:
        return self._file.do(lambda connection: connection.execute(statement, values).fetchall())

    def _load(self, text: object) -> Row | None:
        try:
            return self._kind.load(str(text))
        except ValueError:
            return None


def hashed(key: str) -> int:
    """Return what finds a key's rows: of 64 bits that no stranger can choose, lest many of his keys have the same."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


def _found(connection: sqlite3.Connection, hashes: list[int], keys: set[str]) -> dict[str, dict[str, tuple[int, str]]]:
    """Return id and text of the rows that the file has of some keys, by key and group."""
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for start in range(0, len(hashes), _WIDTH):
        wanted = hashes[start : start + _WIDTH]
        wanted += wanted[:1] * (_WIDTH - len(wanted))
        for row_id, key, group, text in connection.execute(_SELECT_MANY, wanted):
            if key in keys:
                found.setdefault(key, {})[group] = row_id, text
    return found


def _insert(connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    whole = len(rows) - len(rows) % _WIDTH
    for start in range(0, whole, _WIDTH):
        connection.execute(_INSERT_MANY, list(chain.from_iterable(rows[start : start + _WIDTH])))
    connection.executemany(_INSERT, rows[whole:])


def _delete(rows: list[tuple[int, float]], floor: int, connection: sqlite3.Connection) -> int:
    with transaction(connection):
        surplus = _totals(connection)[0] - floor
        deleted = connection.executemany("DELETE FROM rows WHERE id = ? AND expires = ?", rows[: max(0, surplus)])
        _count(connection, -deleted.rowcount, 0.0)
        return deleted.rowcount


def _totals(connection: sqlite3.Connection) -> tuple[int, float | None]:
    rows, latest = connection.execute("SELECT rows, latest FROM totals").fetchone()
    return int(rows), latest


def _count(connection: sqlite3.Connection, rows: int, latest: float) -> None:
    connection.execute(
        "UPDATE totals SET rows = rows + ?, latest = nullif(max(ifnull(latest, 0.0), ?), 0.0)", (rows, latest)
    )


def _prepare(connection: sqlite3.Connection, pages: int = _PAGES) -> None:
    """Make a new file ours, and a connection to it fit for us. What isn't ours is not written to."""
    # A statement's journal and what is sorted would go to /tmp, which may be full, or not be there to be written to.
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{pages}")
    new = not recognised(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_PAGES * 4096}")
    if new:
        connection.executescript(f"{_SCHEMA} {_STAMP}; PRAGMA user_version = {_VERSION}; COMMIT;")
    elif _pragma(connection, "application_id") != _APPLICATION:
        connection.execute(_STAMP)


def recognised(connection: sqlite3.Connection) -> bool:
    """Whether a file has our tables, False if it has nothing yet.

    Raises:
        OtherFormat: another version of ours wrote it.
        sqlite3.NotSupportedError: another program did.
    """
    application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info('rows')")]
    if not application and not version and not tables:
        return False
    unsigned = not application and _TABLES.issuperset(tables) and (not columns or {"key", "grp", "row"} <= {*columns})
    if application != _APPLICATION and not unsigned:
        raise sqlite3.NotSupportedError("another program's database, which is left alone: name a file of its own")
    if version != _VERSION or columns != _COLUMNS:
        raise OtherFormat(f"another version's (format {version}, ours is {_VERSION})")
    return True


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
