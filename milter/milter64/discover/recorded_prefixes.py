"""The service's own records: the prefixes that clients came from, and what it goes by at present.

They are a small file beside the greylist. Each worker keeps what it has seen itself, and now and then unites it with
what the file has. Two that write at once may lose what the other has added; it is added again with the next writing.
"""

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from milter64.address.client import Origin
from milter64.address.networks import pack, unpack
from milter64.address.translation_prefix import Prefix
from milter64.store.store_url import parse

KEPT = 36 * 86400.0
"""Seconds after which a prefix that nobody has come from any more is forgotten."""
CLIENTS = 100
"""Addresses that are kept of a prefix, and"""
PREFIXES = 32
"""prefixes that are kept."""
_MODE = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Clients that came from inside a prefix.

    `origin` is what they were taken for: `translated`, `undecoded`, or `ipv6`, where the prefix only looks like a
    translator's. `clients` are addresses on the wire, `CLIENTS` at most. `latest` is when the last came, in seconds
    since 1970.
    """

    prefix: str
    origin: Origin
    clients: frozenset[str]
    latest: float

    def __or__(self, other: "Sighting") -> "Sighting":
        """Return both as one; the later one says the origin."""
        later = max(self, other, key=lambda sighting: sighting.latest)
        clients = self.clients | other.clients
        if len(clients) > CLIENTS:
            clients = frozenset(sorted(clients)[:CLIENTS])
        return Sighting(prefix=self.prefix, origin=later.origin, clients=clients, latest=later.latest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the service that `began` at a time has found out, and goes by.

    `dns64` has the AAAA records of ipv4only.arpa, by the nameserver that invents them; `masked` the addresses of
    gateways that hide their clients, `shared` those from which so many speak that they may be such.
    """

    began: float = 0.0
    dns64: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    masked: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()


_NOTHING = Learned()


def place(store: str) -> Path | None:
    """Return the file that belongs to a store's URL, beside it; None for a store that is no file."""
    path = parse(store)
    return path and path.with_name(f"{path.name}.network.json")


def read(path: Path) -> dict[str, Sighting]:
    """Return what a file has, by prefix; nothing of one that isn't there or has something else in it.

    Raises:
        OSError: it is there and can't be read.
    """
    with suppress(FileNotFoundError, *_OTHERWISE):
        rows = json.loads(path.read_bytes())["prefixes"]
        return {Prefix(text).text: _sighting(Prefix(text).text, row) for text, row in rows.items()}
    return {}


def learned(path: Path) -> Learned:
    """Return what the service has learned, as `read` does."""
    with suppress(FileNotFoundError, *_OTHERWISE):
        row = json.loads(path.read_bytes())["learned"]
        return Learned(
            began=float(row["began"]),
            dns64={server: tuple(map(_address, addresses)) for server, addresses in row["dns64"].items()},
            masked=frozenset(map(_address, row["masked"])),
            shared=frozenset(map(_address, row.get("shared", ()))),
        )
    return _NOTHING


_OTHERWISE = (ValueError, TypeError, KeyError, AttributeError)
"""What comes of reading something else."""


def _address(text: str) -> str:
    return unpack(pack(text))


def _sighting(prefix: str, row: Mapping[str, object]) -> Sighting:
    clients, latest = row["clients"], row["latest"]
    if not (isinstance(clients, list) and clients):
        raise TypeError("a list of clients is missing")
    if not isinstance(latest, (int, float)):
        raise TypeError("a time is a number")
    addresses = frozenset(_address(str(client)) for client in clients)
    return Sighting(prefix=prefix, origin=Origin(str(row["origin"])), clients=addresses, latest=latest)


def unite(*some: Iterable[Sighting], now: float) -> dict[str, Sighting]:
    """Return sightings by prefix, the latest ones, none older than `KEPT`.

    Of those that only look like a translator's, which anybody can have us see, there are as many as the others leave.
    """
    united: dict[str, Sighting] = {}
    for sighting in (each for sightings in some for each in sightings if each.latest > now - KEPT):
        before = united.get(sighting.prefix)
        united[sighting.prefix] = before | sighting if before else sighting
    latest = sorted(united.values(), key=lambda sighting: (sighting.origin is Origin.IPV6, -sighting.latest))[:PREFIXES]
    return {sighting.prefix: sighting for sighting in latest}


def write(path: Path, sightings: Iterable[Sighting], now_learned: Learned = _NOTHING) -> None:
    """Unite sightings with what the file has, and put that in its place in one step.

    What was learned replaces what the file has, unless that is of a service that began later.

    Raises:
        OSError: it can't be written.
    """
    before = learned(path)
    later = now_learned.began < before.began <= time.time()
    united = unite(read(path).values(), sightings, now=time.time())
    rows = {
        each.prefix: {"origin": each.origin.value, "clients": sorted(each.clients), "latest": round(each.latest)}
        for each in united.values()
    }
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        with open(descriptor, "w") as file:  # noqa: PTH123  a descriptor, and no path
            json.dump({"prefixes": rows, "learned": _row(before if later else now_learned)}, file, indent=1)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _row(each: Learned) -> Mapping[str, object]:
    return {"began": each.began, "dns64": each.dns64, "masked": sorted(each.masked), "shared": sorted(each.shared)}
