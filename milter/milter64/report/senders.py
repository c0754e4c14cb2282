"""Who is refused, or would be, each with what speaks for him."""

from dataclasses import dataclass, field
from typing import TypeVar

from milter64.report.outcome import Mail, Shape
from milter64.report.signs import Sign, honest, signs

One = TypeVar("One")
_ROOM = 2_000
_MANY = 16
"""How far different recipients, senders' domains and days are counted."""
_STEADY = 3
"""Days, or recipients, that make a sender one who comes steadily."""


@dataclass(slots=True, kw_only=True)
class Sender:
    """Somebody who is refused: by his domain where SPF proves it, or else by his client's address."""

    who: str
    count: int = 0
    observed: int = 0
    """How often of that it was in observe mode."""
    signs: Sign = Sign.NONE
    whys: dict[str, int] = field(default_factory=dict)
    days: set[int] = field(default_factory=set)
    recipients: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)

    def add(self, at: float, shape: Shape, mail: Mail, known: Sign) -> None:
        """Count a line, of a time in seconds since 1970."""
        self.count += 1
        self.observed += bool(shape.observed)
        # What speaks for him must be so each time, or anybody could borrow it; what he looks like, or speaks against
        # him, may be so once.
        self.signs = known if self.count == 1 else (self.signs & known) | ((self.signs | known) & _ONCE)
        _note(self.days, int(at // 86400))
        _note(self.recipients, mail.recipients)
        _note(self.domains, mail.sender.rpartition("@")[2])
        if shape.why in self.whys or len(self.whys) < _MANY:
            self.whys[shape.why] = self.whys.get(shape.why, 0) + 1

    @property
    def honest(self) -> bool:
        """Whether he looks honest."""
        return honest(self.signs, steady=self.steady, forwards=len(self.domains) > 1)

    @property
    def steady(self) -> bool:
        """Whether he came on many days, or to many recipients."""
        return len(self.days) >= _STEADY or len(self.recipients) >= _STEADY

    @property
    def why(self) -> str:
        """What led to it most often."""
        return max(self.whys, key=self.whys.__getitem__, default="")


_ONCE = Sign.LIST | Sign.FORWARDER | Sign.OWN_HOST | Sign.LISTED | Sign.BLOCKED | Sign.NOBODY


def _note(some: set[One], one: One) -> None:
    if len(some) < _MANY:
        some.add(one)


class Senders:
    """Those who may be honest, and are refused most often; once there is no room, the rarer half goes.

    Of those of whom nothing is proven, who are nearly all, none is to be added.
    """

    def __init__(self) -> None:
        self._known: dict[str, Sender] = {}
        self.dropped = 0

    def add(self, at: float, shape: Shape, mail: Mail, known: Sign) -> None:
        """Count a refusal of a sender at a time, in seconds since 1970; his findings say what is `known` of him."""
        domain = mail.sender.rpartition("@")[2]
        who = f"@{domain}" if Sign.SPF in known and domain else mail.client
        sender = self._known.get(who)
        if sender is None:
            sender = self._known[who] = Sender(who=who)
            if len(self._known) > _ROOM:
                before = self._known.values()
                self._known = {each.who: each for each in (*self.most(_ROOM // 2), sender)}
                self.dropped += sum(each.count for each in before if each.who not in self._known)
        sender.add(at, shape, mail, signs(known, mail))

    def most(self, number: int) -> list[Sender]:
        """Return those with the most."""
        return sorted(self._known.values(), key=lambda sender: -sender.count)[:number]

    def honest(self) -> list[Sender]:
        """Return those that look honest, those with the most first."""
        return [sender for sender in self.most(len(self._known)) if sender.honest]
