"""The fields that are added to a message, and which of a stranger's are deleted.

Authentication-Results is RFC 8601's, Received-SPF that of RFC 7208 9.1. What strangers chose stands in them as a token,
an address or a quoted string. In a comment, which is for people, it loses the characters that mean something outside of
comments: some readers of these fields are regular expressions.

A stranger's Received-SPF is left alone: no RFC has it deleted, and ours stands above it (RFC 7208 9.1).
"""

import re
from collections.abc import Iterable
from contextlib import suppress
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

_METHODS: tuple[Key, ...] = (("spf", "smtp.mailfrom"), ("spf", "smtp.helo"), ("iprev", "policy.iprev"))
"""What has a name in IANA's registry of email authentication methods; a header must not show more (RFC 8601 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [headers]: which fields are added. Without Authentication-Results, none is deleted either."""

    authentication_results: bool = True
    received_spf: bool = False


def authentication_results(authserv_id: str, envelope: Envelope, findings: Iterable[Finding]) -> str:
    r"""Return the value of a message's Authentication-Results field, folded with "\n ".

    The last comment tells the client's address, the one on the wire where it is another, and its origin. A message of
    which nothing was judged gets "none".
    """
    known = {finding.key: finding for finding in findings}
    told = [known[key] for key in _METHODS if key in known]
    results = [_resinfo(finding, _property(finding, envelope)) for finding in told] or ["none"]
    *closed, last = _word(authserv_id, _TOKEN), *results
    lines = [*(f"{line};" for line in closed), last, _comment(*_who(envelope.session.client))]
    return "\n ".join(map(_fold, lines))


def received_spf(envelope: Envelope, finding: Finding, receiver: str) -> str:
    r"""Return the value of a Received-SPF field for one of SPF's findings, folded with "\n ".

    `receiver` is the host name of the mail server.
    """
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
    """Return what a finding is about; no more of a sender than SPF has looked at (RFC 8601 2.7.2)."""
    match finding.property:
        case "smtp.mailfrom":
            local, domain = split(envelope.identity)
            return f"{local}@{domain}" if finding.fact("local-part") else domain
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


def is_authentication_results(name: str) -> bool:
    """Whether a field's name is that of Authentication-Results; a blank may stand before the colon (RFC 5322 4.5)."""
    return name.rstrip(" \t").lower() == AUTHENTICATION_RESULTS.lower()


def is_forged(value: str, authserv_id: str) -> bool:
    """Whether an Authentication-Results field from outside must go: it bears our id, or another version than 1.

    A field that keeps to the grammar says itself whose it is (RFC 8601 2.2). One that doesn't goes where any reader
    could take it for ours: its first words before a "=" name us, however they are put together; where it has no such
    words, it goes if we are named anywhere.
    """
    ours = _spelling(authserv_id)
    value = value.encode(errors="ignore").decode()  # without the bytes that are no UTF-8
    head = _head(value)
    if not re.search(r"\w", head):
        return bool(ours.search(value))
    if "=?" in head:  # an encoded word, which RFC 2047 5 forbids here and some readers decode, may say anything
        return True
    if words := _HEAD.fullmatch(head):
        name = words["token"] or re.sub(r"\\(.)", r"\1", words["quoted"], flags=re.DOTALL)
        version = words["version"] or "1"
        return bool(ours.fullmatch(name.strip())) or version.lstrip("0") != "1"
    first_words = re.sub(r"^\W+", "", head).partition("=")[0].translate(_UNQUOTED)
    return any(ours.search(first_words.replace("()", gap)) for gap in ("", " "))


_PIECE = re.compile(r'\\.|[^\\"();]+|.', re.DOTALL)
_CFWS = r"(?:\s|\(\))"
_HEAD = re.compile(
    rf'{_CFWS}*(?:(?P<token>[^\s\x00-\x1f\x7f()<>@,;:\\"/\[\]?=]+)|"(?P<quoted>(?:[^"\\]|\\.)*)")'
    rf"(?:{_CFWS}+(?P<version>[0-9]+))?{_CFWS}*",
    re.DOTALL,
)
"""authserv-id and version, each comment cut down to its parentheses."""
_UNQUOTED = str.maketrans("", "", '"\\')


def _head(value: str) -> str:
    """Return what stands before the first semicolon, each comment cut down to "()"."""
    depth, quoted = 0, False
    kept = []
    for piece in _PIECE.findall(value):
        if depth:
            depth += (piece == "(") - (piece == ")")
        elif quoted:
            quoted = piece != '"'
            kept.append(piece)
        elif piece == ";":
            break
        else:
            depth, quoted = int(piece == "("), piece == '"'
            kept.append("()" if depth else piece)
    return "".join(kept)


@lru_cache(maxsize=8)
def _spelling(authserv_id: str) -> re.Pattern[str]:
    """Return what matches an authserv-id as a whole word, its labels as A-labels or as U-labels (RFC 8601 5)."""
    labels = authserv_id.strip(" .").split(".")
    if labels == [""]:
        return re.compile(r"(?!)")  # nothing bears an empty name
    name = r"\s*\.\s*".join(map(_label, labels))
    return re.compile(rf"(?<![\w.@-]){name}\.?(?![\w-]|\.\w)", re.IGNORECASE)


def _label(label: str) -> str:
    spellings = [label]
    with suppress(UnicodeError):
        if label.lower().startswith("xn--"):
            spellings.append(label[4:].encode().decode("punycode"))
        elif not label.isascii():
            spellings.append(f"xn--{label.lower().encode('punycode').decode()}")
    return f"(?:{'|'.join(map(re.escape, spellings))})"
