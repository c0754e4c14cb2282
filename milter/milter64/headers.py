"""The fields that are added to a message.

Authentication-Results is RFC 8601's, Received-SPF that of RFC 7208 9.1. What strangers chose stands in them as a token,
an address or a quoted string. In a comment, which is for people, it loses the characters that mean something outside of
comments: some readers of these fields are regular expressions.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from milter64.address import Client
from milter64.session import Envelope, split
from milter64.text import clean
from milter64.verdict import Finding, Key

AUTHENTICATION_RESULTS = "Authentication-Results"
RECEIVED_SPF = "Received-SPF"

_REMEMBERED = 1024
"""Parts of fields that are kept ready: findings are remembered too, and come back."""

_MAILFROM, _HELO, _IPREV = ("spf", "smtp.mailfrom"), ("spf", "smtp.helo"), ("iprev", "policy.iprev")
_FIELDS: tuple[tuple[Key, ...], ...] = ((_HELO,), (_MAILFROM, _IPREV))
"""What stands in each Authentication-Results field, from the top: what has a name in IANA's registry of email
authentication methods, and no more (RFC 8601 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [headers]: which fields are added. Where none is, none is deleted either."""

    authentication_results: bool = True
    received_spf: bool = False

    @property
    def any(self) -> bool:
        """Whether any field is added."""
        return self.authentication_results or self.received_spf


def authentication_results(authserv_id: str, envelope: Envelope, findings: Iterable[Finding]) -> tuple[str, ...]:
    r"""Return the values of a message's Authentication-Results fields, the uppermost first, folded with "\n ".

    What SPF says about HELO has a field of its own, above: of a field with two results of SPF, some readers take the
    last for the sender's. The last comment tells the client's address, the one on the wire where it is another, and its
    origin. A message of which nothing was judged gets "none".
    """
    known = {finding.key: finding for finding in findings}
    told = [[known[key] for key in keys if key in known] for keys in _FIELDS]
    fields = [[_resinfo(each, _property(each, envelope)) for each in one] for one in told if one] or [["none"]]
    name = _word(authserv_id, _TOKEN)
    values = [";\n ".join(map(_fold, (name, *field))) for field in fields]
    values[-1] += f"\n {_fold(_comment(*_who(envelope.session.client)))}"
    return tuple(values)


def received_spf(envelope: Envelope, findings: Mapping[Key, Finding], receiver: str) -> tuple[str, ...]:
    r"""Return the values of a message's Received-SPF fields, the uppermost first, folded with "\n ".

    `receiver` is the host name of the mail server.
    """
    return tuple(_received_spf(envelope, findings[key], receiver) for key in (_HELO, _MAILFROM) if key in findings)


def _received_spf(envelope: Envelope, finding: Finding, receiver: str) -> str:
    session = envelope.session
    pairs = {
        "client-ip": session.client.address,
        "envelope-from": envelope.sender or "<>",
        "helo": session.helo,
        "receiver": receiver,
        "identity": finding.property.removeprefix("smtp."),
        "mechanism": finding.fact("mechanism") or "default",
        "problem": finding.reason if finding.result in ("temperror", "permerror") else "",
    }
    comment = _comment(f"{receiver}: {finding.reason or finding.result}", *_who(session.client))
    listed = "; ".join(f"{key}={_word(value, _DOT_ATOM)}" for key, value in pairs.items() if value)
    return "\n ".join((finding.result, _fold(comment), _fold(listed)))


@lru_cache(_REMEMBERED)
def _resinfo(finding: Finding, value: str) -> str:
    """Return a method, its result, and what it was found about (RFC 8601 2.2)."""
    result = f"{finding.check}={finding.result}"
    if finding.reason:
        result += f" {_comment(finding.reason)}"
    if value:
        result += f" {finding.property}={_word(value, _PVALUE)}"
    return result


def _property(finding: Finding, envelope: Envelope) -> str:
    """Return what a finding is about: of a sender the domain alone, which is all that DMARC aligns (RFC 7489 3.1.2)."""
    match finding.property:
        case "smtp.mailfrom":
            return split(envelope.identity)[1]
        case "smtp.helo":
            return envelope.session.helo or ""
        case _:
            return envelope.session.client.address


def _who(client: Client) -> tuple[str, ...]:
    """Return who calls, in words for a comment."""
    if not client.wire:
        return ("client unknown",)
    address = f"client {client.address}" if client.origin.identifies else ""
    wire = "" if address and client.wire == client.address else f"wire {client.wire}"
    return address, wire, client.origin.value, "private" if client.private else ""


_ATOM = r"[!#$%&'*+/0-9=?A-Z^_`a-z{|}~-]+"
_LABEL = r"[0-9A-Za-z](?:[0-9A-Za-z-]*[0-9A-Za-z])?"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_TOKEN = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+")
"""RFC 2045 5.1."""
_PVALUE = re.compile(
    rf'{_TOKEN.pattern}|(?:{_DOT_ATOM.pattern}|"(?:[^"\\]|\\.)*")@{_LABEL}(?:\.{_LABEL})*',
)
"""A token, or an address; the RFC's domain-name is among the tokens."""
_BLUNT = str.maketrans('();="\\', "[],:'/")
_LONGEST_LINE = 77
_FOLD = re.compile(rf"(.{{1,{_LONGEST_LINE}}}|\S+)(?: |$)")


def _word(text: str, bare: re.Pattern[str]) -> str:
    """Return a text as it is if it may stand bare, else as a quoted string."""
    text = clean(text)
    if bare.fullmatch(text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


@lru_cache(_REMEMBERED)
def _comment(*parts: str) -> str:
    return f"({', '.join(clean(part) for part in parts if part).translate(_BLUNT)})"


def _fold(line: str) -> str:
    """Break a line at blanks, so that with the one before each piece has 78 characters (RFC 5322 2.1.1)."""
    return line if len(line) <= _LONGEST_LINE else "\n ".join(_FOLD.findall(line))
