import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from threading import Barrier, Event

import pytest

from milter64.checks import spf
from milter64.checks.all_checks import REMOTE
from milter64.dns.lookup import Answer, Asking, Lookup
from milter64.judging import check_runner
from milter64.judging.check_runner import CheckRunner
from milter64.judging.remembered_findings import RememberedFindings
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope
from rig.envelopes import envelope
from rig.process import until
from rig.records import Records, zone

SPF_HELO, SPF, IPREV = ("spf", "smtp.helo"), ("spf", "smtp.mailfrom"), ("iprev", "policy.iprev")
CLIENT = "192.31.196.10"
ENVELOPE = envelope(CLIENT, "mail.honest.example", "a@honest.example")
ZONE = f"""
    honest.example TXT v=spf1 ip4:{CLIENT} -all
    mail.honest.example A {CLIENT}
    10.196.31.192.in-addr.arpa PTR mail.honest.example
"""


class Slow(Records):
    """Answers when its gate is open."""

    def __init__(self, text: str, slow: str = "") -> None:
        super().__init__(zone(text))
        self.gate = Event()
        self._slow = slow

    def ask(self, name: str, rdtype: str, deadline: float = 0.0, _lasting: float = 0.0) -> Answer:
        answer = super().ask(name, rdtype, deadline)
        assert self._slow not in self.questions[-1] or self.gate.wait(10)
        return answer


Make = Callable[[Records], CheckRunner]


@pytest.fixture
def faults() -> list[str]:
    return []


@pytest.fixture
def make(faults: list[str]) -> Iterator[Make]:
    """Make a runner that asks some records, and is closed in the end."""
    with ExitStack() as stack:
        yield lambda records: stack.enter_context(
            closing(CheckRunner(records, RememberedFindings(records), faults.append, lambda: None))  # type: ignore[arg-type]  # a fake
        )


def recalled(asked: CheckRunner, *keys: Key, expired: bool = False) -> Findings:
    return asked._findings.recall(ENVELOPE, keys, expired=expired)[0]  # noqa: SLF001


def soon() -> float:
    return time.monotonic() + 10


def results(findings: dict[Key, Finding]) -> dict[Key, str]:
    return {key: finding.result for key, finding in findings.items()}


