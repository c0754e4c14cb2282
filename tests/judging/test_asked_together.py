"""The checks of a verdict ask together: what all of them lack at a time in one go, and in no thread of their own."""

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import current_thread
from weakref import ReferenceType, ref

import pytest

from milter64.address.translator import Translator
from milter64.checks import iprev, spf
from milter64.checks.all_checks import REMOTE
from milter64.dns.asked_together import Shared, asked_together
from milter64.dns.lookup import Answer, Asking, Lookup, Wanted, asked_alone
from milter64.dns.resolver import Resolver
from milter64.dns.settings import Settings
from milter64.dns.unanswered import OutOfMeans, TimedOut, Unanswered
from milter64.judging.check_runner import CheckRunner
from milter64.judging.remembered_findings import RememberedFindings
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope
from rig.dnsserver import ALL, DnsServer, Fault
from rig.envelopes import envelope
from rig.process import until
from rig.records import Records, zone

HELO, SPF, IPREV = ("spf", "smtp.helo"), ("spf", "smtp.mailfrom"), ("iprev", "policy.iprev")
CLIENT, REVERSE = "192.31.196.10", "10.196.31.192.in-addr.arpa"
ENVELOPE = envelope(CLIENT, "mail.honest.example", "a@honest.example")
ZONE = f"""
    honest.example TXT v=spf1 include:one.example -all
    one.example TXT v=spf1 include:two.example -all
    two.example TXT v=spf1 include:three.example -all
    three.example TXT v=spf1 a:mail.honest.example -all
    mail.honest.example A {CLIENT}
    {REVERSE} PTR mail.honest.example
"""
Question = tuple[str, str]


class Batches(Records):
    """Keeps what is asked in one go; what is `joined` somebody else waits for already."""

    def __init__(self, text: str, *failing: str) -> None:
        super().__init__(zone(text), failing)
        self.batches: list[set[str]] = []
        self.joined = set[Question]()

    def ask_all(self, questions: dict[Question, float]) -> Iterator[tuple[Question, Answer | Unanswered | None]]:
        while questions:
            self.batches.append({f"{rdtype} {name}" for name, rdtype in questions})
            taken = {question: questions.pop(question) for question in tuple(questions)}
            yield from ((each, None) for each in self.joined & taken.keys())
            yield from super().ask_all({each: until for each, until in taken.items() if each not in self.joined})


def asked(records: Records, *keys: Key) -> Findings:
    """Return what is found; in all of it are the questions that led to it."""
    with closing(CheckRunner(records, RememberedFindings(records), print, lambda: None)) as runner:  # type: ignore[arg-type]  # a fake
        findings, lookups = runner.ask(ENVELOPE, keys, time.monotonic() + 10)
    assert findings.keys() == lookups.keys()
    assert all(lookup.questions for lookup in lookups.values())
    return findings


def test_what_all_lack_is_asked_in_one_go_and_nothing_twice() -> None:
    records = Batches(ZONE)
    findings = asked(records, HELO, SPF, IPREV)
    assert {key: finding.result for key, finding in findings.items()} == {HELO: "none", SPF: "pass", IPREV: "pass"}
    assert records.batches == [
        {"TXT mail.honest.example", "TXT honest.example", f"PTR {REVERSE}"},
        {"TXT one.example", "A mail.honest.example"},
        {"TXT two.example"},
        {"TXT three.example"},
    ]
    assert sorted(records.questions) == sorted(set(records.questions))


def test_findings_are_in_the_order_of_the_questions() -> None:
    records = Batches(ZONE)
    records.joined = {("honest.example", "TXT")}
    for keys in ((IPREV, SPF, HELO), (SPF, HELO, IPREV)):
        assert tuple(asked(records, *keys)) == keys


