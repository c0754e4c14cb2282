"""What checks find, what the policy makes of it, and what the client is told."""

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, auto

from milter64.frozen import frozen

Key = tuple[str, str]
"""A finding's check and property, such as ("spf", "smtp.mailfrom"): one question about a transaction."""


@frozen
class Finding:
    """One check's answer to one question.

    `property` and `result` are the words of RFC 8601 for its methods: ("spf", "smtp.helo"), ("spf", "smtp.mailfrom"),
    ("iprev", "policy.iprev"). `reason` is a sentence fragment for people, already clean. `facts` are what else is worth
    knowing, as pairs of a name and a value; a name may occur more than once.
    """

    check: str
    property: str
    result: str
    reason: str = ""
    facts: tuple[tuple[str, str], ...] = ()

    @builtins.property  # the bare name is the field above
    def key(self) -> Key:
        """The question that this finding answers."""
        return self.check, self.property

    def fact(self, name: str) -> str | None:
        """Return the first fact of that name."""
        return next((value for fact, value in self.facts if fact == name), None)


Findings = Mapping[Key, Finding]


class Action(IntEnum):
    """What to do with a recipient; of several the highest counts."""

    ACCEPT = 0
    GREYLIST = 1
    TEMPFAIL = 2
    REJECT = 3


class Need(Enum):
    """What `policy.decide` lacks before it can give a verdict."""

    STANDING = auto()
    DNS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An SMTP reply: code "550", enhanced status code "5.7.23" (RFC 3463), and a text of one line of ASCII."""

    code: str
    status: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.status} {self.text}"
