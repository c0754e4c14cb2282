"""Limits as configured: how often which network may come."""

from collections.abc import Mapping
from dataclasses import dataclass, field

RATE = "rate"
"""The check of findings that a limit is used up."""
SESSIONS, RECIPIENTS, REFUSED = KINDS = ("sessions", "recipients", "refused_recipients")
LEVELS: Mapping[str, tuple[int, int]] = {
    "ipv4/32": (4, 32),
    "ipv4/24": (4, 24),
    "ipv6/128": (16, 128),
    "ipv6/64": (16, 64),
    "ipv6/56": (16, 56),
    "ipv6/48": (16, 48),
    "ipv6/32": (16, 32),
}
"""The networks that a client may be counted by, each with the octets of an address, and the prefix length.

A limit's number is its kind's and its level's place: counters go by it that outlive reloads.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many in so many seconds; all of them may come at once. `text` is what was written, such as "60/1h"."""

    count: int
    seconds: float
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [rate]: how much a network may have, by level.

    `exact`: whether hosts that share a store are asked for each of it.
    """

    sessions: Mapping[str, Rate] = field(default_factory=dict)
    recipients: Mapping[str, Rate] = field(default_factory=dict)
    refused_recipients: Mapping[str, Rate] = field(default_factory=dict)
    exact: bool = False

    @property
    def limits(self) -> Mapping[str, Mapping[str, Rate]]:
        """The limits of each kind."""
        return {SESSIONS: self.sessions, RECIPIENTS: self.recipients, REFUSED: self.refused_recipients}

    def __bool__(self) -> bool:
        return any(self.limits.values())
