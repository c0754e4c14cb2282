"""sqlgrey's SQLite database: who waits; the domains that it lets in; and the senders, as lines of an allow list.

Of those who have passed it keeps no recipients, so that there are no pairs of theirs.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import quote

from milter64.address.networks import pack
from milter64.lists.entry import shown_time
from milter64.lists.mistakes import Mistake, Mistakes
from milter64.lists.who import parse
from milter64.takeover.conversion import Conversion, LeftOut, LeftOutError, Row, Unreadable, converted, whole_number

TABLES = {"connect", "from_awl", "domain_awl", "config"}
"""Which tell a file of sqlgrey's from other programs'."""
_CHUNK = 1000
"""Rows read in one transaction: sqlgrey can't write meanwhile."""
_NULL = "-undef-"
_LONGEST_NAME = 64
"""Characters of a sender's name that are kept."""
_REMEDY = "take the senders over as an allow list, with --allow-list"

Columns = tuple[str, ...]
"""Of a row, as text."""


def rows(path: Path, conversion: Conversion, left_out: LeftOut) -> Iterator[Row]:
    """Yield a row for each pair that waits, and those by which domains that are let in are waved through.

    What proves here that a mail is of such a domain is SPF; sqlgrey lets it in from one address.
    """

    def waits(row: Columns) -> Iterator[Row]:
        sender, domain, source, recipient, first_seen = row
        if len(sender) == _LONGEST_NAME:
            raise LeftOutError("its sender may have been cut off")
        mail_from = "" if domain == _NULL else f"{sender}@{domain}"
        record = conversion.record(whole_number(first_seen))
        yield conversion.pair(mail_from, recipient), conversion.group(*_network(source)), record

    def domain_passes(row: Columns) -> Iterator[Row]:
        domain, _, last_seen = row
        return conversion.waved_through(conversion.sender_group(_named(domain)), whole_number(last_seen))

    def sender_passes(row: Columns) -> Iterator[Row]:
        _named(row[1])
        raise LeftOutError(f"to whom senders wrote who are let in was not kept: {_REMEDY}")

    for table, columns, make in (
        ("connect", "sender_name, sender_domain, src, rcpt, first_seen", waits),
        ("domain_awl", "sender_domain, src, last_seen", domain_passes),
        ("from_awl", "sender_name, sender_domain, src", sender_passes),
    ):
        yield from converted(_read(path, table, columns), make, partial(_shown, table), left_out)


def allow_lines(path: Path, conversion: Conversion, mistakes: Mistakes, left_out: LeftOut) -> Iterator[str]:
    """Yield a line of an allow list for each sender that is let in, until our own memory would end.

    What proves here that a mail is his is SPF.
    """

    def make(row: Columns) -> Iterator[str]:
        sender, domain, _, last_seen = row
        mailbox = f"{sender}@{_named(domain)}"
        at = whole_number(last_seen)
        conversion.record(at, at)
        if re.search(r"[#+]|RCPT", sender) or len(sender) == _LONGEST_NAME:
            raise LeftOutError("what changes in its sender from mail to mail was taken out")
        try:
            kind = parse(mailbox, mistakes).kind
        except Mistake:
            kind = ""
        if kind != "sender" or not mailbox.isprintable():  # no name that somebody chose stands for others
            raise LeftOutError("it is no sender that an allow list can have")
        yield f"{mailbox} spares=greylist until={shown_time(at + conversion.settings.remember)}"

    rows = _read(path, "from_awl", "sender_name, sender_domain, src, last_seen")
    return converted(rows, make, partial(_shown, "from_awl"), left_out)


def _named(domain: str) -> str:
    if domain == _NULL:
        raise LeftOutError("bounces are let in from there: they have no sender to be named by")
    return domain


def _shown(table: str, row: Columns) -> str:
    return f"{table}: {' '.join(row)}"


def _network(source: str) -> tuple[bytes, int]:
    """Read a client, of which greymethod has left the whole address, or three numbers of IPv4, or four of IPv6."""
    try:
        if re.fullmatch(r"[0-9]+(\.[0-9]+){2}", source):
            return pack(f"{source}.0"), 24
        if re.fullmatch("[0-9a-f]+(:[0-9a-f]+){3}", source):
            return pack(f"{source}::"), 64
        packed = pack(source)
    except ValueError:
        raise LeftOutError("its client is no IP address") from None
    return packed, len(packed) * 8


def _read(path: Path, table: str, columns: str) -> Iterator[Columns]:
    """Yield columns of a table's rows, as text, some at a time.

    Raises:
        Unreadable: it can't be read now, or is damaged.
    """
    last = -1
    some = f"SELECT rowid, {columns} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {_CHUNK}"  # noqa: S608  ours
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
            while chunk := connection.execute(some, (last,)).fetchall():
                last = chunk[-1][0]
                for row in chunk:
                    yield tuple(map(str, row[1:]))
    except sqlite3.Error as error:
        remedy = "stop sqlgrey, see that `sqlite3 FILE 'PRAGMA integrity_check'` says ok, and try again"
        raise Unreadable(f"{table} can't be read: {error}", remedy) from error
