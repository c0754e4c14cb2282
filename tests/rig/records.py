"""A DNS of one dictionary, in the place of `dns.Resolver`."""

import math
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from milter64.checks.all_checks import Check
from milter64.dns.lookup import Answer, Lookup, asked_alone
from milter64.dns.unanswered import Unanswered
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope

LONGEST_CHAIN = 10

Zone = Mapping[str, Mapping[str, Collection[Any]]]


class Records:
    """A resolver that knows some records, some names that fail, and nothing else.

    `zone` is {"example.org": {"TXT": [b"v=spf1 -all"], "MX": [(10, "mail.example.org")], "A": ["192.0.2.1"]}}, with
    names and addresses in any spelling. A name in it without the type asked for is NODATA, any other name NXDOMAIN.
    `failing` names get no answer: "example.org" to any question, "MX example.org" to that one alone. A name's answers
    have `ttls[name]` seconds to live, else `ttl`; behind CNAMEs the least of all. `questions` are all that were asked,
    as "MX example.org", and `lasting` how long each answer was to last. While `down` is true none is answered.
    `generation` and `forget` are as the `Resolver`'s.
    """

    def __init__(
        self, zone: Zone, failing: Collection[str] = (), *, ttl: int = 300, ttls: Mapping[str, int] | None = None
    ) -> None:
        self._zone = {name.lower().rstrip("."): types for name, types in zone.items()}
        self._failing = {name.lower() for name in failing}
        self._ttl = ttl
        self._ttls = ttls or {}
        self.questions: list[str] = []
        self.lasting: list[float] = []
        self.down = False
        self.generation = 0

    def forget(self) -> None:
        """Begin another generation."""
        self.generation += 1

    def change(self, zone: Zone) -> None:
        """Know these records too from now on, in the place of others of the same names."""
        self._zone |= {name.lower().rstrip("."): types for name, types in zone.items()}

    def fail(self, *names: str) -> None:
        """Answer no question about these names from now on, as about `failing` ones."""
        self._failing |= {name.lower() for name in names}

    def find(self, check: Check, envelope: Envelope, lookup: Lookup | None = None) -> Finding:
        """Return what a check finds in these records, through a door of the test's if it has one."""
        return asked_alone(check(envelope, lookup or Lookup(math.inf)), self)

    def alive(self, deadline: float = math.inf) -> bool:  # noqa: ARG002  known at once
        """Answer as `Resolver.alive` does."""
        return not self.down

    def ask_all(
        self, questions: dict[tuple[str, str], float]
    ) -> Iterator[tuple[tuple[str, str], Answer | Unanswered | None]]:
        """Answer as `Resolver.ask_all` does."""
        while questions:
            taken = dict(questions)
            questions.clear()
            for question, deadline in taken.items():
                yield question, self._outcome(*question, deadline)

    def _outcome(self, name: str, rdtype: str, deadline: float) -> Answer | Unanswered:
        try:
            return self.ask(name, rdtype, deadline)
        except Unanswered as error:
            return error

    def ask(
        self,
        name: str,
        rdtype: str,
        deadline: float = math.inf,  # noqa: ARG002  always in time
        lasting: float = 0.0,
    ) -> Answer:
        """Answer as `Resolver.ask` does, but remember nothing."""
        self.questions.append(f"{rdtype} {name}")
        self.lasting.append(lasting)
        if self.down:
            raise Unanswered("no nameserver answers")
        owner, ttl = name.lower().removesuffix("."), self._ttl
        for _ in range(LONGEST_CHAIN):
            if not self._failing.isdisjoint({owner, f"{rdtype.lower()} {owner}"}):
                raise Unanswered("SERVFAIL")
            ttl = min(ttl, self._ttls.get(owner, self._ttl))
            types = self._zone.get(owner)
            if types is None or rdtype == "CNAME" or "CNAME" not in types:
                values = tuple(_canonical(rdtype, value) for value in (types or {}).get(rdtype, ()))
                return Answer(exists=types is not None, values=values, ttl=ttl, name=owner)
            (target,) = types["CNAME"]
            owner = target.lower().removesuffix(".")
        raise Unanswered("a CNAME loop")


def zone(text: str) -> Zone:
    """Read records, one a line: "example.org MX 10 mail.example.org"; a TXT record needs no quotes."""
    names: dict[str, dict[str, list[Any]]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, rdtype, value = line.split(maxsplit=2)
        records = names.setdefault(name, {}).setdefault(rdtype, [])
        match rdtype:
            case "TXT":
                records.append(value.encode())
            case "MX":
                preference, host = value.split()
                records.append((int(preference), host))
            case _:
                records.append(value)
    return names


def _canonical(rdtype: str, value: Any) -> Any:  # noqa: ANN401  each type has its own
    match rdtype:
        case "A" | "AAAA":
            return str(ip_address(value))
        case "PTR" | "NS" | "CNAME":
            return value.removesuffix(".")
        case "MX":
            preference, host = value
            return preference, host.removesuffix(".")
        case _:
            return value
