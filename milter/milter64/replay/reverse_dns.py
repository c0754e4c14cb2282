"""What Postfix's own look at a client's name says of it, where DNS isn't asked."""

from milter64.address.client import Origin
from milter64.checks import iprev
from milter64.mail.action import Action
from milter64.mail.finding import Finding

_NOBODY = b"unknown"
"""What Postfix calls a client whose address has no name that leads back to it."""
_BY_LOOKUP = frozenset({Origin.IPV4, Origin.IPV6, Origin.MAPPED})
"""The origins of clients whose address on the wire, which Postfix has looked up, is their own."""


def by_postfix(settings: iprev.Settings, name: bytes, origin: Origin) -> Finding:
    """Return what a name says that Postfix has found: nothing where it looked up a translator's address."""
    if origin not in _BY_LOOKUP or not name:
        return _finding("unknown", "the log doesn't tell")
    if name != _NOBODY:
        text = name.decode(errors="replace")
        return _finding("pass", text, ("name", text))
    return _finding(mildest(settings, origin), "Postfix has found no name")


def mildest(settings: iprev.Settings, origin: Origin) -> str:
    """Return which result, of those that Postfix calls "unknown", leads to the least."""
    special = settings.ipv6_actions if origin is Origin.IPV6 else None
    actions = settings.actions if special is None else special
    return min(("fail", "permerror", "temperror"), key=lambda result: actions.get(result, Action.ACCEPT))


def _finding(result: str, reason: str, *facts: tuple[str, str]) -> Finding:
    return Finding(check=iprev.NAME, property=iprev.PROPERTY, result=result, reason=reason, facts=facts)
