"""What a stranger can order, at its worst: `make bench-worst`, or `python -m bench.worst [SESSIONS]` from `tests`.

Each case is a domain, and a client with its reverse zone, made to cost much: SPF records as long or as winding as they
may be, or longer, DNS answers as full as they come. Every session has names of its own, so that no answer is known
before, and the same record for HELO and MAIL FROM. It prints the CPU time that milter64 takes for a session of each
case, beside that of an ordinary suspect: a first try with three levels of include: and a confirmed name.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from bench.measure import cpu_seconds, rest
from milter64.cli.terminal_layout import Screen
from rig.dnsserver import DnsServer, Value
from rig.lab import Lab
from rig.milterclient import MilterClient
from rig.service import Milter64

SESSIONS = 20
AT_MOST = 20
"""Times an ordinary suspect's CPU time: what is aimed at."""
DOMAIN = "worst.test"

Types = Mapping[str, Iterable[Value]]
SCREEN = Screen(sys.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Of one session: the domain, a name below it as its labels before the domain, the client."""

    domain: str
    below: str
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What costs much: records by name (see `Names`), and the sender's local part."""

    title: str
    records: Callable[[Names], Types]
    pointers: Callable[[Names], Iterable[str]] = lambda names: [f"mail.{names.domain}"]
    local: str = "joe"
    forged: int = 0
    """Header fields in our name, each of 60,000 octets."""


def spf(*terms: str) -> Types:
    return {"TXT": [" ".join(["v=spf1", *terms])]}


def filled(octets: int, term: Callable[[int], str], *last: str) -> Types:
    """Return a record of that many octets at most, of terms that are told their number."""
    terms, length = list[str](), len(" ".join(["v=spf1", *last]))
    while length + len(next_term := term(len(terms))) < octets:
        terms.append(next_term)
        length += len(next_term) + 1
    return spf(*terms, *last)


def addresses(count: int, network: str = "10") -> Types:
    return {
        "A": [f"{network}.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(count)],
        "MX": [],
    }


def ordinary(names: Names) -> Types:
    match names.below:
        case "":
            return spf(f"include:_spf.{names.domain}", "-all")
        case "_spf":
            return spf("ip4:192.0.2.0/28", f"include:_more.{names.domain}", "~all")
        case "_more":
            return spf("ip4:198.51.100.0/24", f"ip4:{names.client}", "~all")
        case _:
            return {"A": [names.client]}


def fixed(record: Types) -> Callable[[Names], Types]:
    """Return a domain's records: this one, the client's name, and names of somebody else."""

    def records(names: Names) -> Types:
        if not names.below:
            return record
        return {"A": [names.client if names.below == "mail" else "10.0.0.1"]}

    return records


def hosts(count: int, each: Types) -> Callable[[Names], Types]:
    """Return a domain's records: ten mx, in each `count` hosts of their own, each with some records."""

    def records(names: Names) -> Types:
        label = names.below.rpartition(".")[2]
        if not names.below:
            return spf(*[f"mx:m{number}.%{{d}}" for number in range(10)], "-all")
        if label[:1] == "m" and label[1:].isdigit() and "." not in names.below:
            return {"MX": [(number, f"h{number}.{names.below}.{names.domain}") for number in range(count)]}
        return {"A": [names.client]} if names.below == "mail" else each

    return records


def macros(macro: str) -> Callable[[Names], Types]:
    """Return a domain's records: ten terms of 1,600 octets of a macro, none of which matches."""
    return fixed(spf(*[f"a:{(macro + '.') * (1_600 // (len(macro) + 1) - 9)}{n}.%{{d}}" for n in range(10)], "-all"))


def explained(text: str) -> Callable[[Names], Types]:
    return lambda names: {"TXT": [text]} if names.below == "x" else fixed(spf("-all", "exp=x.%{d}"))(names)


def included(names: Names) -> Types:
    """Return a domain's records: ten includes, each as long as fits."""
    if not names.below:
        return spf(*[f"include:i{number}.{names.domain}" for number in range(10)], "-all")
    if names.below[:1] == "i":
        return filled(1_550, lambda number: f"ip4:10.{number}.0.1", "-all")
    return {"A": [names.client]}


def pointed(below: str, each: Types) -> Callable[[Names], Types]:
    """Return a domain's records: ten terms about the client's names, which have many addresses."""
    terms = [f"ptr:{below}.%{{d}}" if number % 2 else "exists:%{p}.x.%{d}" for number in range(10)]
    return lambda names: each if names.below else spf(*terms, "-all")


def aliased(names: Names) -> Types:
    """Return a domain's records: ten mx of ten hosts, each at the end of a chain of nine CNAMEs."""
    label, _, rest = names.below.partition(".")
    if label[:1] in ("h", "c") and rest[:1] in ("m", "p"):
        link = int(label[1:]) if label[0] == "c" else 0
        return {"CNAME": [f"c{link + 1}.{rest}.{names.domain}"]} if link < 9 else addresses(9)
    return hosts(10, {})(names)


def everything(names: Names) -> Types:
    """Return a domain's records: those of `aliased`, the record filled up, and explained at length."""
    if names.below == "x":
        return {"TXT": ["%{lr-} " * 2_300]}
    if names.below:
        return aliased(names)
    terms = [f"mx:m{number}.%{{d}}" for number in range(10)]
    return filled(16_300, lambda n: f"ip4:10.{n >> 8}.{n & 255}.1", *terms, "-all", "exp=x.%{d}")


LONG_LOCAL = "a-" * 950
CASES = (
    Case(title="an ordinary suspect", records=ordinary),
    Case(title="macros, a local part of 64 octets", records=macros("%{lr-}"), local="a-" * 32),
    Case(title="macros, a local part of 1,900", records=macros("%{lr-}"), local=LONG_LOCAL),
    Case(title="macros that are empty", records=macros("%{l1-}"), local="a" * 63 + "-"),
    Case(title="many different macros", records=macros("%{l9r-.}%{l8-+=}%{h7r.}%{d3}%{S}"), local="a-" * 32),
    Case(title="an explanation of macros", records=explained("%{lr-} " * 2_300), local="a-" * 32),
    Case(title="an explanation of macros, 1,900", records=explained("%{lr-} " * 2_300), local=LONG_LOCAL),
    Case(title="16 KiB of ip4:", records=fixed(filled(16_300, lambda n: f"ip4:10.{n >> 8}.{n & 255}.1", "-all"))),
    Case(
        title="16 KiB of a/x//y, an error at the end",
        records=fixed(filled(16_300, lambda n: f"a/{n % 33}//{n // 33 % 129}", "moo")),
    ),
    Case(title="60 KiB of ip4:", records=fixed(filled(60_000, lambda n: f"ip4:10.{n >> 8}.{n & 255}.1", "-all"))),
    Case(title="ten includes, 16 KiB in all", records=included),
    Case(title="900 TXT records", records=fixed({"TXT": ["v=spf1 -all", *[f"other {n}" for n in range(899)]]})),
    Case(title="ten mx of ten hosts", records=hosts(10, addresses(1))),
    Case(title="ten mx of ten hosts, 19 addresses each", records=hosts(10, addresses(19))),
    Case(title="ten mx of ten hosts, 900 addresses each", records=hosts(10, addresses(900))),
    Case(title="ten mx of ten hosts behind nine CNAMEs", records=aliased),
    Case(
        title="ten ptr and %{p}, ten names of 900 addresses",
        records=pointed("p", addresses(900)),
        pointers=lambda names: [f"{number}.p.{names.domain}" for number in range(10)],
    ),
    Case(
        title="1,500 PTR records",
        records=pointed("p", addresses(1)),
        pointers=lambda names: [f"{number}.p.{names.domain}" for number in range(1_500)],
    ),
    Case(
        title="ten mx and ten names behind CNAMEs, 16 KiB",
        records=everything,
        pointers=lambda names: [f"h0.p{number}.{names.domain}" for number in range(10)],
        local="a-" * 32,
    ),
    Case(title="a hundred forged header fields", records=ordinary, forged=100),
)


class World(dict[str, Types]):
    """Every session's records, made when they are asked for: the domain's first two labels are session and case."""

    def get(self, name: str, default: Types | None = None) -> Types | None:  # type: ignore[override]
        """Return the records of a name."""
        try:
            return self._records(name)
        except (ValueError, IndexError):
            return default

    def _records(self, name: str) -> Types:
        if name.endswith(".in-addr.arpa"):
            low, high, case, first = (int(label) for label in name.split(".")[:4])
            names = Names(domain=domain(case, high * 256 + low), below="", client="")
            return {"PTR": CASES[case].pointers(names)} if first == _FIRST else {}
        if not name.endswith(f".{DOMAIN}"):
            return {}
        *below, session_label, case_label = name.removesuffix(f".{DOMAIN}").split(".")
        if below[-1:] == ["helo"]:
            below.pop()
            at = f"helo.{session_label}.{case_label}.{DOMAIN}"
        else:
            at = f"{session_label}.{case_label}.{DOMAIN}"
        number, session_number = int(case_label[1:]), int(session_label[1:])
        return CASES[number].records(Names(domain=at, below=".".join(below), client=client(number, session_number)))


_FIRST = 11
"""The first octet of every client's address."""


def domain(case: int, session: int) -> str:
    return f"s{session}.c{case}.{DOMAIN}"


def client(case: int, session: int) -> str:
    return f"{_FIRST}.{case}.{session >> 8}.{session & 255}"


def serve(parent: Connection) -> None:
    """Serve the world till the parent hangs up."""
    with DnsServer() as server:
        server.records = World()
        parent.send(server.address)
        parent.poll(None)


def session(milter: "Worst", case: int, number: int) -> str:
    """Send one message, and return how the milter answered."""
    at = domain(case, number)
    with MilterClient(milter.path, timeout=120.0) as mta:
        mta.connect(address=client(case, number), j="mx.test")
        mta.helo(f"helo.{at}")
        mta.mail(f"<{CASES[case].local}@{at}>")
        if (reply := mta.rcpt(f"<user{number}@rcpt.test>")).action == "continue":
            mta.data()
            for _ in range(CASES[case].forged):
                mta.header("Authentication-Results", f"mx.test; {'(' * 60_000}")
            mta.eoh()
            reply = mta.eom()
        return reply.text[:60] or reply.action


def main() -> int:
    count = int(sys.argv[1]) if sys.argv[1:] else SESSIONS
    ours, theirs = multiprocessing.Pipe()
    nameserver = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    nameserver.start()
    with Lab() as lab:
        configuration = f'[dns]\nnameservers = ["{ours.recv()}"]\n[greylist]\nstore = "memory:"\n'
        milter = lab.start(Worst, configuration)
        ordinary = 0.0
        for case, what in enumerate(CASES):
            for number in range(3):
                session(milter, case, 60_000 + number)
            rest(milter.pid)
            sessions = count if case else 10 * count  # all the others are measured by the first
            began, before = time.monotonic(), cpu_seconds({milter.pid})
            for number in range(sessions):
                said = session(milter, case, number)
            rest(milter.pid)
            each = (cpu_seconds({milter.pid}) - before) / sessions * 1000
            ordinary = ordinary or each
            ratio = each / ordinary
            missed = "" if ratio <= AT_MOST else f"  more than {AT_MOST}x"
            wall = (time.monotonic() - began) / sessions * 1000
            SCREEN.line(f"{what.title:46} {each:7.2f} ms {ratio:5.1f}x  ({wall:5.0f} ms in all) {said}{missed}")
    ours.close()
    nameserver.terminate()
    return os.EX_OK


class Worst(Milter64):
    """milter64 at a unix socket."""

    def __init__(self, folder: Path, configuration: str) -> None:
        super().__init__(folder, configuration, unix=folder / "sock")
        self.path = str(folder / "sock")


if __name__ == "__main__":
    sys.exit(main())
