"""What an SPF record says: its directives and its modifiers (RFC 7208 4.6).

pyspf reads a directive. A record is read whole before anything in it is asked for, its macros left as they are, and
what was read is kept: the records of big providers are included by many.

The numbers in parentheses are RFC 7208's sections.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from milter64.checks.pyspf import spf
from milter64.checks.spf_directive import Directive
from milter64.checks.spf_macros import DOMAIN_SPEC, MACRO_STRING
from milter64.limits.bounded_cache import Cache

IMPLIED = " "
"""The domain-spec of a directive that has none (4.8); no term can hold a blank."""


class Record(NamedTuple):
    """A record's directives, in order, and the values of redirect= and exp=."""

    directives: tuple[Directive, ...]
    modifiers: Mapping[str, str]


_Key = tuple[str, str, str]
_DIRECTIVE = 400
"""Octets that one takes."""
_READ: Cache[_Key, Record] = Cache(
    2**18, 2**14, lambda key, record: 2 * len(key[0]) + _DIRECTIVE * len(record.directives)
)


class Unreadable(spf.PermError):  # type: ignore[misc]  # pyspf ships no types
    """A record is not well-formed; `term` is where, "" if that is no matter of one term."""

    def __init__(self, message: str, term: str) -> None:
        super().__init__(message)
        self.term = term


class _Reader(spf.query):  # type: ignore[misc]  # as above
    """As much of pyspf's `query` as reads directives, for one family of clients."""

    strict = True
    d = IMPLIED
    """From where pyspf takes a domain-spec left out."""

    def __init__(self, family: str, cidrmax: int) -> None:
        self.v, self.cidrmax = family, cidrmax

    def expand_domain(self, arg: str) -> str:
        """Return a domain-spec as it is, once its syntax is found right (7.1)."""
        if arg != IMPLIED and not DOMAIN_SPEC.fullmatch(arg):
            raise spf.PermError("invalid domain")
        return arg


_READERS = {"in-addr": _Reader("in-addr", 32), "ip6": _Reader("ip6", 128)}


def read(record: str, owner: str, family: str) -> Record:
    """Return what the record of a domain says about clients of a family, "in-addr" or "ip6".

    Raises:
        Unreadable: there is an error anywhere, which spoils it all (4.6).
    """
    key = record, owner, family
    if not (known := _READ.get(key)):
        known = _read(record, owner, _READERS[family])
        _READ.put(key, known)
    return known


def _read(record: str, owner: str, reader: _Reader) -> Record:
    if not (record.isascii() and record.isprintable()):
        raise Unreadable(f"characters that are not printable ASCII in the record of {owner}", "")
    directives: list[Directive] = []
    modifiers: dict[str, str] = {}
    directive: dict[str, Directive] = {}  # a record may say one thing eight thousand times
    for term in record.split()[1:]:
        try:
            if modifier := spf.RE_MODIFIER.match(term):
                _add(modifiers, modifier[1].lower(), term[modifier.end() :], reader)
                continue
            if term not in directive:
                said: tuple[Any, ...] = reader.validate_mechanism(term)
                directive[term] = Directive._make((*said, owner))
        except spf.PermError as error:
            raise Unreadable(error.msg, term) from error
        except ValueError as error:  # thousands of digits
            raise Unreadable("invalid prefix length", term) from error
        directives.append(directive[term])
    return Record(directives=tuple(directives), modifiers=modifiers)


def _add(modifiers: dict[str, str], name: str, value: str, reader: _Reader) -> None:
    if name in modifiers:
        raise spf.PermError(f"{name}= more than once")  # 6
    if name in {"redirect", "exp"}:
        modifiers[name] = reader.expand_domain(value)
    elif not MACRO_STRING.fullmatch(value):
        raise spf.PermError("invalid macro")
