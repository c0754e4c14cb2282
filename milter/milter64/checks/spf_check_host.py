"""check_host() of RFC 7208, which asks DNS as our checks do: for one answer after the other, and without a wait.

pyspf's own can't, and strays from the RFC here and there. Its are the reading of directives, the details of macros and
of names, the limits and the errors. A record is first read whole, then its terms are taken from left to right, and a
term's macros are expanded and its names asked for when it is reached and no sooner.

What the records, a stranger's, can order is bounded beyond 4.6.4, and for more there is a permerror. What the client
itself has a say in, its PTR names, must not lead to one, or it could talk its way out of a fail: they make no void
look-up, and the rest is left out. They and the explanation have half of the time together that is left at the first.

The numbers in parentheses are RFC 7208's sections.
"""

import re
import time
from collections.abc import Iterable
from typing import Any

from milter64.address.networks import pack
from milter64.checks.pyspf import spf
from milter64.checks.spf_directive import Directive
from milter64.checks.spf_macros import EXPLAIN_STRING, Macros, has_p
from milter64.checks.spf_record import IMPLIED, Record, Unreadable, read
from milter64.dns.lookup import Asking, Lookup
from milter64.dns.unanswered import Unanswered
from milter64.mail.session import Session

_VERSION = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)
_MOST_OCTETS, _MOST_QUESTIONS, _MOST_VALUES = 16_384, 40, 1_000
"""Of records, of DNS and in its answers, in one evaluation: three times the octets of eleven records of the length that
3.4 recommends; and the MX hosts of all terms count in an overall limit (4.6.4), which goes without a number."""
_LABEL = r"[ -\-/-\[\]-~]{1,63}"  # ASCII but for the dot, and the backslash: to a resolver it begins an escape
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_FAMILIES = {"ip4": "in-addr", "ip6": "ip6"}


