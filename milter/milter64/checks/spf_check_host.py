"""check_host() of RFC 7208: pyspf's `query`, mended where it strays from the RFC.

pyspf reads directives, knows the macros' values, walks from record to record, keeps count, and turns its errors into
results. All of its look-ups go through `dns()` and so to our `Lookup`: its own resolver, search list, cache and timers
see no use. A record is first read whole, then its terms are taken from left to right, and a term's macros are expanded
and its names asked for when it is reached and no sooner. pyspf mixes the two, which is why `check0` is written anew.

What the records, a stranger's, can order is bounded beyond 4.6.4, and for more there is a permerror. What the client
itself has a say in, its PTR names, must not lead to one, or it could talk its way out of a fail: they make no void
look-up, and the rest is left out. They and the explanation have half of the time together that is left at the first.

The numbers in parentheses are RFC 7208's sections.
"""

import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

from milter64.address.networks import pack
from milter64.checks.pyspf import spf
from milter64.checks.spf_directive import Directive
from milter64.checks.spf_macros import EXPLAIN_STRING, Macros
from milter64.checks.spf_record import IMPLIED, Record, Unreadable, read
from milter64.dns.lookup import Lookup
from milter64.dns.unanswered import Unanswered
from milter64.mail.session import Session

_VERSION = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)
_MOST_OCTETS, _MOST_QUESTIONS, _MOST_VALUES = 16_384, 40, 1_000
"""Of records, of DNS and in its answers, in one evaluation: three times the octets of eleven records of the length that
3.4 recommends; and the MX hosts of all terms count in an overall limit (4.6.4), which goes without a number."""
_MANY_OCTETS = 2_048
"""Of records, which take a millisecond to read."""
_LABEL = r"[ -\-/-\[\]-~]{1,63}"  # ASCII but for the dot, and the backslash: to a resolver it begins an escape
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_FAMILIES = {"ip4": "in-addr", "ip6": "ip6"}

_Answer = tuple[str, int, str]
"""pyspf's: the result, an SMTP code, and the explanation of a fail or the description of an error."""


