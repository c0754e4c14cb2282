"""The greylist's file of a point of an axis, written at once: a service would take hours to learn ten million rows."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

from bench.beside import fill
from milter64.greylist.pair import pair_key
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_table import Table

Known = tuple[str, IPv4Address | IPv6Address]
"""A line of milterload's, and the address that the client really has."""
_AT_ONCE = 10_000
_ALL = "hash, block, waits, expires, key, grp, row"


def prepare(path: Path, known: list[Known], rows: int) -> None:
    """Make a greylist's file in which senders have passed, spread evenly over `rows` rows, or by themselves."""
    alone = path if rows <= len(known) else path.with_suffix(".known")
    remove(path)
    remove(alone)
    table = Table(alone, RecordKind(Settings()), print, patience=5)
    for start in range(0, len(known), _AT_ONCE):
        table.merge(list(_passed(known[start : start + _AT_ONCE])))
    table.close()
    if alone != path:
        fill(path, min(rows, _AT_ONCE))
        _multiply(path, rows, alone)
        remove(alone)


def octets(rows: int) -> int:
    """Return about what a file of so many rows takes, with what sorts its index."""
    return 300 * rows


def remove(path: Path) -> None:
    """Delete a file, and what SQLite and milter64 have beside it."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def _passed(known: list[Known]) -> Iterator[tuple[str, dict[str, Record]]]:
    """Yield the row of each sender."""
    settings, now = Settings(), time.time()
    for line, address in known:
        *_, sender, recipient = line.split("\t")
        prefix = settings.ipv4_prefix if address.version == 4 else settings.ipv6_prefix
        group = f"net:{ip_network((address, prefix), strict=False)}"
        yield pair_key(sender, recipient), {group: Record(generation=0, first_seen=now - 600, passed_at=now)}


def _multiply(path: Path, rows: int, known: Path) -> None:
    """Copy the strangers of a file until it has `rows` rows, and put those of `known` in the place of some.

    Copies have keys of their own and any hash, as nobody looks for them. The index is made at the end, by sorting.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        (index,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'rows_hash'").fetchone()
        connection.execute("DROP INDEX rows_hash")
        connection.execute("ATTACH ? AS known", (str(known),))
        connection.execute("BEGIN")
        for start in range(_AT_ONCE, rows, _AT_ONCE):
            connection.execute(
                f"INSERT INTO rows ({_ALL}) SELECT random(), block, waits, expires, ? || key, grp, row FROM rows"
                " WHERE id <= ? ORDER BY id",
                (start, min(_AT_ONCE, rows - start)),
            )
        connection.execute(
            f"UPDATE rows SET ({_ALL}) = (SELECT {_ALL} FROM known.rows AS own WHERE own.id = rows.id / :step)"
            " WHERE id IN (SELECT id * :step FROM known.rows)",
            {"step": rows // connection.execute("SELECT count(*) FROM known.rows").fetchone()[0]},
        )
        connection.execute("UPDATE totals SET rows = (SELECT count(*) FROM rows)")
        connection.execute(index)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
