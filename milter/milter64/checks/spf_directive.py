"""A directive of an SPF record (RFC 7208 4.6.1), and what its match says about a client."""

import re
from typing import NamedTuple

_WIDEST = {"in-addr": 16, "ip6": 32}
"""The shortest prefix that a domain may call its own hosts' by, for each family."""
_OF_CLIENT = re.compile(r"%\{[ipc]", re.IGNORECASE)
"""A macro that tells one client from another (RFC 7208 7.2)."""


class Directive(NamedTuple):
    """A directive in the record of `owner`; `prefix` is for the client's family, `result` what the qualifier means."""

    term: str
    mechanism: str
    argument: str
    prefix: int
    result: str
    owner: str

    def broad(self, family: str) -> str:
        """Return why those whom it lets pass need have nothing in common, or "" if they have.

        `family` is "in-addr" or "ip6". "all" is whatever lets nearly all the world pass, such as ip4:0.0.0.0/0, or
        exists:example.org.
        """
        widest = _WIDEST[family]
        if self.mechanism == "exists" and not _OF_CLIENT.search(self.argument):
            return "all"
        if self.mechanism in {"all", "exists", "ptr"}:
            return self.mechanism
        if 2 * self.prefix < widest:
            return "all"
        return f"wider than /{widest}" if self.prefix < widest else ""
