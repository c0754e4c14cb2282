"""What a check has found."""

import builtins
from collections.abc import Mapping

from milter64.address.frozen_dataclass import frozen

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
