"""iprev: does a name of the client's address lead back to it (RFC 8601 2.7.3)?

The names are those of the decoded address, in its own tree: an IPv4 client behind a translator is looked up in
in-addr.arpa, whatever its address on the wire.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from milter64.address.client import Client
from milter64.dns.lookup import Asking, Lookup
from milter64.dns.unanswered import Unanswered
from milter64.mail.action import Action
from milter64.mail.clean_text import clean
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope

NAME = "iprev"
PROPERTY = "policy.iprev"
MOST_NAMES = 10
"""PTR records that are followed; RFC 8601 7.4 warns of zones that hold any number. RFC 7208 4.6.4 has the figure."""
_SOON = 60
"""Seconds for which names are good where DNS gave no answer about one more, which may lead back too."""


def _default_actions() -> Mapping[str, Action]:
    return dict.fromkeys(("fail", "permerror", "temperror"), Action.GREYLIST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The section `[iprev]`. `ipv6_actions`, where given, replaces `actions` for native IPv6 clients."""

    enabled: bool = True
    actions: Mapping[str, Action] = field(default_factory=_default_actions)
    ipv6_actions: Mapping[str, Action] | None = None


def iprev(envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
    """Return `pass`, `fail`, `permerror` (no PTR record) or `temperror`.

    Facts: each confirmed name as "name", in an order of ours, as resolvers shuffle them, and as "unheard" one that DNS
    gave no answer about; or else each name that was tried as "ptr"; for temperror, as "aside", the nameserver that gave
    no answer.
    """
    client = envelope.session.client
    try:
        found = yield from lookup.ask(reverse_name(client.packed), "PTR")
    except Unanswered as error:
        return _finding("temperror", f"PTR record of {client.address}: {error}", ("aside", error.server))
    names: list[str] = sorted(found.values, key=str.lower)[:MOST_NAMES]
    if not names:
        return _finding("permerror", f"no PTR record for {client.address}")
    confirmed, failure = yield from _confirmed(names, client, lookup)
    if confirmed:
        named = [("name", name) for name in confirmed]
        if not failure:
            return _finding("pass", confirmed[0], *named)
        name, why, _ = failure
        return _finding("pass", f"{confirmed[0]}; {name}: {why}", *named, ("unheard", name))
    facts = [("ptr", clean(name)) for name in names]
    if failure:
        name, why, server = failure
        return _finding("temperror", f"{name}: {why}", *facts, ("aside", server))
    more = f" and {len(names) - 1} more do" if len(names) > 1 else " does"
    return _finding("fail", f"{clean(names[0])}{more} not lead back to {client.address}", *facts)


_Failure = tuple[str, str, str]
"""A name that DNS gave no answer about, why, and the nameserver."""


def _confirmed(names: Sequence[str], client: Client, lookup: Lookup) -> Asking[tuple[list[str], _Failure | None]]:
    """Return those names that lead back to a client, and the first that DNS gave no answer about."""
    confirmed: list[str] = []
    failure: _Failure | None = None
    for name in names:
        try:
            answer = yield from lookup.ask(name, address_type(client.packed))
        except Unanswered as error:
            failure = failure or (clean(name), str(error), error.server)
        else:
            if client.address in answer.values:
                confirmed.append(clean(name))
        if confirmed and failure:  # one name is enough: nobody has to wait for more
            lookup.ttl = min(lookup.ttl or 0, _SOON)
            break
    return confirmed, failure


def _finding(result: str, reason: str, *facts: tuple[str, str]) -> Finding:
    return Finding(
        check=NAME, property=PROPERTY, result=result, reason=reason, facts=tuple(fact for fact in facts if fact[1])
    )


def reverse_name(packed: bytes) -> str:
    """Return the owner of the PTR records of an address of 4 or 16 bytes (RFC 1035 3.5, RFC 3596 2.5)."""
    return f"{reversed_text(packed)}.{'in-addr' if len(packed) == 4 else 'ip6'}.arpa"  # noqa: PLR2004  an IPv4 address


def reversed_text(packed: bytes) -> str:
    """Return the labels of an address in a name: its numbers, or its nibbles, the last first."""
    return ".".join(map(str, reversed(packed)) if len(packed) == 4 else reversed(packed.hex()))  # noqa: PLR2004  as above


def address_type(packed: bytes) -> str:
    """Return the type of the records that hold addresses of the same family."""
    return "A" if len(packed) == 4 else "AAAA"  # noqa: PLR2004  an IPv4 address's length
