"""Reads the pairs out of a Berkeley DB file, a btree as libdb 5.3 writes it (db_page.h), without libdb.

Each page is looked at once, in the order of the file: that needs no link from page to page to be right, and ends.
"""

import os
from collections.abc import Callable, Iterator
from struct import Struct, error
from typing import BinaryIO

from milter64.takeover.conversion import Unreadable

MAGIC = 0x053162
"""Of a btree, in the octets 12 to 15 of the first page."""
OTHERS = (0x061561, 0x042253, 0x074582)
"""Berkeley DB's hash, queue and heap."""
_VERSION = 9
"""From Berkeley DB 4.1 to 5.3."""
_META_TYPE, _LEAF, _OVERFLOW = 9, 5, 7
_HEADER = 26
"""Octets of a page before its items."""
_KEY_OR_DATA, _ELSEWHERE, _DELETED = 1, 3, 0x80
_LONGEST = 1 << 16
"""Octets of a key or a value; postgrey's have some 1100 at most."""
Damaged = Callable[[str], None]
"""Is told of a place that can't be read, such as "page 7"."""
_REMEDY = "write it as text with `db_dump -p FILE` (package db-util), and import that"


def byte_order(head: bytes, magics: tuple[int, ...] = (MAGIC,)) -> str:
    """Return the order of a file's octets, "<" or ">", by its first page; "" if it is none of those."""
    orders = {"<": int.from_bytes(head[12:16], "little"), ">": int.from_bytes(head[12:16])}
    return next((order for order, magic in orders.items() if magic in magics), "")


class Btree:
    """An open file of Berkeley DB."""

    def __init__(self, file: BinaryIO) -> None:
        """Look at its first page.

        Raises:
            Unreadable: it is none, or of a kind that can't be read.
        """
        self._file = file
        head = file.read(72)
        if len(head) < 72 or not (order := byte_order(head)):  # noqa: PLR2004  what is looked at
            raise Unreadable("it is no btree of Berkeley DB", "name postgrey.db")
        version, size, encrypted, kind, flags = Struct(f"{order}II3B").unpack_from(head, 16)
        if version != _VERSION or encrypted or flags & 1:
            raise Unreadable(f"it is a btree of version {version}, or has checksums or is encrypted", _REMEDY)
        if kind != _META_TYPE or size not in {1 << bits for bits in range(9, 17)}:
            raise Unreadable("its first page is damaged", "take another copy")
        self._size = size
        self._pages = -(-file.seek(0, os.SEEK_END) // size)
        self._header = Struct(f"{order}8xIIIHHBB")
        self._short = Struct(f"{order}H")
        self._reference = Struct(f"{order}4xII")

    def pairs(self, damaged: Damaged) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values, each once, in no order; what can't be read of a page is left, and told by its number.

        Raises:
            OSError: the file can't be read.
        """
        for number in range(1, self._pages):
            try:
                kind, _, count, page = self._page(number)
                if kind != _LEAF:
                    continue
                places = [self._short.unpack_from(page, _HEADER + 2 * each)[0] for each in range(count)]
            except (ValueError, error):
                damaged(f"page {number}")
                continue
            wrong = count % 2 > 0
            for key, value in zip(places[::2], places[1::2], strict=False):
                try:
                    if not (self._deleted(page, key) or self._deleted(page, value)):
                        yield self._item(page, key), self._item(page, value)
                except (ValueError, IndexError, error):
                    wrong = True
            if wrong:
                damaged(f"page {number}")

    def _page(self, number: int) -> tuple[int, int, int, bytes]:
        """Return a page's type, the next page, the number of its items, or of octets of an overflow, and the page."""
        self._file.seek(number * self._size)
        page = self._file.read(self._size)
        own, _, following, entries, octets, _, kind = self._header.unpack_from(page)
        if kind in (_LEAF, _OVERFLOW) and (own != number or len(page) < self._size):
            raise ValueError(number)
        return kind, following, octets if kind == _OVERFLOW else entries, page

    @staticmethod
    def _deleted(page: bytes, place: int) -> bool:
        return page[place + 2] & _DELETED > 0

    def _item(self, page: bytes, place: int) -> bytes:
        kind = page[place + 2]
        if kind == _KEY_OR_DATA:
            (length,) = self._short.unpack_from(page, place)
            if place + 3 + length > self._size:
                raise ValueError(place)
            return page[place + 3 : place + 3 + length]
        if kind != _ELSEWHERE:
            raise ValueError(kind)
        number, length = self._reference.unpack_from(page, place)
        if length > _LONGEST:
            raise ValueError(length)
        whole = b""
        while len(whole) < length:
            kind, number, octets, elsewhere = self._page(number)
            # All but the last are full, so that a chain which bites its tail ends too.
            if kind != _OVERFLOW or octets != min(length - len(whole), self._size - _HEADER):
                raise ValueError(kind)
            whole += elsewhere[_HEADER : _HEADER + octets]
        return whole