def test_no_check_has_a_thread_of_its_own_but_one_that_waits_for_what_another_verdict_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: dict[str, set[str]] = {}

    def noted(check: str, envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
        finding = yield from {"spf": spf.mailfrom, "iprev": iprev.iprev}[check](envelope, lookup)
        threads.setdefault(check, set()).add(current_thread().name.partition("_")[0])
        return finding

    monkeypatch.setitem(REMOTE, SPF, lambda *asked: noted("spf", *asked))
    monkeypatch.setitem(REMOTE, IPREV, lambda *asked: noted("iprev", *asked))
    records = Batches(ZONE)
    asked(records, SPF, IPREV)
    assert threads == {"spf": {"MainThread"}, "iprev": {"MainThread"}}
    records.joined = {(REVERSE, "PTR")}
    assert asked(records, SPF, IPREV)[IPREV].result == "pass"
    assert threads == {"spf": {"MainThread"}, "iprev": {"MainThread", "dns"}}


def test_an_error_is_that_of_all_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REMOTE, HELO, spf.mailfrom)
    records = Batches(ZONE, "honest.example")
    findings = asked(records, HELO, SPF, IPREV)
    assert {finding.result for key, finding in findings.items() if key != IPREV} == {"temperror"}
    assert records.questions.count("TXT honest.example") == 1


def test_no_check_waits_for_an_answer_that_another_lacks() -> None:
    with DnsServer(zone(ZONE)) as server, ThreadPoolExecutor() as pool:
        gate = server.hold(REVERSE)
        resolver = Resolver(Settings(nameservers=(server.address,)), Translator())
        with closing(CheckRunner(resolver, RememberedFindings(resolver), print, lambda: None)) as runner:
            findings = pool.submit(runner.ask, ENVELOPE, [IPREV, SPF], time.monotonic() + 10)
            until(lambda: server.count("three.example"), "the last question about SPF")
            gate.set()
            assert {finding.result for finding in findings.result(10)[0].values()} == {"pass"}


def test_who_has_half_of_the_time_alone_waits_no_longer_where_another_asks_the_same() -> None:
    """A forger whose own reverse zone is silent must not talk his way out of a fail (RFC 7208 5.5)."""
    with DnsServer(zone("honest.example TXT v=spf1 ptr -all")) as server:
        gate = server.hold(REVERSE)
        resolver = Resolver(Settings(nameservers=(server.address,), timeout=5.0), Translator())
        with closing(CheckRunner(resolver, RememberedFindings(resolver), print, lambda: None)) as runner:
            findings, _ = runner.ask(ENVELOPE, [IPREV, SPF], time.monotonic() + 1)
        gate.set()
    assert {key: finding.result for key, finding in findings.items()} == {IPREV: "temperror", SPF: "fail"}


def test_a_fault_in_dns_is_each_checks_own() -> None:
    class Broken(Batches):
        def ask_all(self, questions: dict[Question, float]) -> Iterator[tuple[Question, Answer | Unanswered | None]]:
            for answer in super().ask_all(questions):
                if answer[0][1] == "PTR":
                    raise ZeroDivisionError
                yield answer

        def ask(self, name: str, rdtype: str, deadline: float = 0.0, lasting: float = 0.0) -> Answer:
            if rdtype == "PTR":
                raise ZeroDivisionError
            return super().ask(name, rdtype, deadline, lasting)

    faults = list[str]()
    records = Broken(ZONE)
    with closing(CheckRunner(records, RememberedFindings(records), faults.append, lambda: None)) as runner:  # type: ignore[arg-type]  # a fake
        findings, _ = runner.ask(ENVELOPE, [IPREV, SPF], time.monotonic() + 10)
    assert {key: finding.result for key, finding in findings.items()} == {SPF: "pass", IPREV: "temperror"}
    assert faults == ["iprev policy.iprev"]


def test_whoever_is_told_of_a_failure_has_one_of_his_own() -> None:
    """An exception keeps what it went through, and so all that was asked there."""
    failures = list[Unanswered]()

    def asking() -> Asking[None]:
        with pytest.raises(Unanswered, match="SERVFAIL") as told:
            yield Wanted("gone.example", "A", 0.0)
        failures.append(told.value)

    shared = Shared(Batches("", "gone.example"))
    assert len(list(asked_together({number: asking() for number in range(2)}, shared))) == 2
    for _ in range(2):
        asked_alone(asking(), shared)
    assert len(set(map(id, failures))) == 4


