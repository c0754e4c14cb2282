"""Waving through: a group that has passed often need not wait any more, whoever it writes to (RFC 6647 2.5).

A group earns that by messages to several recipients over some days; it loses it by silence, as all rows run out, and by
bad behaviour at once. It says nothing of SPF, blocks and limits. Only such groups can earn it as are one sender's own:
the domain that has passed SPF, and the exact network, which is one address of IPv4 and a /64 of IPv6.

Its rows are the greylist's, with the group for their key. A recipient's has a number made of the address, so that
nobody can be read out of it; there are no more of them than it takes. One more says that it has been earned, and
another has the last bad behaviour, which begins the generation that counts from then on.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from zlib import crc32

from milter64.address.client import Client
from milter64.greylist.client_groups import groups
from milter64.greylist.row import Record
from milter64.greylist.settings import Settings
from milter64.mail.finding import Findings, Key
from milter64.mail.session import Envelope, split

MOST_RECIPIENTS = 32
"""Which a group may have to earn it by; its rows are far fewer than the store keeps of a key."""
_RECIPIENTS = 2**16
"""Numbers of recipients: two of so few seldom have the same."""
_RECIPIENT, _EARNED, _LOST = "to:", "earned", "lost"
_REGISTER = "earned:"
_REGISTERS = 256
"""Keys under which the groups are noted that may have earned it."""
_FRESH = 3600.0
"""Seconds in which a recipient, or that it was earned, is noted once."""

_MAILFROM: Key = ("spf", "smtp.mailfrom")

Rows = Mapping[str, Record]


def exact_network(client: Client) -> str:
    """Return the group of a client's exact network, "" if it can't earn anything."""
    if client.shared or not client.origin.identifies:
        return ""
    return f"net:{client.network(32, 128 if client.crowded else 64)}"


def sender_group(sender: str) -> str:
    """Return the group that a sender's domain is proven to be by passing SPF, "" for the null sender."""
    domain = split(sender)[1]
    return f"spf:{domain}" if domain else ""


def proven_sender(envelope: Envelope, known: Findings) -> str:
    """Return the sender's group if the client is proven to be in it, by a record that isn't made for each client."""
    group = sender_group(envelope.sender)
    proven = group and group in groups(envelope.session.client, envelope.sender, known)
    return group if proven and not known[_MAILFROM].fact("tailored") else ""


def counted(rows: Rows, now: float, settings: Settings) -> Rows:
    """Return the rows of the recipients that count."""
    counts = partial(_counts, generation=_generation(rows), since=now - settings.remember)
    return {name: row for name, row in rows.items() if name.startswith(_RECIPIENT) and counts(row)}


def earned(rows: Rows, now: float, settings: Settings) -> bool:
    """Whether a group with these rows is waved through."""
    if _noted(rows, now, settings):
        return True
    known = counted(rows, now, settings).values()  # workers that count at once don't see each other's last recipient
    return len(known) >= settings.wave_through and (
        max([row.passed_at or 0.0 for row in known]) - min([row.first_seen for row in known]) >= settings.wave_over
    )


def credit(rows: Rows, recipient: str, now: float, settings: Settings) -> Rows:
    """Return the rows to be written where a message to a recipient has passed: no more than it takes to earn it."""
    passed = Record(generation=_newest(rows), first_seen=now, passed_at=now)
    if earned(rows, now, settings):
        noted = _noted(rows, now, settings)
        return {} if noted and _is_fresh(noted, now) else {_EARNED: passed}
    name = f"{_RECIPIENT}{crc32(_mailbox(recipient)) % _RECIPIENTS}"
    known = counted(rows, now, settings)
    if len({*known, name}) >= settings.wave_through:
        if now - min([row.first_seen for row in known.values()], default=now) >= settings.wave_over:
            return {_EARNED: passed}
        if name not in known and len(known) >= settings.wave_through:
            return {}
    return {} if name in known and _is_fresh(known[name], now) else {name: passed}


def written(group: str, before: Rows, news: Rows, settings: Settings) -> Iterator[tuple[str, Rows]]:
    """Yield what is to be written of a group, by key: its rows, and where it is noted that has earned it, or half.

    Workers that count at once don't see each other's last recipients, so none of them might know that it is earned.
    """
    if news:
        yield group, news
    recipients = {name for name in (*before, *news) if name.startswith(_RECIPIENT)}
    for name, row in news.items():
        if name == _EARNED or (name in recipients and 2 * len(recipients) >= settings.wave_through):
            yield register(group), {group: row}


def granted(group: str, passed: Record) -> Iterator[tuple[str, Rows]]:
    """Yield what is to be written of a group, by key, that has earned it elsewhere."""
    yield group, {_EARNED: passed}
    yield register(group), {group: passed}


def register(group: str) -> str:
    """Return the key under which a group is noted if it may have earned it.

    Of those that haven't, which are nearly all, that is enough to know, and it is the same for many.
    """
    return f"{_REGISTER}{crc32(group.encode(errors='replace')) % _REGISTERS}"


def registers() -> Iterator[str]:
    """Yield all keys that `register` returns."""
    return (f"{_REGISTER}{number}" for number in range(_REGISTERS))


def counts_passings(key: str, group: str) -> bool:
    """Whether a row is one of those by which a group earns it, and none of a pair's."""
    return key.startswith(("net:", "spf:", _REGISTER)) or group.startswith(_RECIPIENT) or group in {_EARNED, _LOST}


def marks_earned(key: str, group: str) -> bool:
    """Whether a row says that its group has earned it."""
    return group == _EARNED and not key.startswith(_REGISTER)


def discredit(rows: Rows, now: float, settings: Settings) -> Rows:
    """Return the rows to be written where the group has behaved badly: nothing if it has nothing to lose."""
    if not counted(rows, now, settings) and not earned(rows, now, settings):
        return {}
    return {_LOST: Record(generation=_newest(rows) + 1, first_seen=now, passed_at=now)}


def _noted(rows: Rows, now: float, settings: Settings) -> Record | None:
    """Return the row that says that it has been earned, if it counts."""
    row = rows.get(_EARNED)
    return row if row and _counts(row, _generation(rows), now - settings.remember) else None


def _counts(row: Record, generation: int, since: float) -> bool:
    return row.generation >= generation and (row.passed_at or 0.0) >= since


def _is_fresh(row: Record, now: float) -> bool:
    return now - (row.passed_at or 0.0) < _FRESH


def _mailbox(recipient: str) -> bytes:
    """Return an address without what a sender can vary, and still reach the same one: case, and an extension."""
    local, domain = split(recipient)
    return f"{local.partition('+')[0]}@{domain}".lower().encode(errors="replace")


def _generation(rows: Rows) -> int:
    lost = rows.get(_LOST)
    return lost.generation if lost else 0


def _newest(rows: Rows) -> int:
    """Return the generation of what is new, which outlives the row that has begun it."""
    return max([row.generation for row in rows.values()], default=0)
