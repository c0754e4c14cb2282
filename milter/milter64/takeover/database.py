"""Rows of our greylist out of another greylister's database, whichever it is."""

from collections.abc import Iterator
from pathlib import Path

from milter64.takeover import milter_greylist, postgrey, sqlgrey
from milter64.takeover.conversion import Conversion, LeftOut, Row
from milter64.takeover.recognise import Kind, pairs


def rows(path: Path, kind: Kind, conversion: Conversion, left_out: LeftOut) -> Iterator[Row]:
    """Yield the rows that a file of a kind that was recognised has for us, one by one; the rest is `left_out`.

    Raises:
        Unreadable: it can't be read any further.
    """
    if kind is Kind.SQLGREY:
        return sqlgrey.rows(path, conversion, left_out)
    if kind is Kind.MILTER_GREYLIST:
        return milter_greylist.rows(path, conversion, left_out)
    found = pairs(path, lambda where: left_out.add(where, "it is damaged"))
    return (postgrey.rows if kind is Kind.POSTGREY else postgrey.clients)(found, conversion, left_out)