def test_questions_are_asked_side_by_side(make: Make, faults: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    together = Barrier(3, timeout=10)
    for key in (SPF_HELO, SPF, IPREV):

        def meet(_: Envelope, __: Lookup, key: Key = key) -> Asking[Finding]:
            yield None
            together.wait()
            return Finding(check=key[0], property=key[1], result="pass")

        monkeypatch.setitem(REMOTE, key, meet)
    findings, lookups = make(Records({})).ask(ENVELOPE, [SPF_HELO, SPF, IPREV], soon())
    assert {finding.result for finding in findings.values()} == {"pass"}
    assert findings.keys() == lookups.keys() == {SPF_HELO, SPF, IPREV}
    assert faults == []


def test_all_questions_of_all_verdicts_may_wait_for_what_others_ask() -> None:
    keys, verdicts = (SPF_HELO, SPF, IPREV), 32
    together = Barrier(verdicts * len(keys), timeout=10)

    def meet(key: Key) -> Asking[Finding]:
        yield None
        together.wait()
        return Finding(check=key[0], property=key[1], result="pass")

    checks = {key: lambda *_, key=key: meet(key) for key in keys}
    records = Records({})
    memory = RememberedFindings(records)
    with (
        closing(CheckRunner(records, memory, print, lambda: None, checks=checks)) as asked,  # type: ignore[arg-type]  # a fake
        ThreadPoolExecutor(verdicts) as pool,
    ):
        each = [envelope(f"198.{n}.0.1", f"mail.{n}.example", f"a@{n}.example") for n in range(verdicts)]
        findings = [result for result, _ in pool.map(lambda one: asked.ask(one, keys, soon()), each)]
    assert [results(dict(found)) for found in findings] == [dict.fromkeys(keys, "pass")] * verdicts


def test_the_lookups_tell_how_the_findings_came_about(make: Make) -> None:
    _, lookups = make(Records(zone(ZONE))).ask(ENVELOPE, [SPF, IPREV], soon())
    assert {key: [question.name for question in lookup.questions] for key, lookup in lookups.items()} == {
        SPF: ["honest.example"],
        IPREV: ["10.196.31.192.in-addr.arpa", "mail.honest.example"],
    }


def client(number: int) -> Envelope:
    """Return the same message from a network that no other number shares."""
    return envelope(f"198.{number}.0.1", "mail.honest.example", "a@honest.example")


def test_in_a_burst_of_one_network_half_are_asked_at_once_and_all_are_judged(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_runner, "_PATIENCE", 10.0)
    records = Slow(ZONE)
    asked = make(records)
    with ThreadPoolExecutor(41) as pool:
        waiting = [pool.submit(asked.ask, ENVELOPE, [SPF], soon()) for _ in range(40)]
        until(lambda: asked.bounds()["waiting_line"] == (24, 256), "some to wait in the line")
        assert asked.bounds()["waiting_verdicts"] == (16, 32)
        other = pool.submit(asked.ask, client(1), [SPF], soon())
        until(lambda: asked.bounds()["waiting_verdicts"] == (17, 32), "another network to get in at once")
        records.gate.set()
        findings = [verdict.result()[0][SPF].result for verdict in (*waiting, other)]
    assert findings == ["pass"] * 40 + ["fail"]
    taken = {name: bound[0] for name, bound in asked.bounds().items()}
    assert (taken["waiting_verdicts"], taken["waiting_line"]) == (0, 0)


@pytest.mark.parametrize("line", [256, 0])
def test_what_we_are_too_busy_to_ask_has_no_finding_and_every_place_is_given_back(
    make: Make, monkeypatch: pytest.MonkeyPatch, line: int
) -> None:
    monkeypatch.setattr(check_runner, "_PATIENCE", 0.01 if line else 10.0)
    monkeypatch.setattr(check_runner, "_MOST_IN_LINE", line)
    records = Slow(ZONE)
    asked = make(records)
    with ThreadPoolExecutor(32) as pool:
        waiting = [pool.submit(asked.ask, client(n), [IPREV], soon()) for n in range(32)]
        until(lambda: len(records.questions) == 32, "all to wait")
        assert asked.ask(ENVELOPE, [SPF, IPREV], soon()) == ({}, {})
        monkeypatch.setattr(check_runner, "_PATIENCE", 1000.0)
        assert asked.ask(ENVELOPE, [SPF, IPREV], soon(), patient=False) == ({}, {})
        records.gate.set()
        assert [results(dict(task.result()[0])) for task in waiting] == [{IPREV: "permerror"}] * 32
    for _ in range(40):  # each has given its place back
        findings, _ = asked.ask(ENVELOPE, [SPF], soon())
        assert findings[SPF].result == "pass"


def test_who_waits_for_the_address_alone_waits_for_no_domain(make: Make) -> None:
    records = Slow(ZONE, slow="PTR")
    asked = make(records)
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(asked.ask, client(n), [SPF, IPREV], soon()) for n in range(20)]
        until(lambda: asked.bounds()["waiting_verdicts"] == (20, 32), "all to wait for their addresses' names")
        records.gate.set()
        assert [results(dict(task.result()[0])) for task in waiting] == [{SPF: "fail", IPREV: "permerror"}] * 20


