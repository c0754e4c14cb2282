"""How what strangers chose stands in a header field: as a token, an address or a quoted string.

In a comment, which is for people, it loses the characters that mean something outside of comments: some readers of
these fields are regular expressions.
"""

import re
from functools import lru_cache

from milter64.address.client import Client
from milter64.mail.clean_text import clean

REMEMBERED = 1024
"""Parts of fields that are kept ready: findings are remembered too, and come back."""


_ATOM = r"[!#$%&'*+/0-9=?A-Z^_`a-z{|}~-]+"
_LABEL = r"[0-9A-Za-z](?:[0-9A-Za-z-]*[0-9A-Za-z])?"
DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
TOKEN = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+")
"""RFC 2045 5.1."""
PVALUE = re.compile(
    rf'{TOKEN.pattern}|(?:{DOT_ATOM.pattern}|"(?:[^"\\]|\\.)*")@{_LABEL}(?:\.{_LABEL})*',
)
"""A token, or an address; the RFC's domain-name is among the tokens."""
_BLUNT = str.maketrans('();="\\', "[],:'/")
_LONGEST_LINE = 77
_FOLD = re.compile(rf"(.{{1,{_LONGEST_LINE}}}|\S+)(?: |$)")


def caller(client: Client) -> tuple[str, ...]:
    """Return who calls, in words for a comment."""
    if not client.wire:
        return ("client unknown",)
    address = f"client {client.address}" if client.origin.identifies else ""
    wire = "" if address and client.wire == client.address else f"wire {client.wire}"
    return address, wire, client.origin.value, "private" if client.private else ""


def word(text: str, bare: re.Pattern[str]) -> str:
    """Return a text as it is if it may stand bare, else as a quoted string."""
    text = clean(text)
    if bare.fullmatch(text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


@lru_cache(REMEMBERED)
def comment(*parts: str) -> str:
    """Return parts of a text as a comment, those that are empty left out."""
    return f"({', '.join(clean(part) for part in parts if part).translate(_BLUNT)})"


def fold(line: str) -> str:
    """Break a line at blanks, so that with the one before each piece has 78 characters (RFC 5322 2.1.1)."""
    return line if len(line) <= _LONGEST_LINE else "\n ".join(_FOLD.findall(line))
