"""The hosts that share: what each says of itself, and whose clock is wrong where they don't agree.

What others say is strangers' text: a field that is none of ours is left out.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from itertools import islice
from math import isfinite
from pathlib import Path

from milter64.address.frozen_dataclass import frozen
from milter64.mail.clean_text import clean

FAR = 300.0
"""Seconds that a clock may be off: with more, rows would count too early or too late."""
ALIKE = 60.0
"""Seconds within which clocks agree."""
_GONE = 60.0
"""Seconds after which a host that says nothing counts as gone."""
_MOST = 1000
_LONGEST_NAME, _LONGEST_WORD, _LONGEST = 80, 32, 1000
_MACHINE = Path("/etc/machine-id")
_NAMED = 3
"""Clocks that are named where there are many."""
_HIGHEST = 2**53
_REMEDY = "have it set by NTP; `timedatectl` shows whether it is"


@frozen
class Member:
    """A host, as it has said last; times are by the server's clock."""

    host: str
    version: str
    at: float
    """When it said so, in seconds since 1970."""
    offset: float
    """By how many seconds its own time is ahead of the server's."""
    state: str
    """"whole": it has what all others know. "loading": it is about to. "behind": it has too little room for it, or the
    feed is ahead."""
    lag: float
    """Seconds that it is behind the others' news."""
    rows: int
    """What it has told the others in the last minute, of rows, entries of lists, and counts of limits."""
    lists: int
    limits: int
    waiting: int
    """Rows that it has yet to tell."""

    def gone(self, now: float) -> bool:
        """Whether nothing was heard of it for too long, at `now` by the server's clock."""
        return now - self.at > _GONE


def own_name(local_store: str) -> str:
    """Return what the others call this host; services of one host differ by their local stores."""
    try:
        machine = _MACHINE.read_bytes()
    except OSError:
        machine = b""
    told_apart = blake2b(machine + local_store.encode(errors="surrogateescape"), digest_size=2).hexdigest()
    return f"{clean(os.uname().nodename, _LONGEST_NAME - 5)}#{told_apart}"


def dump(member: Member) -> str:
    """Write what a host says of itself; its name is the field's."""
    said = asdict(member)
    del said["host"]
    return json.dumps(said)


def read(said: Mapping[bytes, bytes]) -> list[Member]:
    """Return the hosts by name."""
    found = (_member(name, text) for name, text in islice(said.items(), _MOST))
    return sorted((member for member in found if member), key=lambda member: member.host)


def _member(name: bytes, text: bytes) -> Member | None:
    host = name.decode(errors="replace")
    if not host or len(text) > _LONGEST or clean(host, _LONGEST_NAME) != host:
        return None
    try:
        said = json.loads(text)
        return Member(
            host=host,
            version=clean(said["version"], _LONGEST_WORD),
            at=_number(said["at"]),
            offset=_number(said["offset"]),
            state=clean(said["state"], _LONGEST_WORD),
            lag=_number(said["lag"]),
            rows=_count(said["rows"]),
            lists=_count(said["lists"]),
            limits=_count(said["limits"]),
            waiting=_count(said["waiting"]),
        )
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
        return None


def _number(value: float) -> float:
    if type(value) not in {int, float} or not isfinite(value):
        raise TypeError
    return float(value)


def _count(value: int) -> int:
    if type(value) is not int or not 0 <= value <= _HIGHEST:
        raise TypeError
    return value


def astray(own: str, members: Sequence[Member]) -> str:
    """Return whose clock is wrong, by how much and what helps, and nothing where they agree well enough.

    The server's clock is one of them, and those are right that agree with most others.
    """
    latest = max((member.at for member in members), default=0.0)
    heard = [member for member in members if not member.gone(latest)]
    if all(abs(member.offset) <= FAR for member in heard):
        return ""
    clocks = {"the server": 0.0} | {"this host" if each.host == own else each.host: each.offset for each in heard}
    right = _agreeing(clocks)
    others = {name: at for name, at in clocks.items() if name not in right}
    if len(_agreeing(others)) == len(right):
        told = _told([_apart(name, at, ["the server"]) for name, at in clocks.items() if abs(at) > ALIKE], "; ")
        return f"{told}; there are too few clocks to tell which is wrong: {_REMEDY}"
    middle = sum(clocks[name] for name in right) / len(right)
    return f"{_told([_apart(name, at - middle, right) for name, at in others.items()], '; ')}: {_REMEDY}"


def _agreeing(clocks: Mapping[str, float]) -> list[str]:
    """Return the most clocks that agree with one of them."""
    groups = ([name for name, at in clocks.items() if abs(at - one) <= ALIKE] for one in clocks.values())
    return max(groups, key=len, default=[])


def _apart(name: str, by: float, others: Sequence[str]) -> str:
    return f"the clock of {name} is {abs(by):.0f} s {'ahead of' if by > 0 else 'behind'} that of {_told(others, ', ')}"


def _told(words: Sequence[str], separator: str) -> str:
    more = len(words) - _NAMED
    return separator.join([*words[:_NAMED], *([f"{more} more"] if more > 0 else [])])
