"""Waving through: a group that has passed often need not wait any more, whoever it writes to (RFC 6647 2.5).

A group earns that by messages to several recipients over some days; it loses it by silence, as all rows run out, and by
bad behaviour at once. It says nothing of SPF, blocks and limits. Only such groups can earn it as are one sender's own:
the domain that has passed SPF, and the exact network, which is one address of IPv4 and a /64 of IPv6.

Its rows are the greylist's, with the group for their key. Recipients have few places, by a number made of their
address, so that a group takes no more rows than that, and nobody can be read out of them. One more says that it has
earned it, and another has the last bad behaviour, which begins the generation that counts from then on.
"""

from collections.abc import Mapping
from zlib import crc32

from milter64.address.client import Client
from milter64.greylist.row import Record
from milter64.greylist.settings import Settings
from milter64.mail.session import split

PLACES = 64
_PLACE, _EARNED, _LOST = "to:", "earned", "lost"
_FRESH = 3600.0
"""Seconds in which a recipient is noted once."""

Rows = Mapping[str, Record]


def exact_network(client: Client) -> str:
    """Return the group of a client's exact network, "" if it can't earn anything."""
    if not client.origin.identifies:
        return ""
    return f"net:{client.network(32, 128 if client.crowded else 64)}"


def sender_group(sender: str) -> str:
    """Return the group that a sender's domain is proven to be by passing SPF, "" for the null sender."""
    domain = split(sender)[1]
    return f"spf:{domain}" if domain else ""


def counted(rows: Rows) -> Rows:
    """Return the rows of the recipients that count."""
    return {name: row for name, row in rows.items() if name.startswith(_PLACE) and row.generation >= _generation(rows)}


def earned(rows: Rows) -> bool:
    """Whether a group with these rows is waved through."""
    row = rows.get(_EARNED)
    return row is not None and row.generation >= _generation(rows)


def credit(rows: Rows, recipient: str, now: float, settings: Settings) -> Rows:
    """Return the rows to be written where a message to a recipient has passed."""
    place, generation = f"{_PLACE}{crc32(_mailbox(recipient)) % PLACES}", _generation(rows)
    row = rows.get(place)
    if row and row.generation >= generation and now - (row.passed_at or 0.0) < _FRESH:
        return {}
    passed = Record(generation=generation, first_seen=now, passed_at=now)
    count = [each.first_seen for name, each in counted(rows).items() if name != place]
    begun = min([*count, row.first_seen if row and row.generation >= generation else now])
    if earned(rows) or (len(count) + 1 >= settings.wave_through and now - begun >= settings.wave_over):
        return {place: passed, _EARNED: passed}
    return {place: passed}


def discredit(rows: Rows, now: float) -> Rows:
    """Return the rows to be written where the group has behaved badly: nothing if it has nothing to lose."""
    if not counted(rows) and not earned(rows):
        return {}
    return {_LOST: Record(generation=_generation(rows) + 1, first_seen=now, passed_at=now)}


def _mailbox(recipient: str) -> bytes:
    """Return an address without what a sender can vary, and still reach the same one: case, and an extension."""
    local, domain = split(recipient)
    return f"{local.partition('+')[0]}@{domain}".lower().encode(errors="replace")


def _generation(rows: Rows) -> int:
    lost = rows.get(_LOST)
    return lost.generation if lost else 0
