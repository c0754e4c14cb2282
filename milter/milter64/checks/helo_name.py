"""helo: is the HELO name well formed, not ours, and does it lead to the client?

`local` says what can be said without DNS, `forward` the rest.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from milter64.address.networks import pack
from milter64.checks.iprev import address_type
from milter64.dns.lookup import Asking, Lookup
from milter64.dns.unanswered import Unanswered
from milter64.mail.action import Action
from milter64.mail.clean_text import clean
from milter64.mail.finding import Finding
from milter64.mail.idna_domain import ascii_domain
from milter64.mail.session import Envelope

NAME = "helo"
PROPERTY = "smtp.helo"

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}", re.IGNORECASE | re.ASCII)
"""A domain of RFC 5321 4.1.2, of a length that DNS can hold; hosts with an underscore do send mail."""
_LITERAL = re.compile(r"\[(?:(?P<ipv6>IPv6:.*:.*)|(?P<ipv4>[\d.]+))]", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The section `[helo]`."""

    actions: Mapping[str, Action] = field(default_factory=dict)


def local(envelope: Envelope, own_names: frozenset[str]) -> Finding | None:
    """Return `own-name`, `malformed` or `literal`; None for a name that DNS has to be asked about.

    `own_names` are in lower case; the mail server's own {j} is always one of them.
    """
    session = envelope.session
    if not session.helo:
        return _finding("malformed", "no HELO or EHLO was given")
    name = ascii_domain(session.helo)
    if name and (name in own_names or name == ascii_domain(session.mta)):
        return _finding("own-name", f"{clean(session.helo)} is this server's own name")
    if session.helo.startswith("["):
        if _is_literal(session.helo):
            return _finding("literal", f"{clean(session.helo)} is an address literal")
        return _finding("malformed", f"{clean(session.helo)} is not a valid address literal")
    if defect := _defect(session.helo):
        return _finding("malformed", f"{clean(session.helo)} is {defect}")
    return None


def forward(envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
    """Return `pass` if the HELO name has the client's decoded address, `fail` or `temperror`."""
    client, helo = envelope.session.client, envelope.session.helo or ""
    try:
        addresses = (yield from lookup.ask(helo, address_type(client.packed))).values
    except Unanswered as error:
        return _finding("temperror", f"{clean(helo)}: {error}", ("aside", error.server))
    if client.address in addresses:
        return _finding("pass", f"{clean(helo)} leads to {client.address}")
    return _finding("fail", f"{clean(helo)} does not lead to {client.address}")


def _finding(result: str, reason: str, *facts: tuple[str, str]) -> Finding:
    return Finding(
        check=NAME, property=PROPERTY, result=result, reason=reason, facts=tuple(fact for fact in facts if fact[1])
    )


def _is_literal(helo: str) -> bool:
    """Whether it is the literal of an IPv4 or IPv6 address (RFC 5321 4.1.3)."""
    if (literal := _LITERAL.fullmatch(helo)) is None:
        return False
    return _is_address(literal["ipv4"] or literal["ipv6"][len("IPv6:") :])


def _is_address(text: str) -> bool:
    try:
        pack(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)  # names come back
def _defect(helo: str) -> str:
    """Say what keeps it from being a fully qualified domain name (RFC 5321 4.1.2, 2.3.5); nothing if it is one."""
    if not _NAME.fullmatch(helo):
        return "an address, and not a name" if _is_address(helo) else "not a valid domain name"
    return "" if "." in helo else "not a fully qualified name"
