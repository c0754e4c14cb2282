"""How a row of another greylister becomes one of ours, or is left out for a reason."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from milter64.address.client import Client, Origin
from milter64.address.networks import unpack
from milter64.address.translator import Translator
from milter64.greylist.pair import pair_key
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.greylist.wave_through import granted, sender_group
from milter64.mail import sender_and_recipient
from milter64.mail.clean_text import clean

Row = tuple[str, str, Record]
"""The key of a pair, the group, and what is remembered of both, as the store keeps them."""

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")
TOLD = 10
"""Rows that are told of those that are left out for one reason."""
_REASONS = 200
"""Which are told apart."""
_2000 = 946_684_800.0
"""Before which no greylister was written: who has such a time had no clock."""


class Unreadable(Exception):  # noqa: N818  the file is wrong, the program is not
    """A file can't be taken over at all: what is wrong with it, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


class LeftOutError(ValueError):
    """A row can't be taken over; the text says why, and there are few such texts."""


class Omission(NamedTuple):
    """What is left out for one reason: how often, and the first ones, for people."""

    reason: str
    times: int
    first: tuple[str, ...]


class LeftOut:
    """What was left out so far."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, list[str]] = {}

    def add(self, what: object, reason: object) -> None:
        """Note a row, a line or a page."""
        if len(self._counts) >= _REASONS and str(reason) not in self._counts:
            reason = "for other reasons"
        count = self._counts[str(reason)] = self._counts.get(str(reason), 0) + 1
        if count <= TOLD:
            self._first.setdefault(str(reason), []).append(clean(str(what)))

    def __iter__(self) -> Iterator[Omission]:
        """Yield each reason, in the order in which they came up."""
        for reason, count in self._counts.items():
            yield Omission(reason, count, tuple(self._first[reason]))


def converted(
    items: Iterable[_Item],
    make: Callable[[_Item], Iterable[_Made]],
    shown: Callable[[_Item], str],
    left_out: LeftOut,
) -> Iterator[_Made]:
    """Yield what `make` makes of items; those for which it raises LeftOutError are noted, as they are `shown`."""
    for item in items:
        try:
            made = tuple(make(item))
        except LeftOutError as reason:
            left_out.add(shown(item), reason)
        else:
            yield from made


class Conversion:
    """Makes the parts of our rows under one configuration; each method raises LeftOutError where that can't be."""

    def __init__(self, translator: Translator, settings: Settings, now: float) -> None:
        self._translator = translator
        self._kind = RecordKind(settings)
        self.settings = settings
        self.now = now

    def pair(self, sender: str, recipient: str) -> str:
        """Return the key of a sender, "" for the null one, and a recipient."""
        return pair_key(sender and _mailbox(sender), _mailbox(recipient))

    def sender_group(self, domain: str) -> str:
        """Return the group of a domain by SPF."""
        return sender_group(_mailbox(f"postmaster@{domain}"))

    def client(self, address: str) -> Client:
        """Return who an address on the wire stands for."""
        client = self._translator.client(address)
        if client.origin is Origin.UNKNOWN:
            raise LeftOutError("its client is no IP address")
        return client

    def group(self, packed: bytes, length: int) -> str:
        """Return the group of a client's network on the wire, by its first address and the length of its prefix."""
        packed, length = self._decoded(packed, length)
        settings = self.settings
        ours = settings.ipv4_prefix if len(packed) == 4 else settings.ipv6_prefix  # noqa: PLR2004  an IPv4 address
        if length < ours:  # somebody there has passed, and nobody knows who
            of = "ipv4" if len(packed) == 4 else "ipv6"  # noqa: PLR2004  the same
            raise LeftOutError(f"it stands for a whole /{length}, and greylist.{of}_prefix is {ours}")
        return f"net:{self.client(unpack(packed)).network(settings.ipv4_prefix, settings.ipv6_prefix)}"

    def _decoded(self, packed: bytes, length: int) -> tuple[bytes, int]:
        """Return the network that one on the wire stands for; single addresses are decoded as clients are."""
        if length == len(packed) * 8 or len(packed) == 4:  # noqa: PLR2004  an IPv4 address
            return packed, length
        origin, forms = self._translator.decode_network((packed, length))
        if origin is Origin.IPV6:
            return packed, length
        if len(forms) == 1 and (network := forms[0][0]):
            return network
        raise LeftOutError("a translator's prefix: any IPv4 address may stand behind it")

    def waved_through(self, group: str, last_seen: float) -> Iterator[Row]:
        """Yield the rows by which a group is waved through that was let in elsewhere, whoever it wrote to."""
        record = self.record(last_seen, last_seen)
        if not self.settings.wave_through:
            raise LeftOutError("greylist.wave_through is 0: nobody is let in for having passed often")
        if not group:
            raise LeftOutError("many may stand behind it")
        for key, rows in granted(group, record):
            yield from ((key, name, row) for name, row in rows.items())

    def record(self, first_seen: float, passed_at: float | None = None) -> Record:
        """Return what is remembered."""
        times = [first_seen] if passed_at is None else [first_seen, passed_at]
        if min(times) < _2000:
            raise LeftOutError("its time is before 2000")
        if max(times) > self.now:
            raise LeftOutError("its time is in the future")
        record = Record(generation=0, first_seen=first_seen, passed_at=passed_at)
        if self._kind.expires(record) <= self.now:
            raise LeftOutError("it is so old that it counts no more")
        return record


def _mailbox(text: str) -> str:
    """Return an address as the service reads it; others keep it without the quotes that it may need."""
    local, at, domain = text.rpartition("@")
    quoted = '"' + re.sub(r'(["\\])', r"\\\1", local) + f'"@{domain}'
    for written in (text, quoted) if at else (text,):
        if mailbox := sender_and_recipient.read(f"<{written}>".encode(errors="surrogateescape"), None):
            return mailbox
    raise LeftOutError("it has no sender and recipient that are mail addresses")


def whole_number(text: str) -> int:
    """Return a time or a count that another program wrote as decimal digits."""
    if not re.fullmatch("[0-9]{1,12}", text):
        raise LeftOutError("its numbers are none")
    return int(text)