class CheckHost(Macros):
    """One evaluation of check_host(); `check()` runs it.

    Afterwards `matched` is the innermost directive that decided, inside includes and redirects too, and `mechanism` the
    text of the outermost; None if no directive matched. `explanation` is that of a fail. After an error, which `error`
    describes, `place` is whose record and which of its terms was looked at last, and `nameserver` the last one that
    gave no answer.
    """

    def __init__(self, session: Session, local: str, domain: str, lookup: Lookup) -> None:
        """Take the client, and <sender> as its local part and its domain, a well-formed one (4.1, 4.3)."""
        packed, address = session.client.packed, session.client.address
        ipv4 = len(packed) == 4  # noqa: PLR2004  an IPv4 address's length
        # The macros of those names (7.2); 7.4 has IPv6's %{i}.
        self.l, self.o, self.d, self.h = local or "postmaster", domain, domain, session.helo or "unknown"
        self.s = f"{self.l}@{domain}"
        self.c, self.i, self.v = address, address if ipv4 else ".".join(packed.hex()), "in-addr" if ipv4 else "ip6"
        self.r = session.mta or "unknown"
        self.used, self.tailored = set(), set()
        self.matched: Directive | None = None
        self.mechanism: str | None = None
        self.explanation = self.error = self.nameserver = ""
        self.place = "", ""
        self._lookup = lookup
        self._number, self._length = int.from_bytes(packed), 8 * len(packed)
        self._type = "A" if ipv4 else "AAAA"
        self._terms = 0
        """That asked DNS."""
        self._void_terms: set[int] = set()
        self._octets = self._values = 0
        self._questions = set[tuple[str, str]]()
        self._answers: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._p: dict[tuple[int, str], str] = {}
        """By term and domain: an explanation and where it stands have the same."""

    def check(self) -> Asking[str]:
        """Return the result, one of the RFC's seven words (2.6)."""
        try:
            record = yield from self._record(self.d)
            return "none" if record is None else (yield from self._evaluate(record, self.d))
        except spf.TempError as error:
            self.error = error.msg
            return "temperror"
        except spf.PermError as error:
            self.error = error.msg
            return "permerror"

    # Records (sections 4.3 to 4.7)

    def _record(self, domain: str) -> Asking[str | None]:
        """Return a domain's record, None if there is none or the domain is malformed or a single label (4.3)."""
        if "." not in domain:
            return None
        texts = yield from self._records(domain, "TXT")
        records = [text for text in texts if _VERSION.match(text)]
        if len(records) > 1:
            raise spf.PermError(f"more than one SPF record at {domain}")
        if not records:
            return None
        self._octets += len(records[0])
        if self._octets > _MOST_OCTETS:
            raise spf.PermError(f"more than {_MOST_OCTETS} octets of SPF records with that of {domain}")
        return str(records[0].decode(errors="replace"))

    def _evaluate(self, record: str, domain: str, *, included: bool = False) -> Asking[str]:
        """Return the result by a domain's record."""
        outer, self.d = self.d, domain
        try:
            directives, modifiers = self._read(record)
            for directive in directives:
                if (yield from self._matches(directive)):
                    break
            else:
                self.matched = None
                return (
                    (yield from self._redirect(modifiers["redirect"], included=included))
                    if "redirect" in modifiers
                    else "neutral"
                )
            if directive.mechanism != "include":
                self.matched = directive
            if not included:
                self.mechanism = directive.term
                if directive.result == "fail" and "exp" in modifiers:
                    self.explanation = yield from self._explain(modifiers["exp"])
            return directive.result
        finally:
            self.d = outer

    def _read(self, record: str) -> Record:
        try:
            return read(record, self.d, self.v)
        except Unreadable as error:
            if error.term:
                self.place = self.d, error.term
            raise

    # Terms (sections 5 and 6)

    def _count_term(self) -> None:
        """Count a term that asks DNS, and see whether there is time for it (4.6.4)."""
        self._terms += 1
        if self._terms > spf.MAX_LOOKUP:
            raise spf.PermError(f"more than {spf.MAX_LOOKUP} terms that ask DNS")
        self._look_at_the_clock()

    def _matches(self, directive: Directive) -> Asking[bool]:
        term, mechanism, argument, prefix, _, owner = directive
        self.place = owner, term
        if mechanism == "all":
            return True
        if family := _FAMILIES.get(mechanism):
            return family == self.v and self._is_in([argument], prefix)
        self._count_term()
        target = self.d if argument == IMPLIED else (yield from self._target(argument))
        if not target.isascii():
            return False  # RFC 8616 4, of macros of a local part
        return (yield from self._leads_to_client(mechanism, target, prefix))

    def _leads_to_client(self, mechanism: str, target: str, prefix: int) -> Asking[bool]:
        match mechanism:
            case "include":
                return (yield from self._other(target, included=True)) == "pass"
            case "a":
                return self._is_in((yield from self._records(target, self._type)), prefix)
            case "mx":
                return (yield from self._is_mail_host(target, prefix))
            case "exists":
                return bool((yield from self._records(target, "A")))  # for an IPv6 client too (5.7)
            case _:
                for name in (yield from self._names()):
                    if spf.domainmatch([name], target) and (yield from self._is_validated(name)):
                        return True
                return False

    def _is_mail_host(self, domain: str, prefix: int) -> Asking[bool]:
        """Whether a domain's MX hosts have the client, each asked for in its turn (5.4)."""
        hosts = sorted((yield from self._records(domain, "MX")))
        if len(hosts) > spf.MAX_MX:
            raise spf.PermError(f"more than {spf.MAX_MX} MX records at {domain}")
        for _, host in hosts:
            if self._is_in((yield from self._records(host, self._type)), prefix):
                return True
        return False

    def _redirect(self, argument: str, *, included: bool) -> Asking[str]:
        self.place = self.d, f"redirect={argument}"
        self._count_term()
        target = yield from self._target(argument)
        return (yield from self._other(target, included=included))

    def _other(self, domain: str, *, included: bool) -> Asking[str]:
        """Evaluate another domain's record, which has to be there (5.2, 6.1)."""
        if (record := (yield from self._record(domain))) is None:
            raise spf.PermError(f"no SPF record at {domain}")
        return (yield from self._evaluate(record, domain, included=included))

    def _explain(self, spec: str) -> Asking[str]:
        """Return the explanation of a fail, empty if anything is wrong with it (6.2); it counts for nothing (4.6.4)."""
        try:
            self._look_at_the_clock()
            name = yield from self._target(spec)
            texts = yield from self._ask(name, "TXT", self._lookup.half_time())
            if len(texts) != 1 or len(texts[0]) > _MOST_OCTETS:
                return ""
            text = str(spf.to_ascii(texts[0]))
            if not EXPLAIN_STRING.fullmatch(text):
                return ""
            yield from self._find_p(text)
            return self.text(text)
        except (spf.TempError, spf.PermError):
            return ""

    # Macros (section 7)

    def _target(self, spec: str) -> Asking[str]:
        """Return the name that a domain-spec expands to."""
        yield from self._find_p(spec)
        return self.name(spec)

    def value(self, letter: str) -> str:
        """Return what a letter stands for: our attribute of that name."""
        match letter:
            case "p":
                return self._p.get((self._terms, self.d), "unknown")
            case "t":
                return str(int(time.time()))
            case _:
                return str(getattr(self, letter))

    def _find_p(self, spec: str) -> Asking[None]:
        """Have %{p}, if a text has it: of the validated names <domain> or one below it, or any, or "unknown" (7.3)."""
        reached = self._terms, self.d
        if reached in self._p or not has_p(spec):
            return
        own, below = self.d.lower(), f".{self.d.lower()}"
        names = yield from self._names()
        for name in sorted(names, key=lambda name: (name.lower() != own, not name.lower().endswith(below))):
            if (yield from self._is_validated(name)):
                self._p[reached] = name
                return
        self._p[reached] = "unknown"

    # The client

    def _is_in(self, addresses: Iterable[str], prefix: int) -> bool:
        """Whether the client's first bits, `prefix` of them, are those of an address of its family (5)."""
        rest = self._length - prefix
        ours = self._number >> rest
        return any(int.from_bytes(pack(address)) >> rest == ours for address in addresses)

    def _names(self) -> Asking[tuple[str, ...]]:
        """Return the client's PTR names, the first ten (4.6.4), none if DNS doesn't answer (5.5)."""
        names = yield from self._unless_unanswered(f"{spf.reverse_dots(self.i)}.{self.v}.arpa", "PTR")
        return names[: spf.MAX_PTR]

    def _is_validated(self, name: str) -> Asking[bool]:
        """Whether a PTR name leads back to the client; one about which DNS doesn't answer is skipped (5.5)."""
        return self.c in (yield from self._unless_unanswered(name, self._type))

    def _unless_unanswered(self, name: str, rdtype: str) -> Asking[tuple[Any, ...]]:
        try:
            return (yield from self._ask(name, rdtype, self._lookup.half_time()))
        except spf.TempError:
            self._look_at_the_clock()
            return ()

    def _look_at_the_clock(self) -> None:
        if time.monotonic() >= self._lookup.deadline:
            raise spf.TempError("the time for check_host() is over")  # 4.6.4

    # DNS

    def _records(self, name: str, rdtype: str) -> Asking[tuple[Any, ...]]:
        """Return records that the domain chose, none if the name is malformed (4.8); count void look-ups (4.6.4)."""
        self._questions.add((name, rdtype))
        if len(self._questions) > _MOST_QUESTIONS:
            raise spf.PermError(f"more than {_MOST_QUESTIONS} DNS look-ups")
        if not (values := (yield from self._ask(name, rdtype))) and (name, rdtype) in self._answers:
            self._void_terms.add(self._terms)  # this term's ordinal
            if len(self._void_terms) > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} terms that find nothing in DNS")
        self._values += len(values)
        if self._values > _MOST_VALUES:
            raise spf.PermError(f"more than {_MOST_VALUES} records in all")
        return values

    def _ask(self, name: str, rdtype: str, until: float | None = None) -> Asking[tuple[Any, ...]]:
        """Return a name's records, asked for once."""
        if not _NAME.fullmatch(name):
            return ()
        if (values := self._answers.get((name, rdtype))) is None:
            try:
                values = self._answers[name, rdtype] = (yield from self._lookup.ask(name, rdtype, until)).values
            except Unanswered as error:
                self.nameserver = error.server
                raise spf.TempError(f"{rdtype} {name}: {error}") from error
        return values
