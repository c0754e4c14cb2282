"""The tables [[dnslist]]: which DNS lists are asked, about what, which answers count, and how a list is called.

A zone's name may hold a key, by which its operator knows who asks. So a list has a name of its own, and that
alone is shown.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from milter64.address.networks import pack, parse_network
from milter64.dns.public_suffixes import registered_domain
from milter64.mail.action import Action
from milter64.mail.finding import Key
from milter64.mail.idna_domain import ascii_domain

BLOCKING, ACCEPTING = "dnsbl", "dnswl"
"""The checks of lists: RFC 8904 has the name of the second."""
LISTED, PASS = "listed", "pass"
"""What they find of whom a list has."""
RESULTS = frozenset({"none", "temperror", "permerror"})
"""What else they may find."""

About = Literal["client", "sender", "helo", "name"]
"""What a list is asked about: the client's address, or the domain of MAIL FROM, of HELO, or the confirmed name."""
PROVEN: frozenset[About] = frozenset({"client", "name"})
"""What nobody can claim without being it."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ZONE = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_LONGEST_ZONE = 253 - 64
"""Characters: an IPv6 address stands before it (RFC 5782 2.4)."""
_LIKE_KEY, _KEY = re.compile(r"(?=.*[0-9]).{8,}|.{16,}"), re.compile(r"(?=.*[0-9]).{16,}|.{24,}")
"""A label that may be one: it is long, or shorter and has a digit; and one that is hardly anything else."""
_ALL, _ERRORS = "127.0.0.0/8", "127.255.255.0/24"


class Zone:
    """The zone of a list, `text`; whoever prints this object prints no key."""

    def __init__(self, text: str) -> None:
        """Read a zone's name; without final dot, in lower case.

        Raises:
            ValueError: it is none; what it says instead is not told, as there may be a key in it.
        """
        self.text = ascii_domain(text)
        if not _ZONE.fullmatch(self.text) or len(self.text) > _LONGEST_ZONE:
            raise ValueError(f"not the name of a zone, of two labels or more, {_LONGEST_ZONE} characters at most")

    @property
    def public(self) -> str:
        """The name without what looks like a key; in the registered domain that is what hardly is anything else."""
        registered = registered_domain(self.text)
        before = self.text.removesuffix(registered).split(".")
        shown = [label for label in before if label and not _LIKE_KEY.fullmatch(label)]
        return ".".join([*shown, *(label for label in registered.split(".") if label not in self.keys)])

    @property
    def keys(self) -> frozenset[str]:
        """The labels that are hardly anything but a key."""
        return frozenset(filter(_KEY.fullmatch, self.text.split(".")[:-1]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Zone) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Zone of {self.public}"


class Answers:
    """Addresses of 127.0.0.0/8 that count as answers, `text` as it is written."""

    def __init__(self, text: str) -> None:
        """Read "127.0.0.2", "127.0.0.2-11" or "127.0.1.0/24".

        Raises:
            ValueError: it is none of these, or lies elsewhere.
        """
        self.text = text
        first, dash, last = text.partition("-")
        if dash:
            self._first = _number(first)
            self._last = _number(f"{first.rpartition('.')[0]}.{last}")
        else:
            network = parse_network(text)
            self._first, self._last = int(network.first), int(network.last)
        if ":" in text or not 0x7F000000 <= self._first <= self._last <= 0x7FFFFFFF:  # noqa: PLR2004  127.0.0.0/8
            raise ValueError("no answers of 127.0.0.0/8")

    def __contains__(self, address: str) -> bool:
        """Whether an IPv4 address is one of them."""
        return self._first <= _number(address) <= self._last

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answers) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Answers({self.text!r})"


def _number(address: str) -> int:
    return int.from_bytes(pack(address))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One table [[dnslist]].

    Of the A records of an answer those in `answers` count. `action` is for whom it lists; to accept spares him the
    greylist. In `text`, for those who are refused, {address} stands for what is listed.
    """

    zone: Zone | None = field(default=None, metadata={"secret": True})
    name: str = ""
    answers: tuple[Answers, ...] = (Answers(_ALL),)
    action: Action = Action.REJECT
    about: tuple[About, ...] = ("client",)
    text: str = ""

    @property
    def shown(self) -> str:
        """What the list is called wherever anybody reads of it."""
        return self.name or (self.zone.public if self.zone else "")

    @property
    def check(self) -> str:
        """The check that asks it."""
        return ACCEPTING if self.action is Action.ACCEPT else BLOCKING

    @property
    def positive(self) -> str:
        """The result that says that it lists somebody."""
        return PASS if self.action is Action.ACCEPT else LISTED

    def key(self, about: About) -> Key:
        """Return the question that it answers about something."""
        return self.check, self.shown if about == "client" else f"{self.shown}/{about}"

    def counting(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Return the A records that count."""
        return tuple(value for value in values if any(value in answers for answers in self.answers))


_REFUSALS = {
    "127.255.255.252": "the zone's name is mistyped",
    "127.255.255.254": "it wants no questions through this resolver",
    "127.255.255.255": "it was asked too much",
}
"""Spamhaus's words, which others use too."""


def wrong_answer(values: tuple[str, ...]) -> str:
    """Say what is wrong with A records of which no list that works gives any, "" if nothing is."""
    for value in values:
        if value in _REFUSED:
            return f"it answers {value}: {_REFUSALS.get(value, 'it refuses us')}"
        if value == "127.0.0.1" or value not in _LISTING:
            return f"it answers {value}, as no list does"
    return ""


_REFUSED, _LISTING = Answers(_ERRORS), Answers(_ALL)