class CheckHost(Macros, spf.query):  # type: ignore[misc]  # pyspf ships no types
    """One evaluation of check_host(); `check()` runs it.

    Afterwards `matched` is the innermost directive that decided, inside includes and redirects too, and `mechanism`,
    pyspf's attribute, the text of the outermost; None if no directive matched. After an error `place` is whose record
    and which of its terms was looked at last, and `nameserver` the last one that gave no answer.
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
        self._packed = session.client.packed
        super().__init__(i=session.client.address, s=f"{local}@{domain}", h=session.helo or "unknown")
        self.l, self.o, self.d = local, domain, domain  # pyspf cuts at the first @, which may be a quoted one
        self.r = session.mta or "unknown"
        self.lookup = lookup
        self.matched: Directive | None = None
        self.used, self.tailored = set(), set()
        self._number = int.from_bytes(self._packed)
        self.place, self.nameserver = ("", ""), ""
        self._void_terms: set[int] = set()
        self._octets = self._values = 0
        self._questions = set[tuple[str, str]]()
        self._answers: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._p: dict[tuple[int, str], str] = {}

    def set_ip(self, i: str) -> None:
        """Take the client's address, which need not be read again."""
        ipv4 = len(self._packed) == 4  # noqa: PLR2004  an IPv4 address's length
        self.A, self.v, self.cidrmax = ("A", "in-addr", 32) if ipv4 else ("AAAA", "ip6", 128)
        self.c, self.i = i, i if ipv4 else ".".join(self._packed.hex())  # 7.4

    # Records (sections 4.3 to 4.7)

    def dns_spf(self, domain: str) -> str | None:
        """Return a domain's record, None if there is none or the domain is malformed or a single label (4.3)."""
        if "." not in domain:
            return None
        records = [text for text in self.dns_txt(domain) if _VERSION.match(text)]
        if len(records) > 1:
            raise spf.PermError(f"more than one SPF record at {domain}")
        if not records:
            return None
        self._octets += len(records[0])
        if self._octets > _MOST_OCTETS:
            raise spf.PermError(f"more than {_MOST_OCTETS} octets of SPF records with that of {domain}")
        if self._octets > _MANY_OCTETS:
            self.lookup.about_to_wait()
        return str(records[0].decode(errors="replace"))

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

    def _read(self, record: str) -> Record:
        try:
            return read(record, self.d, self.v)
        except Unreadable as error:
            if error.term:
                self.place = self.d, error.term
            raise

    # Terms (sections 5 and 6)

    def check_lookups(self) -> None:
        """Count a term that asks DNS, and see whether there is time for it (4.6.4)."""
        self.lookups += 1
        if self.lookups > spf.MAX_LOOKUP:
            raise spf.PermError(f"more than {spf.MAX_LOOKUP} terms that ask DNS")
        self._look_at_the_clock()

    def _matches(self, directive: Directive, recursion: int) -> bool:
        term, mechanism, argument, prefix, _, owner = directive
        self.place = owner, term
        if mechanism == "all":
            return True
        if family := _FAMILIES.get(mechanism):
            return family == self.v and self.cidrmatch([argument], prefix)
        self.check_lookups()
        target = self.d if argument == IMPLIED else self.name(argument)
        if not target.isascii():
            return False  # RFC 8616 4, of macros of a local part
        return self._leads_to_client(mechanism, target, prefix, recursion)

    def _leads_to_client(self, mechanism: str, target: str, prefix: int, recursion: int) -> bool:
        match mechanism:
            case "include":
                return self._other(target, recursion + 1)[0] == "pass"
            case "a":
                return self.cidrmatch(self.dns_a(target, self.A), prefix)
            case "mx":
                return self.cidrmatch(self.dns_mx(target), prefix)
            case "exists":
                return bool(self.dns_a(target, "A"))  # for an IPv6 client too (5.7)
            case _:
                return any(self._validated(name) for name in self._names() if spf.domainmatch([name], target))

    def _redirect(self, argument: str, recursion: int) -> _Answer:
        self.place = self.d, f"redirect={argument}"
        self.check_lookups()
        return self._other(self.name(argument), recursion)

    def _other(self, domain: str, recursion: int) -> _Answer:
        """Evaluate another domain's record, which has to be there (5.2, 6.1)."""
        if (record := self.dns_spf(domain)) is None:
            raise spf.PermError(f"no SPF record at {domain}")
        answer: _Answer = self.check1(record, domain, recursion)
        return answer

    def get_explanation(self, spec: str) -> str:
        """Return the explanation of a fail, empty if anything is wrong with it (6.2); it counts for nothing (4.6.4)."""
        try:
            self._look_at_the_clock()
            texts = self._ask(self.name(spec), "TXT", self.lookup.half_time())
            if len(texts) != 1 or len(texts[0]) > _MOST_OCTETS:
                return ""
            text = str(spf.to_ascii(texts[0]))
            return self.text(text) if EXPLAIN_STRING.fullmatch(text) else ""
        except (spf.TempError, spf.PermError):
            return ""

    # Macros (section 7)

    def value(self, letter: str) -> str:
        """Return what a letter stands for: pyspf's attribute of that name."""
        return self.getp() if letter == "p" else getattr(self, letter)

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
        return list(self._unless_unanswered(f"{spf.reverse_dots(self.i)}.{self.v}.arpa", "PTR")[: spf.MAX_PTR])

    def _validated(self, name: str) -> bool:
        """Whether a PTR name leads back to the client; one about which DNS doesn't answer is skipped (5.5)."""
        return self.c in self._unless_unanswered(name, self.A)

    def _unless_unanswered(self, name: str, qtype: str) -> tuple[Any, ...]:
        try:
            return self._ask(name, qtype, self.lookup.half_time())
        except spf.TempError:
            self._look_at_the_clock()
            return ()

    def _look_at_the_clock(self) -> None:
        if time.monotonic() >= self.lookup.deadline:
            raise spf.TempError("the time for check_host() is over")  # 4.6.4

    # DNS

    def dns_mx(self, domainname: str) -> Iterator[str]:
        """Yield the addresses of a domain's MX hosts, each host asked for in its turn (5.4)."""
        hosts = sorted(self.dns(domainname, "MX"))
        if len(hosts) > spf.MAX_MX:
            raise spf.PermError(f"more than {spf.MAX_MX} MX records at {domainname}")
        for _, host in hosts:
            self._look_at_the_clock()
            yield from self.dns_a(host, self.A)

    def dns(self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:  # noqa: ARG002, FBT001, FBT002  pyspf's signature
        """Return records that the domain chose, none if the name is malformed (4.8); count void look-ups (4.6.4)."""
        self._questions.add((name, qtype))
        if len(self._questions) > _MOST_QUESTIONS:
            raise spf.PermError(f"more than {_MOST_QUESTIONS} DNS look-ups")
        if not (values := self._ask(name, qtype)) and (name, qtype) in self._answers:
            self._void_terms.add(self.lookups)  # this term's ordinal
            if len(self._void_terms) > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} terms that find nothing in DNS")
        self._values += len(values)
        if self._values > _MOST_VALUES:
            raise spf.PermError(f"more than {_MOST_VALUES} records in all")
        return [(value,) for value in values] if qtype == "TXT" else list(values)

    def _ask(self, name: str, qtype: str, until: float | None = None) -> tuple[Any, ...]:
        """Return a name's records, asked for once."""
        if not _NAME.fullmatch(name):
            return ()
        if (values := self._answers.get((name, qtype))) is None:
            try:
                values = self._answers[name, qtype] = self.lookup.ask(name, qtype, until).values
            except Unanswered as error:
                self.nameserver = error.server
                raise spf.TempError(f"{qtype} {name}: {error}") from error
        return values
