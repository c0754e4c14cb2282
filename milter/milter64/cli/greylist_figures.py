"""What is counted of the greylist's rows, in one go through all of them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from milter64.cli.greylist_file import Opened
from milter64.cli.greylist_rows import Row, is_of_pair
from milter64.greylist.pair import sender_of
from milter64.greylist.settings import Settings as GreylistSettings
from milter64.greylist.wave_through import marks_earned
from milter64.sharing.keys import LOADED

SHOWN = 10
"""Networks and domains that are named, those with the most rows."""
_COUNTED = 50_000
"""Networks or domains that are told apart at a time: of more, those with the fewest rows are begun anew."""
_HOUR, _DAY = 3600.0, 86400.0
AGES = (_HOUR, _DAY, 7 * _DAY, 28 * _DAY)
"""Seconds that parts of all rows were first seen within."""
_SOON = _DAY
"""Seconds within which a row is about to run out."""


class Top:
    """Who has the most rows; of very many the numbers are the least that they have."""

    def __init__(self, most: int = _COUNTED) -> None:
        self._most = most
        self._counts: dict[str, tuple[int, int]] = {}

    def add(self, name: str, *, waits: bool) -> None:
        """Count a row."""
        waiting, passed = self._counts.get(name, (0, 0))
        self._counts[name] = waiting + waits, passed + (not waits)
        if len(self._counts) > self._most:
            self._counts = dict(sorted(self._counts.items(), key=lambda item: -sum(item[1]))[: self._most // 2])

    def told(self, what: str) -> list[dict[str, Any]]:
        """Return those with the most, each with its name as `what`."""
        first = sorted(self._counts.items(), key=lambda item: (-sum(item[1]), item[0]))[:SHOWN]
        return [{what: name, "waiting": waiting, "passed": passed} for name, (waiting, passed) in first]


class Figures:
    """What there is in the greylist."""

    def __init__(self, greylist: Opened, settings: GreylistSettings) -> None:
        self._kind = greylist.kind
        self._settings = settings
        self._now = greylist.now()
        self._counts = Counter[str]()
        self._groups = Counter[str]()
        self._ages = Counter[int]()
        self._networks = {"ipv4": Top(), "ipv6": Top()}
        self._domains = Top()

    def count(self, rows: Iterable[Row]) -> None:
        """Count rows."""
        for row in rows:
            self._count(row)

    def _count(self, row: Row) -> None:
        key, group, record = row
        if self._kind.expires(record) < self._now:
            self._counts["expired"] += 1
        elif record.forgotten:
            self._counts["forgotten"] += 1
        elif is_of_pair(row):
            self._count_live(row)
        else:
            self._counts["earned"] += marks_earned(key, group)

    def _count_live(self, row: Row) -> None:
        key, group, record = row
        waits, now = self._kind.waits(record), self._now
        self._counts["waiting" if waits else "passed"] += 1
        self._counts["ready"] += waits and record.first_seen + self._settings.delay <= now
        self._counts["soon"] += self._kind.expires(record) < now + _SOON
        self._counts["unnamed"] += key.startswith(LOADED)
        kind, _, name = group.partition(":")
        self._groups[kind] += 1
        if kind == "net":
            self._networks["ipv6" if ":" in name else "ipv4"].add(name, waits=waits)
        if sender := sender_of(key)[1:-1]:
            self._domains.add(sender.rpartition("@")[2], waits=waits)
        age = now - record.first_seen
        self._ages[next((number for number, seconds in enumerate(AGES) if age < seconds), len(AGES))] += 1

    def told(self) -> dict[str, Any]:
        """Return the figures; what programs get."""
        counts = self._counts
        return {
            "waiting": counts["waiting"],
            "ready": counts["ready"],
            "passed": counts["passed"],
            "forgotten": counts["forgotten"],
            "expired": counts["expired"],
            "soon": counts["soon"],
            "unnamed": counts["unnamed"],
            "earned": counts["earned"],
            "groups": {kind: self._groups[kind] for kind in ("net", "spf", "rdns")},
            "ages": [{"seconds": seconds, "rows": self._ages[number]} for number, seconds in enumerate((*AGES, None))],
            "networks": {family: top.told("network") for family, top in self._networks.items()},
            "domains": self._domains.told("domain"),
        }
