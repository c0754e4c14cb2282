"""What the admin's lists say of a transaction."""

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Protocol

from milter64.address.client import Client
from milter64.address.frozen_dataclass import frozen
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope
from milter64.mail.spares import Spares

BLOCK, ALLOW = "block", "allow"
"""The check of a match, and the list that it is in."""
KINDS = ("network", "name", "domain", "sender", "recipient")
"""What an entry may name: the property of its findings."""
LISTED = "listed"
"""The result of a match in the block list."""
SPARED: Mapping[str, Spares] = {
    "greylist": Spares.GREYLIST | Spares.RATE,
    "spf": Spares.SPF | Spares.RATE,
    "all": Spares.ALL,
}
"""The results of a match in the allow list: what its entry spares. Who is allowed has no limits."""

_NO_SPARES: Mapping[Key, Spares] = MappingProxyType({})


@frozen
class Listed:
    """Matches so far, and the open questions by which there may be more.

    `may_block` are those whose answers may bring a match in the block list; `may_spare` has, for those that may bring
    one in the allow list, what it would spare. One to which DNS gave no answer is open, too.
    """

    findings: tuple[Finding, ...] = ()
    may_block: frozenset[Key] = frozenset()
    may_spare: Mapping[Key, Spares] = field(default_factory=lambda: _NO_SPARES)

    def beside(self, other: "Listed") -> "Listed":
        """Return this with the matches of another, which has no open questions."""
        return Listed(findings=(*self.findings, *other.findings), may_block=self.may_block, may_spare=self.may_spare)


NOT_LISTED = Listed()


class Lists(Protocol):
    """The lists in force; every thread may call everything."""

    edition: int
    """Another one whenever what is in force has changed, be it that an entry has run out."""

    def of_sender(self, envelope: Envelope, known: Findings) -> Listed:
        """Return what the lists say of a client and a sender; of the findings in `known` those count that prove it."""

    def of_client(self, client: Client) -> Listed:
        """Return what they say of a client's addresses alone."""

    def of_recipient(self, recipient: str) -> Listed:
        """Return what they say of a recipient."""


class _NoLists:
    """Where there is nothing in them."""

    edition = 0

    def of_sender(self, _envelope: Envelope, _known: Findings) -> Listed:
        """Return that there is nothing."""
        return NOT_LISTED

    def of_client(self, _client: Client) -> Listed:
        """Return that there is nothing."""
        return NOT_LISTED

    def of_recipient(self, _recipient: str) -> Listed:
        """Return that there is nothing."""
        return NOT_LISTED


NO_LISTS: Lists = _NoLists()
