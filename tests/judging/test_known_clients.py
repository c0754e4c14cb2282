import time
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import pytest

from milter64.address.client import Origin
from milter64.judging import known_clients
from milter64.judging.known_clients import Familiar
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope
from milter64.policy.action_table import Policy
from rig.court import AT_ONCE, PATIENT, ZONE, Court
from rig.envelopes import envelope
from rig.process import until
from rig.records import Records

SPF, IPREV = ("spf", "smtp.mailfrom"), ("iprev", "policy.iprev")
POLICY = Policy(
    {(*SPF, "fail", Origin.IPV6): Action.REJECT},
    {SPF: frozenset({"pass", "fail"}), IPREV: frozenset({"pass", "fail"})},
)


def finding(key: Key) -> Finding:
    return Finding(check=key[0], property=key[1], result="pass")


class Remembered:
    """An inquiry that remembers `findings`, good `until` a time, and counts who wants them."""

    def __init__(self, *keys: Key) -> None:
        self.findings: Findings = {key: finding(key) for key in keys}
        self.until = 100.0
        self.generation = 0
        self.asked = 0
        self.renewed: list[tuple[set[Key], float]] = []

    def recall(self, _envelope: Envelope, keys: list[Key]) -> tuple[Findings, float]:
        self.asked += 1
        found = {key: self.findings[key] for key in keys if key in self.findings}
        return found, self.until if found else float("inf")

    def recalled(self, *_: object) -> None:
        """Count nothing."""

    def renew(self, _envelope: Envelope, keys: list[Key], seconds: float) -> None:
        self.renewed.append((set(keys), seconds))


@pytest.fixture
def clock() -> SimpleNamespace:
    return SimpleNamespace(now=0.0)


def familiar(inquiry: Remembered, clock: SimpleNamespace) -> Familiar:
    return Familiar(POLICY, frozenset(), inquiry, inquiry.renew, clock=lambda: clock.now)  # type: ignore[arg-type]  # a fake


CLIENT = "2001:db8::25"
FIRST = envelope(CLIENT, "mail.example.org", "a@example.org")


def test_what_is_known_is_gathered_once_until_the_first_of_it_runs_out(clock: SimpleNamespace) -> None:
    inquiry = Remembered(SPF, IPREV)
    kept = familiar(inquiry, clock)
    evidence = kept.evidence(FIRST)
    assert evidence.known == inquiry.findings
    clock.now = 99.0
    assert kept.evidence(FIRST) is evidence
    clock.now = 100.0
    inquiry.findings = {}
    assert kept.evidence(FIRST).known == {}


@pytest.mark.parametrize(
    "other",
    [
        envelope("2001:db8::26", "mail.example.org", "a@example.org"),
        envelope(CLIENT, "other.example.org", "a@example.org"),
        envelope(CLIENT, "mail.example.org", "b@example.org"),
        envelope(CLIENT, "mail.example.org", "a@example.org", mta="mail.example.org"),
        replace(
            FIRST, session=replace(FIRST.session, client=replace(FIRST.session.client, origin=Origin.MASKED))
        ),  # since a guard has found its gateway out
    ],
)
def test_nothing_serves_a_neighbour(other: Envelope, clock: SimpleNamespace) -> None:
    inquiry = Remembered(SPF)
    kept = familiar(inquiry, clock)
    first = kept.evidence(FIRST)
    inquiry.findings = {}
    assert SPF in first.known
    assert SPF not in kept.evidence(other).known


def test_what_has_been_found_out_since_counts(clock: SimpleNamespace) -> None:
    inquiry = Remembered(SPF)
    kept = familiar(inquiry, clock)
    assert kept.evidence(FIRST).unanswered == (IPREV,)
    inquiry.findings = {SPF: finding(SPF), IPREV: finding(IPREV)}
    kept.forget(FIRST)
    assert kept.evidence(FIRST).unanswered == ()


def test_what_is_kept_ready_ends_with_the_generation_of_answers_behind_it(clock: SimpleNamespace) -> None:
    inquiry = Remembered(SPF)
    kept = familiar(inquiry, clock)
    assert SPF in kept.evidence(FIRST).known
    inquiry.findings = {}
    inquiry.generation += 1
    assert SPF not in kept.evidence(FIRST).known


def test_what_is_gathered_while_a_generation_ends_is_of_the_old_one(clock: SimpleNamespace) -> None:
    inquiry = Remembered(SPF)
    recall = inquiry.recall

    def slowly(_envelope: Envelope, keys: list[Key]) -> tuple[Findings, float]:
        found = recall(_envelope, keys)
        inquiry.generation += 1
        inquiry.findings = {}
        return found

    inquiry.recall = slowly  # type: ignore[method-assign]  # for once
    kept = familiar(inquiry, clock)
    assert SPF in kept.evidence(FIRST).known
    assert SPF not in kept.evidence(FIRST).known


