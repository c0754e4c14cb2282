"""Findings that ran out within the last hour, and whom they serve."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from milter64.dns.lookup import Answer
from milter64.judging.check_runner import CheckRunner
from milter64.judging.remembered_findings import RememberedFindings
from milter64.mail.finding import Finding, Key
from rig.envelopes import envelope
from rig.records import Records, Zone, zone

SPF, IPREV = ("spf", "smtp.mailfrom"), ("iprev", "policy.iprev")
CLIENT = "192.31.196.10"
ENVELOPE = envelope(CLIENT, "mail.honest.example", "a@honest.example")
ZONE = f"""
    honest.example TXT v=spf1 ip4:{CLIENT} -all
    mail.honest.example A {CLIENT}
    10.196.31.192.in-addr.arpa PTR mail.honest.example
"""


def soon() -> float:
    return time.monotonic() + 10


class Deadlines(Records):
    """Keeps the deadlines of questions."""

    def __init__(self, zone: Zone, *, ttl: int) -> None:
        super().__init__(zone, ttl=ttl)
        self.deadlines: list[float] = []

    def ask(self, name: str, rdtype: str, deadline: float = 0.0, lasting: float = 0.0) -> Answer:
        self.deadlines.append(deadline)
        return super().ask(name, rdtype, deadline, lasting)


class Expired:
    """A runner whose findings have all run out, and the records that it asks."""

    def __init__(self) -> None:
        self.records = Deadlines(zone(ZONE), ttl=0)
        self.runner = CheckRunner(self.records, RememberedFindings(self.records), lambda _: None, lambda: None)  # type: ignore[arg-type]  # a fake
        self.runner.ask(ENVELOPE, [SPF, IPREV], soon())
        self.records.questions.clear()
        self.records.deadlines.clear()

    def answers(self, serves: Callable[[Finding], bool], *, at_once: bool) -> tuple[dict[Key, str], set[Key]]:
        findings, _, late = self.runner.answers(ENVELOPE, [SPF, IPREV], soon(), serves, at_once=at_once)
        return {key: finding.result for key, finding in findings.items()}, set(late)


@pytest.fixture
def expired() -> Iterator[Expired]:
    made = Expired()
    with closing(made.runner):
        yield made


def test_late_findings_serve_at_once_where_they_may(expired: Expired) -> None:
    assert expired.answers(lambda _: True, at_once=True) == ({SPF: "pass", IPREV: "pass"}, {SPF, IPREV})
    assert expired.records.questions == []


def test_elsewhere_late_findings_serve_if_dns_does_not_answer(expired: Expired) -> None:
    assert expired.answers(lambda _: True, at_once=False) == ({SPF: "pass", IPREV: "pass"}, set())
    assert expired.records.questions
    expired.records.fail("honest.example")
    assert expired.answers(lambda _: True, at_once=False) == ({SPF: "pass", IPREV: "pass"}, {SPF})


@pytest.mark.parametrize(("serves", "seconds"), [(True, 0.3), (False, 10.0)])
def test_dns_has_a_moment_where_late_findings_would_do_for_all_and_else_its_whole_time(
    expired: Expired, seconds: float, *, serves: bool
) -> None:
    before = time.monotonic()
    expired.answers(lambda finding: serves or finding.key != SPF, at_once=False)
    assert all(before + seconds <= each <= time.monotonic() + seconds for each in expired.records.deadlines)


@pytest.mark.parametrize(("at_once", "spf"), [(True, "pass"), (False, "temperror")])
def test_a_late_finding_that_may_not_serve_does_so_for_those_alone_who_have_passed_while_dns_is_silent(
    expired: Expired, spf: str, *, at_once: bool
) -> None:
    expired.records.fail("honest.example")
    assert expired.answers(lambda finding: finding.key != SPF, at_once=at_once)[0] == {SPF: spf, IPREV: "pass"}


def test_being_busy_is_no_silence(expired: Expired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expired.runner, "ask", lambda *_, **__: ({}, {}))
    assert expired.answers(lambda finding: finding.key == IPREV, at_once=True) == ({IPREV: "pass"}, {IPREV})
    assert expired.answers(lambda finding: finding.key == IPREV, at_once=False) == ({IPREV: "pass"}, {IPREV})
