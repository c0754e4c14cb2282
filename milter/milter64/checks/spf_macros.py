"""The macros of RFC 7208 7: what is well-formed, and what they expand to.

No more is built than is looked at. Of a name those are its last 253 characters, of a text its first: a record of a few
octets could make millions. The numbers in parentheses are RFC 7208's sections.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from milter64.checks.pyspf import spf

# 7.1. No name has a thousand labels, so three digits will do; none of them may be 0 (7.3).
_MACRO = r"%(?:[%_-]|\{([slodiphvcrt])((?!0+[^0-9])[0-9]{1,3})?(r)?([-.+,/_=]*)\})"
_ANY = re.sub(r"\((?!\?)", "(?:", _MACRO)
_IN_TERMS = _ANY.replace("crt", "")  # 7.2: those are for explanations alone
_TOPLABEL = r"(?![0-9]+\.?\Z)[0-9a-z](?:[0-9a-z-]*[0-9a-z])?"
DOMAIN_SPEC = re.compile(rf"(?:[!-$&-~]|{_IN_TERMS})*(?:\.{_TOPLABEL}\.?|{_IN_TERMS})", re.IGNORECASE)
MACRO_STRING = re.compile(rf"(?:[!-$&-~]|{_ANY})*", re.IGNORECASE)
EXPLAIN_STRING = re.compile(rf"(?:[ -$&-~]|{_ANY})*", re.IGNORECASE)
_PIECE = re.compile(rf"[^%]+|{_ANY}", re.IGNORECASE)
_PARTS = re.compile(_MACRO, re.IGNORECASE)
_OF_CLIENT = re.compile("%{[slihp]", re.IGNORECASE)
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}

LONGEST_NAME = 253
_LONGEST_TEXT = 1000
"""Characters of an explanation; nobody is shown as many."""
_LONGEST = {"s": 64, "l": 64, "h": 255}
"""Octets of what the client chose, by RFC 5321 4.5.3.1: a sender's local part, and HELO."""


def has_p(spec: str) -> bool:
    """Whether %{p} is in a domain-spec or an explanation."""
    return "%" in spec and any(piece[:3] in ("%{p", "%{P") for piece in _PIECE.findall(spec))


class Macros(ABC):
    """Expands macros whose syntax was found right, for who knows their values.

    `used` are the letters that have had a say. `tailored` are the names that may be made for each client: its address,
    name and words are in them, or the record that leads to them was found by such a name. `d` is whose record is read.
    """

    used: set[str]
    tailored: set[str]
    d: str

    @property
    def local_part(self) -> bool:
        """Whether the local part has had a say."""
        return not self.used.isdisjoint("sl")

    def is_tailored(self, spec: str, owner: str) -> bool:
        """Whether what a domain-spec in the record of `owner` leads to may be made for each client."""
        return owner in self.tailored or bool(_OF_CLIENT.search(spec))

    @abstractmethod
    def value(self, letter: str) -> str:
        """Return what a letter stands for."""

    def name(self, spec: str) -> str:
        """Return the name that a domain-spec expands to; it loses labels from the left until it fits (7.3).

        One that holds more of the client's own words than RFC 5321 allows is none, so it is "". It must not be the name
        of whoever has the same beginning.
        """
        end, length = list[str](), 0
        for value in self._expansions(reversed(_PIECE.findall(spec))) if "%" in spec else (spec,):
            if value is None:
                return ""
            end.append(value)
            length += len(value)
            if length > LONGEST_NAME + 1:  # a final dot doesn't count
                break
        name = "".join(reversed(end)).removesuffix(".")
        if len(name) > LONGEST_NAME:
            name = name[name.find(".", len(name) - LONGEST_NAME - 1) + 1 :]
        if self.is_tailored(spec, self.d):
            self.tailored.add(name)
        return name

    def text(self, text: str) -> str:
        """Return what an explanation expands to, the beginning of one that is long."""
        begin, length = list[str](), 0
        for value in self._expansions(_PIECE.findall(text)):
            begin.append("..." if value is None else value)
            length += len(begin[-1])
            if length > _LONGEST_TEXT:
                break
        return "".join(begin)

    def _expansions(self, pieces: Iterable[str]) -> Iterator[str | None]:
        """Yield what each piece stands for, None where that is too long; the same macro is expanded once."""
        expanded: dict[str, str | None] = {}
        for piece in pieces:
            if piece[0] != "%":
                yield piece
                continue
            if piece not in expanded:
                expanded[piece] = _ESCAPES.get(piece) or self._expanded(piece)
            yield expanded[piece]

    def _expanded(self, macro: str) -> str | None:
        parts = _PARTS.fullmatch(macro)
        assert parts
        letter = parts[1].lower()
        self.used.add(letter)
        value = self.value(letter)
        if longest := _LONGEST.get(letter):
            chosen = value.rpartition("@")[0] if letter == "s" else value
            if len(chosen.encode(errors="replace")) > longest:
                return None
        delimiters = "".join(sorted(set(parts[4])))
        value = spf.expand_one(value, f"{parts[2] or ''}{(parts[3] or '').lower()}{delimiters}", ".")
        return value if letter == parts[1] else quote(value, safe="", errors="replace")
