"""What Postfix's access tables (access(5)) have for clients that come through a translator."""

import re
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

from milter64.address.networks import NON_GLOBAL_IPV4, PRIVATE, pack, unpack
from milter64.address.translation_prefix import Prefix
from milter64.audit.facts.address_lists import PROBES
from milter64.audit.facts.lookups import Lookups, Untold

_WRITTEN = ("cidr", "hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash")
"""Types whose rows stand in a text, from which some are compiled."""
_ROW = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,3}(?:/\d{1,2})?)\s+(\S.*)")
_REFUSES = re.compile(r"REJECT|DEFER|[45]\d\d\s|5\.\d|4\.\d|reject|defer", re.IGNORECASE)
_LARGEST = 2**20


class Says(Enum):
    """What a table says of clients."""

    NOTHING = auto()
    REFUSED = auto()
    PERMITTED = auto()


def says(lookups: Lookups, table: str, key: str, *, partial: bool = False) -> Says:
    """Return what a table has for a key."""
    try:
        found = (lookups.find(table, key, partial=partial) or "").strip()
    except Untold:
        return Says.NOTHING
    return _meant(found)


def _meant(action: str) -> Says:
    if _REFUSES.match(action):
        return Says.REFUSED
    return Says.PERMITTED if re.fullmatch(r"(?:OK|permit|\d+)\s*", action, re.IGNORECASE) else Says.NOTHING


def says_of_all(lookups: Lookups, table: str, prefix: Prefix) -> Says:
    """Return what a table says of all that come through a translator, as Postfix looks addresses up."""
    found = {_says_of(lookups, table, unpack(packed)) for each in PROBES if (packed := prefix.encode(pack(each)))}
    return found.pop() if len(found) == 1 else Says.NOTHING


def _says_of(lookups: Lookups, table: str, address: str) -> Says:
    if (found := says(lookups, table, address)) is not Says.NOTHING:
        return found
    head = address
    while ":" in head:
        head = head.rpartition(":")[0]
        if head and (found := says(lookups, table, head, partial=True)) is not Says.NOTHING:
            return found
    return Says.NOTHING


def ipv4_rows(table: str) -> list[tuple[str, Says]]:
    """Return the public IPv4 addresses and networks that stand in a table's text, each with what it says."""
    kind, _, path = table.removeprefix("proxy:").partition(":")
    content = ""
    if kind in _WRITTEN:
        with suppress(OSError), Path(path).open(errors="replace") as file:
            content = file.read(_LARGEST)
    return list(_rows(content))


def _rows(content: str) -> Iterator[tuple[str, Says]]:
    for line in content.splitlines():
        if match := _ROW.match(line):
            address, _, length = match[1].partition("/")
            octets = address.split(".")
            text = ".".join([*octets, *["0"] * (4 - len(octets))])
            length = length or str(8 * len(octets))
            with suppress(ValueError):
                if pack(text) not in PRIVATE and pack(text) not in NON_GLOBAL_IPV4:
                    yield f"{text}/{length}", _meant(match[2])