@pytest.mark.parametrize(
    ("until", "renewed_from"),
    [(3600.0, 3240.0), (300.0, 270.0), (100.0, 90.0), (30.0, 20.0), (16.0, 8.0)],
)
def test_answers_are_renewed_for_who_comes_while_they_are_about_to_run_out(
    clock: SimpleNamespace, until: float, renewed_from: float
) -> None:
    inquiry = Remembered(SPF, IPREV)
    inquiry.until = until
    kept = familiar(inquiry, clock)
    kept.evidence(FIRST)
    clock.now = renewed_from - 1.0
    kept.evidence(FIRST)
    assert inquiry.renewed == []
    clock.now = renewed_from
    kept.evidence(FIRST)
    kept.evidence(FIRST)
    assert inquiry.renewed == [({SPF, IPREV}, until - renewed_from)]
    clock.now += 5.0
    kept.evidence(FIRST)
    assert [seconds for _, seconds in inquiry.renewed] == [until - renewed_from, until - renewed_from - 5.0]


def test_where_nothing_was_asked_nothing_is_renewed(clock: SimpleNamespace) -> None:
    inquiry = Remembered()
    kept = familiar(inquiry, clock)
    malformed = envelope("fd00::25", "not a name", "a@example.org")  # of private use, so DNS isn't asked
    for clock.now in (0.0, 1e9):
        assert kept.evidence(malformed).known
    assert inquiry.renewed == []


def test_who_was_never_asked_about_takes_no_place_and_who_came_longest_ago_gives_way(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    inquiry = Remembered()
    kept = familiar(inquiry, clock)
    kept.evidence(FIRST)
    assert kept.bound[0] == 0
    inquiry.findings = {SPF: finding(SPF)}
    kept.evidence(FIRST)
    monkeypatch.setattr(known_clients, "_CAPACITY", 2 * kept.bound[0])
    kept = familiar(inquiry, clock)
    for number in range(3):
        kept.evidence(envelope(CLIENT, "mail.example.org", f"{number}@example.org"))
    assert kept.bound == (known_clients._CAPACITY, known_clients._CAPACITY)  # noqa: SLF001
    asked = inquiry.asked
    kept.evidence(envelope(CLIENT, "mail.example.org", "2@example.org"))
    assert inquiry.asked == asked
    kept.evidence(envelope(CLIENT, "mail.example.org", "0@example.org"))
    assert inquiry.asked == asked + 1


def test_of_a_client_about_whom_strangers_say_too_much_nothing_is_kept(clock: SimpleNamespace) -> None:
    inquiry = Remembered(SPF, IPREV)
    inquiry.findings = {**inquiry.findings, IPREV: replace(finding(IPREV), facts=(("name", "x" * 9000),))}
    kept = familiar(inquiry, clock)
    for _ in range(2):
        kept.evidence(FIRST)
    assert (inquiry.asked, kept.bound[0]) == (2, 0)


def test_what_the_header_has_asked_about_a_familiar_client_is_known_next_time() -> None:
    court = Court(f'{AT_ONCE}skip_recipients = ["lab.example"]\n[iprev]\nactions = {{ fail = "greylist" }}\n')
    court.judge(court.begin())  # SPF alone
    transaction = court.begin()
    assert IPREV not in transaction.known
    court.end(transaction)
    assert IPREV in court.begin().known


def test_what_was_learned_about_a_familiar_client_is_known_next_time() -> None:
    court = Court(f'{PATIENT}apply = "all"\n')
    court.judge(court.begin(sender="a@soft.example"))
    numbers = count()  # for who comes while it learns is kept ready with what was known then
    until(lambda: IPREV in court.begin(sender=f"{next(numbers)}@soft.example").known, "the engine to learn")
    transaction = court.begin()
    assert SPF not in transaction.known
    court.judge(transaction)
    until(lambda: SPF in court.begin().known, "the engine to learn more")


def test_a_familiar_client_is_asked_about_anew_before_the_answers_run_out() -> None:
    court = Court(records=Records(ZONE, ttl=30))
    court.judge(court.begin())
    court.begin()
    ahead, asked = 0.0, list(court.dns.questions)
    court.engine._familiar._clock = lambda: time.monotonic() + ahead  # noqa: SLF001
    court.begin()
    assert court.dns.questions == asked
    ahead = 25.0
    court.begin()
    until(lambda: sorted(court.dns.questions) == sorted(asked * 2), "the same questions to be asked again")
    assert [0.0 < lasting <= 5.0 for lasting in court.dns.lasting] == [False] * len(asked) + [True] * len(asked)
