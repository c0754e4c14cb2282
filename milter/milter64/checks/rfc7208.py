"""check_host() of RFC 7208: pyspf's `query`, mended where it strays from the RFC.

pyspf reads directives, knows the macros' values, walks from record to record, keeps count, and turns its errors into
results. All of its look-ups go through `dns()` and so to our `Lookup`: its own resolver, search list, cache and timers
see no use. A record is first read whole, then its terms are taken from left to right, and a term's macros are expanded
and its names asked for when it is reached and no sooner. pyspf mixes the two, which is why `check0` is written anew.

The numbers in parentheses are RFC 7208's sections.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import spf

from milter64.dns import Lookup, Unanswered
from milter64.networks import pack
from milter64.session import Session

_VERSION = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)

# 7.1. No name has a thousand labels, so three digits will do; none of them may be 0 (7.3).
_MACRO = r"%(?:[%_-]|\{([slodiphvcrt])((?!0+[^0-9])[0-9]{1,3})?r?[-.+,/_=]*\})"
_ANY = re.sub(r"\((?!\?)", "(?:", _MACRO)
_IN_TERMS = _ANY.replace("crt", "")  # 7.2: those are for explanations alone
_TOPLABEL = r"(?![0-9]+\.?\Z)[0-9a-z](?:[0-9a-z-]*[0-9a-z])?"
_DOMAIN_SPEC = re.compile(rf"(?:[!-$&-~]|{_IN_TERMS})*(?:\.{_TOPLABEL}\.?|{_IN_TERMS})", re.IGNORECASE)
_MACRO_STRING = re.compile(rf"(?:[!-$&-~]|{_ANY})*", re.IGNORECASE)
_EXPLAIN_STRING = re.compile(rf"(?:[ -$&-~]|{_ANY})*", re.IGNORECASE)
_EXPAND = re.compile(_MACRO, re.IGNORECASE)
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}

_IMPLIED = " "
"""The domain-spec of a directive that has none (4.8); no term can hold a blank."""

_LONGEST_NAME = 253
_LABEL = r"[ -\-/-\[\]-~]{1,63}"  # ASCII but for the dot, and the backslash: to a resolver it begins an escape
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")

_FAMILIES = {"ip4": "in-addr", "ip6": "ip6"}

_Answer = tuple[str, int, str]
"""pyspf's: the result, an SMTP code, and the explanation of a fail or the description of an error."""


class Directive(NamedTuple):
    """A directive in the record of `owner`; `prefix` is for the client's family, `result` what the qualifier means."""

    term: str
    mechanism: str
    argument: str
    prefix: int
    result: str
    owner: str


