from dataclasses import replace

import pytest

from milter64.address.translator import Translator
from milter64.judging.remembered_findings import RememberedFindings, SharedFindings
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, Session
from rig.forked import forked

TRANSLATOR = Translator()
SPF = Finding(check="spf", property="smtp.mailfrom", result="pass")
SPF_LOCAL = replace(SPF, facts=(("local-part", "yes"),))
HELO = Finding(check="spf", property="smtp.helo", result="pass")
IPREV = Finding(check="iprev", property="policy.iprev", result="pass")
DMARC = Finding(check="dmarc", property="smtp.mailfrom", result="policy")


LISTED = Finding(check="dnsbl", property="bl", result="listed")


class Answers:
    generation = 0


def envelope(address: str = "2001:db8::25", helo: str = "mail.example.org", sender: str = "a@example.org") -> Envelope:
    client = TRANSLATOR.client(address)
    session = Session(token="", client=client, port=0, helo=helo, mta="mx.lab.example")
    return Envelope(session=session, sender=sender, login="")


def test_what_was_found_last_counts_when_a_record_begins_or_ceases_to_use_the_local_part() -> None:
    memory, fail = RememberedFindings(Answers()), replace(SPF, result="fail")
    for ttl in (300, 0):  # good, and late
        for finding in (SPF, replace(SPF_LOCAL, result="fail"), SPF, replace(SPF_LOCAL, result="softfail"), fail):
            memory.remember(envelope(), finding, ttl)
            assert memory.recall(envelope(), [SPF.key], expired=True)[0] == {SPF.key: finding}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("finding", "later", "recalled"),
    [
        (SPF, envelope(), True),
        (SPF, envelope(sender="b@Example.org"), True),
        (SPF, envelope(helo="MAIL.example.org"), True),
        (SPF, envelope(sender="a@example.net"), False),
        (SPF, envelope(helo="other.example.org"), False),
        (SPF, envelope(address="2001:db8::26"), False),
        (SPF_LOCAL, envelope(), True),
        (SPF_LOCAL, envelope(sender="b@example.org"), False),
        (HELO, envelope(sender="x@example.net"), True),
        (replace(HELO, facts=(("local-part", "yes"),)), envelope(sender="x@example.net"), True),  # postmaster always
        (HELO, envelope(helo="other.example.org"), False),
        (IPREV, envelope(helo="other.example.org", sender="x@example.net"), True),
        (IPREV, envelope(address="2001:db8::26"), False),
        (DMARC, envelope(address="2001:db8::26", helo="other.example.org", sender="b@Example.org"), True),
        (DMARC, envelope(sender="a@sub.example.org"), False),
        (DMARC, envelope(helo="example.org", sender=""), True),
        (DMARC, envelope(helo="mail.example.org", sender=""), False),
        (replace(SPF, result="temperror"), envelope(), False),
        (replace(LISTED, result="temperror"), envelope(), True),
        (LISTED, envelope(helo="other.example.org", sender="x@example.net"), True),
        (LISTED, envelope(address="2001:db8::26"), False),
        (replace(LISTED, property="bl/name"), envelope(helo="other.example.org", sender="x@example.net"), True),
        (replace(LISTED, property="bl/name"), envelope(address="2001:db8::26"), False),
        (replace(LISTED, property="bl/sender"), envelope(address="2001:db8::26", sender="x@Example.org"), True),
        (replace(LISTED, property="bl/sender"), envelope(sender="a@sub.example.org"), False),
        (replace(LISTED, property="bl/helo"), envelope(address="2001:db8::26", helo="MAIL.example.org"), True),
        (replace(LISTED, property="bl/helo"), envelope(helo="other.example.org"), False),
    ],
)
def test_a_finding_serves_the_same_facts_and_no_neighbour(finding: Finding, later: Envelope, recalled: bool) -> None:  # noqa: FBT001  a column
    memory = RememberedFindings(Answers())
    memory.remember(envelope(), finding, 300)
    assert memory.recall(later, [finding.key])[0] == ({finding.key: finding} if recalled else {})


@pytest.mark.parametrize(("ttl", "lasts"), [(300, 300), (86400, 3600), (None, 3600)])
def test_a_finding_lasts_as_long_as_its_records_and_an_hour_at_most(ttl: int | None, lasts: int) -> None:
    clock = Clock()
    memory = RememberedFindings(Answers(), clock=clock)
    memory.remember(envelope(), SPF, ttl)
    clock.now += lasts - 0.5
    assert memory.recall(envelope(), [SPF.key])[0] == {SPF.key: SPF}
    clock.now += 1
    assert memory.recall(envelope(), [SPF.key])[0] == {}


@pytest.mark.parametrize(("finding", "serves"), [(LISTED, False), (replace(LISTED, result="none"), True)])
def test_that_a_list_had_somebody_is_not_told_of_once_it_has_expired(finding: Finding, serves: bool) -> None:  # noqa: FBT001  a column
    clock = Clock()
    memory = RememberedFindings(Answers(), clock=clock)
    memory.remember(envelope(), finding, 60)
    assert memory.recall(envelope(), [finding.key], expired=True)[0] == {finding.key: finding}
    clock.now += 61
    assert bool(memory.recall(envelope(), [finding.key], expired=True)[0]) is serves


def test_an_expired_finding_for_the_whole_domain_hides_none_for_the_sender() -> None:
    clock = Clock()
    memory = RememberedFindings(Answers(), clock=clock)
    memory.remember(envelope(), SPF, 300)
    clock.now += 301
    memory.remember(envelope(), SPF_LOCAL, 300)
    assert memory.recall(envelope(), [SPF.key])[0] == {SPF.key: SPF_LOCAL}