def test_a_check_that_overruns_the_deadline_has_no_finding_keeps_its_place_and_the_others_count(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Event()

    def overrun(_: Envelope, __: Lookup) -> Asking[Finding]:
        yield None
        assert gate.wait(10)
        return Finding(check=IPREV[0], property=IPREV[1], result="pass")

    def wait(envelope: Envelope, lookup: Lookup) -> Asking[Finding]:
        yield None
        return (yield from spf.helo(envelope, lookup))

    asked = make(Records(zone(ZONE)))
    monkeypatch.setitem(REMOTE, IPREV, overrun)
    monkeypatch.setitem(REMOTE, SPF_HELO, wait)
    began = time.monotonic()
    findings, lookups = asked.ask(ENVELOPE, [SPF_HELO, SPF, IPREV], began + 0.1)
    assert time.monotonic() - began < 5
    assert results(dict(findings)) == {SPF_HELO: "none", SPF: "pass"}
    assert lookups.keys() == {SPF_HELO, SPF}
    assert asked.bounds()["waiting_verdicts"] == (1, 32)
    gate.set()
    until(lambda: asked.bounds()["waiting_verdicts"] == (0, 32), "the place to be given back")


@pytest.mark.parametrize("broken", [SPF, IPREV], ids=str)
def test_a_check_that_breaks_is_a_temperror_the_others_count_and_it_is_reported(
    broken: Key, make: Make, faults: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = make(Records(zone(ZONE)))
    with monkeypatch.context() as patch:
        patch.setitem(REMOTE, broken, lambda *_: 1 // 0)
        findings, _ = asked.ask(ENVELOPE, [SPF, IPREV], soon())
    assert results(dict(findings)) == {SPF: "pass", IPREV: "pass"} | {broken: "temperror"}
    assert findings[broken].reason == "our own fault (ZeroDivisionError)"
    assert faults == [" ".join(broken)]
    assert recalled(asked, broken) == {}
    assert asked.ask(ENVELOPE, [broken], soon())[0][broken].result == "pass"


def test_what_was_found_is_recalled_and_a_temperror_is_not(make: Make) -> None:
    asked = make(Records(zone(ZONE), ["10.196.31.192.in-addr.arpa"]))
    found, _ = asked.ask(ENVELOPE, [SPF, IPREV], soon())
    assert found[IPREV].result == "temperror"
    assert recalled(asked, SPF_HELO, SPF, IPREV) == {SPF: found[SPF]}


def test_asking_in_turn_finds_the_same(make: Make) -> None:
    asked = make(Records(zone(ZONE)))
    assert asked.ask_in_turn(ENVELOPE, [SPF, IPREV], soon()) == asked.ask(ENVELOPE, [SPF, IPREV], soon())[0]


def test_a_temperror_says_if_no_nameserver_answers_at_all(make: Make) -> None:
    records = Records(zone(ZONE), ["honest.example"])
    asked = make(records)
    assert asked.ask(ENVELOPE, [SPF], soon())[0][SPF].fact("resolver") is None
    records.down = True
    findings, _ = asked.ask(ENVELOPE, [SPF, IPREV], soon())
    assert {(finding.result, finding.fact("resolver")) for finding in findings.values()} == {("temperror", "down")}


class Dying(Records):
    """Answers about policies, and to nothing else; `alive` is whether anybody else would get an answer now."""

    def __init__(self, *, alive: bool) -> None:
        super().__init__(zone("honest.example TXT v=spf1 ptr -all"), ["10.196.31.192.in-addr.arpa"])
        self._alive = alive

    def alive(self, deadline: float = 0.0) -> bool:
        assert deadline
        return self._alive


@pytest.mark.parametrize(("alive", "result"), [(True, "fail"), (False, "temperror")])
def test_a_fail_for_want_of_an_answer_counts_if_nameservers_answer_others(  # RFC 7208 5.5
    make: Make, result: str, *, alive: bool
) -> None:
    asked = make(Dying(alive=alive))
    assert asked.ask(ENVELOPE, [SPF], soon())[0][SPF].result == result
    assert recalled(asked, SPF) == {}


@pytest.mark.parametrize(
    ("record", "result", "remembered"),
    [
        ("v=spf1 ptr -all", "fail", False),
        ("v=spf1 ptr ~all", "softfail", False),
        ("v=spf1 ptr ?all", "neutral", False),
        ("v=spf1 ptr", "neutral", False),
        ("v=spf1 ptr include:nothing.example", "permerror", False),
        ("v=spf1 ptr +all", "pass", True),
        ("v=spf1 -all", "fail", True),
        ("v=spf1 ~all", "softfail", True),
    ],
)
def test_what_an_answer_might_have_made_a_pass_is_not_remembered(
    make: Make, record: str, result: str, *, remembered: bool
) -> None:
    records = Records(zone(f"honest.example TXT {record}"), ["10.196.31.192.in-addr.arpa"])
    asked = make(records)
    assert asked.ask(ENVELOPE, [SPF], soon())[0][SPF].result == result
    assert bool(recalled(asked, SPF)) == remembered


def test_what_was_found_before_all_was_to_be_forgotten_is_remembered_neither_before_nor_after(make: Make) -> None:
    records = Slow(ZONE, slow="honest.example")
    asked = make(records)
    records.gate.set()
    found = asked.ask(ENVELOPE, [IPREV], soon())
    assert recalled(asked, IPREV) == found[0]
    records.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        before = len(records.questions)
        late = pool.submit(asked.ask, ENVELOPE, [SPF], soon())
        until(lambda: len(records.questions) > before, "the question to be asked")
        records.generation += 1
        records.gate.set()
        assert late.result()[0][SPF].result == "pass"
    for expired in (False, True):
        assert recalled(asked, SPF, IPREV, expired=expired) == {}
    records.generation -= 1  # as where the same is known as before, but it isn't sure what the answers rest on
    assert recalled(asked, SPF, IPREV) == {IPREV: found[0][IPREV]}
    records.generation += 1
    asked.ask(ENVELOPE, [SPF, IPREV], soon())
    assert recalled(asked, SPF, IPREV).keys() == {SPF, IPREV}