class CheckHost(spf.query):  # type: ignore[misc]  # pyspf ships no types
    """One evaluation of check_host(); `check()` runs it.

    Afterwards `matched` is the innermost directive that decided, inside includes and redirects too, and `mechanism`,
    pyspf's attribute, the text of the outermost; None if no directive matched. `local_part` is whether the local part
    had a say.
    """

    # The macros of those names, as pyspf sets them.
    c: str
    d: str
    i: str
    o: str
    v: str

    def __init__(self, session: Session, local: str, domain: str, lookup: Lookup) -> None:
        """Take the client, and <sender> as its local part and its domain, a well-formed one (4.1, 4.3)."""
        local = local or "postmaster"
        super().__init__(i=session.client.address, s=f"{local}@{domain}", h=session.helo or "unknown")
        self.l, self.o, self.d = local, domain, domain  # pyspf cuts at the first @, which may be a quoted one
        self.r = session.mta or "unknown"
        self.i = self.i.lower()  # 7.4
        self.lookup = lookup
        self.matched: Directive | None = None
        self.local_part = False
        self._number = int.from_bytes(pack(self.c))
        self._void_terms: set[int] = set()
        self._p: dict[tuple[int, str], str] = {}

    # Records (sections 4.3 to 4.7)

    def dns_spf(self, domain: str) -> str | None:
        """Return a domain's record, None if there is none or the domain is malformed or a single label (4.3)."""
        if "." not in domain:
            return None
        records = [text for text in self.dns_txt(domain) if _VERSION.match(text)]
        if len(records) > 1:
            raise spf.PermError("more than one SPF record", domain)
        return str(spf.to_ascii(records[0])) if records else None

    def check0(self, record: str | None, recursion: int) -> _Answer:
        """Evaluate the record of the domain `self.d`."""
        if record is None:
            return "none", 250, ""
        directives, modifiers = self._read(record)
        matching = next((directive for directive in directives if self._matches(directive, recursion)), None)
        if matching is None:
            self.matched = None
            return self._redirect(modifiers["redirect"], recursion) if "redirect" in modifiers else ("neutral", 250, "")
        if matching.mechanism != "include":
            self.matched = matching
        if recursion == 0:
            self.mechanism = matching.term
            if matching.result == "fail" and "exp" in modifiers:
                return "fail", 550, self.get_explanation(modifiers["exp"])
        return matching.result, 250, ""

    def _read(self, record: str) -> tuple[list[Directive], dict[str, str]]:
        """Return a record's directives and its modifiers; one error anywhere spoils it all (4.6)."""
        if not record.isprintable():
            raise spf.PermError("control character in the record", self.d)
        directives: list[Directive] = []
        modifiers: dict[str, str] = {}
        for term in record.split()[1:]:
            if not (modifier := spf.RE_MODIFIER.match(term)):
                directives.append(self.validate_mechanism(term))
                continue
            name, value = modifier[1].lower(), term[modifier.end() :]
            if name in modifiers:
                raise spf.PermError(f"{name}= more than once", term)  # 6
            if name in {"redirect", "exp"}:
                modifiers[name] = self.expand_domain(value)
            elif not _MACRO_STRING.fullmatch(value):
                raise spf.PermError("invalid macro", term)
        return directives, modifiers

    def validate_mechanism(self, mech: str) -> Directive:
        """Read a directive, and leave its domain-spec as it is."""
        domain, self.d = self.d, _IMPLIED  # from where pyspf takes a domain-spec left out
        try:
            return Directive._make((*super().validate_mechanism(mech), domain))
        except ValueError as error:  # thousands of digits
            raise spf.PermError("invalid prefix length", mech) from error
        finally:
            self.d = domain

    def expand_domain(self, arg: str) -> str:
        """Return a domain-spec as it is, once its syntax is found right (7.1)."""
        if arg != _IMPLIED and not _DOMAIN_SPEC.fullmatch(arg):
            raise spf.PermError("invalid domain", arg)
        return arg

    # Terms (sections 5 and 6)

    def _matches(self, directive: Directive, recursion: int) -> bool:
        _, mechanism, argument, prefix, _, _ = directive
        if mechanism == "all":
            return True
        if family := _FAMILIES.get(mechanism):
            return family == self.v and self.cidrmatch([argument], prefix)
        self.check_lookups()
        target = self.d if argument == _IMPLIED else self.expand(argument)
        if not target.isascii():
            return False  # RFC 8616 4, of macros of a local part
        return self._leads_to_client(mechanism, target, prefix, recursion)

    def _leads_to_client(self, mechanism: str, target: str, prefix: int, recursion: int) -> bool:
        match mechanism:
            case "include":
                return self._includes(target, recursion)
            case "a":
                return self.cidrmatch(self.dns_a(target, self.A), prefix)
            case "mx":
                return self.cidrmatch(self.dns_mx(target), prefix)
            case "exists":
                return bool(self.dns_a(target, "A"))  # for an IPv6 client too (5.7)
            case _:
                return any(self._validated(name) for name in self._names() if spf.domainmatch([name], target))

    def _includes(self, target: str, recursion: int) -> bool:
        result, _, _ = self.check1(self.dns_spf(target), target, recursion + 1)
        if result == "none":
            raise spf.PermError("no SPF record to include", target)
        return bool(result == "pass")

    def _redirect(self, argument: str, recursion: int) -> _Answer:
        self.check_lookups()
        target = self.expand(argument)
        record = self.dns_spf(target)
        if record is None:
            raise spf.PermError("no SPF record to redirect to", target)
        answer: _Answer = self.check1(record, target, recursion)
        return answer

    def get_explanation(self, spec: str) -> str:
        """Return the explanation of a fail, empty if anything is wrong with it (6.2); it counts for nothing (4.6.4)."""
        self._void_terms.clear()
        try:
            texts = self.dns_txt(self.expand(spec))
            text = str(spf.to_ascii(texts[0])) if len(texts) == 1 else ""
            return self.expand(text, stripdot=False) if _EXPLAIN_STRING.fullmatch(text) else ""
        except (spf.TempError, spf.PermError):
            return ""

    # Macros (section 7)

    def expand(self, s: str, stripdot: bool = True) -> str:  # noqa: FBT001, FBT002  pyspf's signature
        """Expand macros; what is to be a name (`stripdot`) loses labels from the left until it fits (7.3)."""
        text = _EXPAND.sub(self._expand_one, s)
        if not stripdot:
            return text
        name = text.removesuffix(".")
        return name if len(name) <= _LONGEST_NAME else name[name.find(".", len(name) - _LONGEST_NAME - 1) + 1 :]

    def _expand_one(self, macro: re.Match[str]) -> str:
        if not macro[1]:
            return _ESCAPES[macro[0]]
        letter = macro[1].lower()
        self.local_part = self.local_part or letter in "sl"
        value: str = self.getp() if letter == "p" else getattr(self, letter)
        value = spf.expand_one(value, macro[0][3:-1].lower(), ".")
        return value if letter == macro[1] else quote(value, safe="", errors="replace")

    def getp(self) -> str:
        """Return %{p}: of the validated names <domain> itself, or one below it, or any, or else "unknown" (7.3)."""
        reached = self.lookups, self.d  # a term may spell it a thousand times
        if reached not in self._p:
            own, below = self.d.lower(), f".{self.d.lower()}"
            names = sorted(self._names(), key=lambda name: (name.lower() != own, not name.lower().endswith(below)))
            self._p[reached] = next(filter(self._validated, names), "unknown")
        return self._p[reached]

    # The client

    def cidrmatch(self, ipaddrs: Iterable[str], n: int) -> bool:
        """Whether the client's first `n` bits are those of any of some addresses of its family (5)."""
        suffix = self.cidrmax - n
        return any(int.from_bytes(pack(address)) >> suffix == self._number >> suffix for address in ipaddrs)

    def _names(self) -> list[str]:
        """Return the client's PTR names, the first ten (4.6.4), none if DNS doesn't answer (5.5)."""
        return self._unless_unanswered(self.dns_ptr, self.i)[: spf.MAX_PTR]

    def _validated(self, name: str) -> bool:
        """Whether a PTR name leads back to the client; one about which DNS doesn't answer is skipped (5.5)."""
        return self.cidrmatch(self._unless_unanswered(self.dns_a, name, self.A), self.cidrmax)

    def _unless_unanswered(self, ask: Callable[..., list[str]], *question: str) -> list[str]:
        try:
            return ask(*question)
        except spf.TempError:
            if time.monotonic() >= self.lookup.deadline:
                raise  # the time for check_host() as a whole is over (4.6.4)
            return []

    # DNS

    def dns_mx(self, domainname: str) -> Iterator[str]:
        """Yield the addresses of a domain's MX hosts, each host asked for in its turn (5.4)."""
        hosts = sorted(self.dns(domainname, "MX"))
        if len(hosts) > spf.MAX_MX:
            raise spf.PermError(f"more than {spf.MAX_MX} MX records", domainname)
        for _, host in hosts:
            yield from self.dns_a(host, self.A)

    def dns(self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:  # noqa: ARG002, FBT001, FBT002  pyspf's signature
        """Return a name's records, none if it is malformed (4.8); count the terms with void look-ups (4.6.4)."""
        if not _NAME.fullmatch(name):
            return []
        try:
            values = self.lookup.ask(name, qtype).values
        except Unanswered as error:
            raise spf.TempError(f"{qtype} {name}: {error}") from error
        if not values:
            self._void_terms.add(self.lookups)  # this term's ordinal
            if len(self._void_terms) > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} terms with void look-ups", name)
        return [(value,) for value in values] if qtype == "TXT" else list(values)
