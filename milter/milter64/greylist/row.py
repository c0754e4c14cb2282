"""A row of the greylist: what is remembered of a pair and a group of clients, and how two copies of it become one."""

from contextlib import suppress
from zlib import crc32

from milter64.address.frozen_dataclass import frozen
from milter64.address.networks import pack
from milter64.dns.public_suffixes import registered_domain
from milter64.greylist.settings import Settings


@frozen
class Record:
    """A row: `first_seen` starts the wait, `passed_at` is the last time it let a message pass, None while it waits.

    A retry after `retry_window` or `remember` begins the next generation; and so does one of a row that was forgotten,
    which is kept for a while lest a copy of what it was comes back.
    """

    generation: int
    first_seen: float
    passed_at: float | None = None

    @property
    def forgotten(self) -> bool:
        """Whether the row says that those before it don't count: it has passed before it was seen, as none has."""
        return self.passed_at is not None and self.passed_at < self.first_seen


_LONG_AGO = 1e9
"""In 2001: a passing that no host remembers."""


def forget(record: Record, now: float) -> Record:
    """Return what is to be merged into a row to have it forgotten: it outlives all copies, and lets nobody pass."""
    return Record(generation=record.generation + 1, first_seen=now, passed_at=_LONG_AGO)


class RecordKind:
    """How a store keeps records without knowing them (see `interface.Kind`)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def merge(self, one: Record, other: Record) -> Record:
        """Unite two copies of one row: commutative, associative, idempotent, so that writes may be late."""
        if one.generation != other.generation:
            return max(one, other, key=lambda record: record.generation)
        passings = [record.passed_at for record in (one, other) if record.passed_at is not None]
        return Record(
            generation=one.generation,
            first_seen=min(one.first_seen, other.first_seen),
            passed_at=max(passings, default=None),
        )

    def dump(self, record: Record) -> str:
        """Write a record as text."""
        return f"{record.generation} {record.first_seen!r} {'' if record.passed_at is None else repr(record.passed_at)}"

    def load(self, text: str) -> Record:
        """Read what `dump` wrote.

        Raises:
            ValueError: it is something else.
        """
        generation, first_seen, passed_at = text.split(" ")
        return Record(
            generation=int(generation),
            first_seen=float(first_seen),
            passed_at=float(passed_at) if passed_at else None,
        )

    def touched(self, record: Record) -> float:
        """Return the latest time in a record."""
        return max(record.first_seen, record.passed_at or 0.0)

    def expires(self, record: Record) -> float:
        """Return when a record says nothing any more."""
        if record.passed_at is None:
            return record.first_seen + self._settings.retry_window
        return self.touched(record) + self._settings.remember

    def waits(self, record: Record) -> bool:
        """Whether a record has not let a message pass yet."""
        return record.passed_at is None

    def block(self, group: str) -> int:
        """Return which network a group lies in: a /48 within its /32, a /24 within its /16, a name within its domain.

        Names have numbers below zero.
        """
        kind, _, name = group.partition(":")
        if kind == "net":
            with suppress(ValueError):  # nobody knows the address
                packed = pack(name.partition("/")[0])
                return int.from_bytes(packed[:6]) if len(packed) == 16 else int.from_bytes(packed[:3]) << 8  # noqa: PLR2004  IPv6
        return -(crc32(registered_domain(name).encode()) << 16 | crc32(name.encode()) & 0xFFFF)