@pytest.mark.parametrize("failures", [1, 2])
def test_a_failure_is_told_to_nobody_who_asks_later(failures: int) -> None:
    """He may have more time: or else a forger whose names are silent had the domain's own hosts unheard."""

    class Silent(Batches):
        def ask(self, name: str, rdtype: str, deadline: float = 0.0, lasting: float = 0.0) -> Answer:
            answer = super().ask(name, rdtype, deadline, lasting)
            if len(self.questions) <= failures:
                raise TimedOut("no time left")
            return answer

    def asking() -> Asking[Answer | None]:
        for number in range(failures):
            with pytest.raises(TimedOut):
                yield Wanted("mail.honest.example", "A", float(number))
        return (yield Wanted("mail.honest.example", "A", 9.0))

    for stuck in (False, True):
        shared = Shared(Silent(ZONE))
        ((_, result),) = [(0, asked_alone(asking(), shared))] if stuck else asked_together({0: asking()}, shared)
        assert isinstance(result, Answer)
        assert result.values == (CLIENT,)


def test_what_failed_holds_on_to_nothing() -> None:
    doors = list[ReferenceType[Lookup]]()

    def noted(envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
        doors.append(ref(lookup))
        return spf.mailfrom(envelope, lookup)

    gc.disable()  # which would let go of it some time, after many like it
    try:
        with DnsServer(zone(ZONE)) as server:
            server.faults[ALL] = Fault.REFUSED
            asking = Resolver(Settings(nameservers=(server.address,)), Translator())
            runner = CheckRunner(asking, RememberedFindings(asking), print, lambda: None, checks={SPF: noted})
            assert runner.ask(ENVELOPE, [SPF], time.monotonic() + 10)[0][SPF].result == "temperror"
            assert runner.ask_in_turn(ENVELOPE, [SPF], time.monotonic() + 10)[SPF].result == "temperror"
        assert [door() for door in doors] == [None, None]
    finally:
        gc.enable()


def test_whether_dns_answers_at_all_is_seen_without_keeping_others_waiting() -> None:
    class Doubtful(Batches):
        def alive(self, deadline: float = 0.0) -> bool:
            return current_thread().name.startswith("dns") and super().alive(deadline)

    records = Doubtful(ZONE.replace("include:one.example -all", "-all exp=gone.example"), "gone.example")
    assert asked(records, SPF)[SPF].result == "temperror", "there is nobody else"
    assert asked(records, SPF, IPREV)[SPF].result == "fail"


def test_what_one_has_waited_for_is_there_for_all() -> None:
    records = Batches(ZONE)
    answers = Shared(records)
    assert [answers.ask("one.example", "TXT", 0.0) for _ in range(2)]
    assert records.questions == ["TXT one.example"]


def test_who_is_stuck_last_waits_where_all_were_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread for nobody but one would be a detour."""
    threads = list[str]()

    def noted(envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
        finding = yield from iprev.iprev(envelope, lookup)
        threads.append(current_thread().name)
        return finding

    monkeypatch.setitem(REMOTE, IPREV, noted)
    records = Batches(ZONE)
    records.joined = {("mail.honest.example", "A")}
    assert asked(records, IPREV)[IPREV].result == "pass"
    assert threads == ["MainThread"]


def test_want_of_means_is_nobodys_opinion() -> None:
    class OutOfSockets(Batches):
        def ask(self, name: str, rdtype: str, deadline: float = 0.0, lasting: float = 0.0) -> Answer:
            if rdtype == "PTR":
                raise OutOfMeans("too many open files")
            return super().ask(name, rdtype, deadline, lasting)

    assert asked(OutOfSockets(ZONE), SPF, IPREV).keys() == {SPF}


def test_what_was_made_of_answers_that_were_to_be_forgotten_is_not_remembered() -> None:
    class Forgotten(Batches):
        def ask_all(self, questions: dict[Question, float]) -> Iterator[tuple[Question, Answer | Unanswered | None]]:
            for answer in super().ask_all(questions):
                self.generation += 1  # before anything is made of it
                yield answer

    records = Forgotten(ZONE)
    memory = RememberedFindings(records)
    with closing(CheckRunner(records, memory, print, lambda: None)) as runner:  # type: ignore[arg-type]  # a fake
        assert runner.ask(ENVELOPE, [SPF, IPREV], time.monotonic() + 10)[0].keys() == {SPF, IPREV}
    assert memory.recall(ENVELOPE, [SPF, IPREV])[0] == {}
