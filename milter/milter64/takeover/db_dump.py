"""Reads what Berkeley DB's db_dump(1) writes: keys and values as text, a line each."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from milter64.takeover.berkeley_btree import Damaged
from milter64.takeover.conversion import Unreadable

FIRST = b"VERSION=3\n"
_HEADER_LINES = 100
_LONGEST = 1 << 20
"""Octets of a line."""
_ESCAPED = re.compile(rb"\\(?:\\|([0-9a-f]{2})|)")


def pairs(file: BinaryIO, damaged: Damaged) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values; lines that can't be read are left, and told by their number.

    Raises:
        Unreadable: it is of another kind.
        OSError: the file can't be read.
    """
    header = dict[bytes, bytes]()
    number = 0
    for number in range(1, _HEADER_LINES):  # noqa: B007  goes on below
        name, _, value = file.readline(_LONGEST).strip().partition(b"=")
        header[name] = value
        if name == b"HEADER":
            break
    if (
        header.get(b"VERSION") != b"3"
        or header.get(b"HEADER") != b"END"
        or header.get(b"format") not in (b"print", b"bytevalue")
    ):
        raise Unreadable("it is no output of db_dump", "write it anew with `db_dump -p FILE`")
    read = _printed if header[b"format"] == b"print" else _hexadecimal
    key: bytes | None = None
    while line := file.readline(_LONGEST):
        number += 1
        if line == b"DATA=END\n":
            return
        try:
            item = read(line)
        except ValueError:
            damaged(f"line {number}")
            item = b""
        if key is None:
            key = item
        else:
            if key:
                yield key, item
            key = None
    damaged(f"line {number}")  # it has no end


def _printed(line: bytes) -> bytes:
    if not (line.startswith(b" ") and line.endswith(b"\n")):
        raise ValueError(line)
    return _ESCAPED.sub(_unescaped, line[1:-1])


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[0] == b"\\":
        raise ValueError(found)
    return bytes.fromhex(found[1].decode()) if found[1] else b"\\"


def _hexadecimal(line: bytes) -> bytes:
    if not (line.startswith(b" ") and line.endswith(b"\n")):
        raise ValueError(line)
    return bytes.fromhex(line[1:-1].decode("ascii"))
