"""postgrey's two databases: what it has seen of whom, and the clients that it lets in without delay."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from milter64.address.networks import pack
from milter64.greylist.wave_through import exact_network
from milter64.takeover.conversion import Conversion, LeftOut, LeftOutError, Row, Unreadable, converted, whole_number

Pairs = Iterable[tuple[bytes, bytes]]

_LOCKS = Path("/proc/locks")
_LOCK = "postgrey.lock"
_HASH = re.compile("[0-9a-f]{40}")
_CLIENT = re.compile(r"(?P<address>[0-9a-f.:]+)(?:/(?P<length>[0-9]{1,3}))?/(?P<mails>.+)", re.IGNORECASE | re.DOTALL)
_USUAL = {4: 24, 16: 64}
"""The length of a network that has none beside it, by its octets. A shorter one, by --ipv4cidr, can't be told; its
first network of this length is taken then, which forgives too few rather than too many."""
_ALLOWED_FROM = 5
"""Successes that let a client in for good: --auto-whitelist-clients, unless somebody chose another number."""


def refuse_in_use(path: Path) -> None:
    """Raise Unreadable if a postgrey runs that has the file open: what it wrote lately is in its memory alone.

    It holds a lock beside the file. To try that lock would keep a postgrey that starts at this moment from it.
    """
    try:
        lock = (path.resolve().parent / _LOCK).stat().st_ino
        held = _LOCKS.read_text()
    except OSError:
        return
    if re.search(rf"FLOCK .*:{lock} ", held):
        folder = path.resolve().parent
        remedy = f"stop it, or write `db_dump -p -h {folder} {path.name} >rows.txt` (package db-util) and import that"
        raise Unreadable("postgrey is running, and most of its rows are in its memory alone", remedy)


def rows(pairs: Pairs, conversion: Conversion, left_out: LeftOut) -> Iterator[Row]:
    """Yield a row for each that postgrey has, by `client/sender/recipient`, "first,last".

    Its `last` is of any attempt, and how long it makes people wait isn't in the file. Who came back after as long as
    we make them wait has done what we ask, and has passed; another waits from when postgrey saw him first.
    """

    def make(pair: tuple[bytes, bytes]) -> Iterator[Row]:
        packed, length, sender, recipient = _split(_readable(pair))
        first, last = _numbers(pair)
        record = conversion.record(first, last if last - first >= conversion.settings.delay else None)
        yield conversion.pair(sender, recipient), conversion.group(packed, length), record

    return converted(pairs, make, _shown, left_out)


def clients(pairs: Pairs, conversion: Conversion, left_out: LeftOut) -> Iterator[Row]:
    """Yield rows by which the clients that postgrey lets in without delay are waved through, whoever they write to.

    That ends, as it does there, when they have been silent, and here also when they behave badly.
    """

    def make(pair: tuple[bytes, bytes]) -> Iterator[Row]:
        client = conversion.client(_readable(pair))
        count, last = _numbers(pair)
        if count < _ALLOWED_FROM:
            raise LeftOutError(f"it has passed less than {_ALLOWED_FROM} times: postgrey delays it too")
        return conversion.waved_through(exact_network(client), last)

    return converted(pairs, make, _shown, left_out)


def _shown(pair: tuple[bytes, bytes]) -> str:
    return pair[0].decode(errors="surrogateescape")


def _readable(pair: tuple[bytes, bytes]) -> str:
    key = _shown(pair)
    if _HASH.fullmatch(key):
        raise LeftOutError("it was hashed (--privacy): nobody can read who it was")
    return key


def _numbers(pair: tuple[bytes, bytes]) -> tuple[int, int]:
    """Return the first two; older versions have the client's last octet for a third."""
    one, _, more = pair[1].decode(errors="surrogateescape").partition(",")
    return whole_number(one), whole_number(more.partition(",")[0])


def _split(key: str) -> tuple[bytes, int, str, str]:
    """Return the client's network, the sender and the recipient; both may have slashes, but only before their @."""
    match = _CLIENT.fullmatch(key)
    if not match:
        raise LeftOutError("it is not client/sender/recipient")
    try:
        packed = pack(match["address"])
    except ValueError:
        raise LeftOutError("its client is no IP address") from None
    # --lookup-by-host has the single address, with its length.
    length = int(match["length"]) if match["length"] else _USUAL[len(packed)]
    if length > len(packed) * 8:
        raise LeftOutError("its client is no IP address")
    mails = match["mails"]
    if mails.startswith("/"):
        return packed, length, "", mails[1:]
    at = mails.find("@")
    sender, slash, recipient = mails[at:].partition("/")
    if at < 0 or not slash:
        raise LeftOutError("it is not client/sender/recipient")
    sender = mails[:at] + sender
    # Numbers have become signs, which says whom only where our rows have signs too.
    if "#" in sender and "=" not in sender.rpartition("@")[0]:
        raise LeftOutError("numbers in its sender were replaced by #")
    return packed, length, sender, recipient