def test_an_expired_finding_is_there_for_an_hour_more_for_those_who_ask_for_it() -> None:
    clock = Clock()
    memory = RememberedFindings(Answers(), clock=clock)
    memory.remember(envelope(), SPF, 300)
    clock.now += 300 + 3599
    assert memory.recall(envelope(), [SPF.key], expired=True)[0] == {SPF.key: SPF}
    clock.now += 2
    assert memory.recall(envelope(), [SPF.key], expired=True)[0] == {}


def test_a_finding_of_another_generation_of_answers_serves_nobody_however_late() -> None:
    answers = Answers()
    memory = RememberedFindings(answers)
    memory.remember(envelope(), SPF, 300, 1)
    for answers.generation, expired in ((0, False), (2, False), (2, True)):
        assert memory.recall(envelope(), [SPF.key], expired=expired)[0] == {}
    answers.generation = 1
    assert memory.recall(envelope(), [SPF.key])[0] == {SPF.key: SPF}


def test_workers_remember_together_and_what_one_has_found_ends_what_another_has_recalled() -> None:
    shared, clock = SharedFindings(), Clock()
    one, other = (RememberedFindings(Answers(), shared, clock=clock) for _ in range(2))
    one.remember(envelope(), SPF, 300)
    recalled, validity = other.recall(envelope(), [SPF.key, IPREV.key])
    assert (recalled, other.left(validity)) == ({SPF.key: SPF}, 300)
    one.remember(envelope(), IPREV, 200)
    assert other.left(validity) == 0
    assert other.recall(envelope(), [SPF.key, IPREV.key])[0] == {SPF.key: SPF, IPREV.key: IPREV}


def test_a_worker_that_knows_less_of_dns64s_has_findings_of_its_own() -> None:
    shared, first, second = SharedFindings(), Answers(), Answers()
    first.generation = 1
    one, other = RememberedFindings(first, shared), RememberedFindings(second, shared)
    less = replace(IPREV, result="fail")
    one.remember(envelope(), IPREV, 300, 1)
    other.remember(envelope(), less, 300, 0)
    assert one.recall(envelope(), [IPREV.key])[0] == {IPREV.key: IPREV}
    assert other.recall(envelope(), [IPREV.key])[0] == {IPREV.key: less}


def test_what_another_process_has_found_ends_what_was_recalled() -> None:
    shared = SharedFindings()
    memory = RememberedFindings(Answers(), shared)
    memory.remember(envelope(), SPF, 300)
    _, validity = memory.recall(envelope(), [SPF.key])
    assert memory.left(validity) > 0

    def find() -> bytes:
        RememberedFindings(Answers(), shared).remember(envelope(), IPREV, 300)
        return b""

    forked(1, find)
    assert memory.left(validity) == 0


def test_findings_begin_anew_for_the_next_workers_beside_those_of_before() -> None:
    before = SharedFindings()
    old, new = RememberedFindings(Answers(), before), RememberedFindings(Answers(), before.anew())
    old.remember(envelope(), SPF, 300)
    assert old.recall(envelope(), [SPF.key])[0] == {SPF.key: SPF}
    assert new.recall(envelope(), [SPF.key])[0] == {}


def test_what_was_recalled_is_all_that_is_known_until_the_first_of_it_runs_out() -> None:
    clock, answers = Clock(), Answers()
    memory = RememberedFindings(answers, clock=clock)
    memory.remember(envelope(), SPF, 300)
    memory.remember(envelope(), IPREV, 200)
    _, validity = memory.recall(envelope(), [SPF.key, IPREV.key])
    assert memory.left(validity) == 200
    clock.now += 150
    assert memory.left(validity) == 50
    assert memory.lasting(envelope(), [SPF.key, HELO.key, IPREV.key]) == {SPF.key: 150, IPREV.key: 50}
    answers.generation += 1
    assert memory.left(validity) == 0


@pytest.mark.parametrize(("finding", "left"), [(IPREV, 0.0), (replace(IPREV, result="temperror"), 300.0)])
def test_what_is_remembered_since_ends_what_was_recalled_and_a_temperror_is_not(finding: Finding, left: float) -> None:
    memory = RememberedFindings(Answers(), clock=Clock())
    memory.remember(envelope(), SPF, 300)
    _, validity = memory.recall(envelope(), [SPF.key, IPREV.key])
    memory.remember(envelope(sender="b@example.net"), finding, 300)
    assert memory.left(validity) == left


def test_the_memory_is_bounded_and_the_oldest_goes_first() -> None:
    memory = RememberedFindings(Answers(), SharedFindings(20_000))
    for number in range(300):
        memory.remember(envelope(address=f"2001:db8::{number}"), IPREV, 300)
    assert not memory.recall(envelope(address="2001:db8::1"), [IPREV.key])[0]
    assert memory.recall(envelope(address="2001:db8::299"), [IPREV.key])[0]
    weight, capacity = memory.bound
    assert 15_000 < weight <= capacity == 20_000


def test_strangers_with_much_to_say_push_out_more_than_others() -> None:
    memory = RememberedFindings(Answers(), SharedFindings(100_000))
    for number in range(20):
        memory.remember(envelope(address=f"2001:db8::{number}"), IPREV, 300)
    for number in range(20):
        memory.remember(envelope(helo="x" * 9_000 + f"{number}.example"), SPF, 300)
    assert memory.bound[0] <= 100_000
    assert not memory.recall(envelope(address="2001:db8::1"), [IPREV.key])[0]
