"""What each outcome adds to the numbers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from milter64.greylist.attempt import attempt
from milter64.greylist.row import Record
from milter64.greylist.settings import Settings
from milter64.limits.memory import USUAL
from milter64.mail.action import Action
from milter64.mail.finding import Finding
from milter64.policy.decision import Verdict
from milter64.telemetry.log import Telemetry
from milter64.telemetry.metrics import FAMILIES, Tally
from milter64.telemetry.settings import Settings as LogSettings
from rig.court import PATIENT, STRANGER, Court
from rig.envelopes import envelope

ENVELOPE = envelope("64:ff9b::c01f:c40a", "mail.honest.example", "a@honest.example")
SPF = Finding(check="spf", property="smtp.mailfrom", result="fail")
KNOWN = {SPF.key: SPF}
TWO = ["b@lab.example", "c@lab.example"]


@pytest.mark.parametrize(
    ("verdict", "observe", "counted"),
    [
        (Verdict(action=Action.REJECT), False, ("verdicts", "reject", "translated", "yes")),
        (Verdict(action=Action.TEMPFAIL), False, ("verdicts", "tempfail", "translated", "yes")),
        (Verdict(action=Action.TEMPFAIL, busy=True), False, ("verdicts", "busy", "translated", "yes")),
        (Verdict(action=Action.GREYLIST), False, ("verdicts", "greylist", "translated", "yes")),
        (Verdict(action=Action.REJECT), True, ("verdicts", "reject", "translated", "no")),
    ],
)
def test_a_refusal_counts_its_recipients_its_findings_and_its_time(
    verdict: Verdict, counted: tuple[str, ...], *, observe: bool
) -> None:
    tally = Tally()
    tally.refused(ENVELOPE, TWO, KNOWN, verdict, 0.003, observe=observe)
    assert tally.take() == {
        counted: 2,
        ("findings", "spf", "smtp.mailfrom", "fail", "translated"): 1,
        ("verdict_seconds", FAMILIES["verdict_seconds"].buckets.index(0.005)): 1,
        ("verdict_seconds", "sum"): 0.003,
    }


def test_an_acceptance_counts_its_recipients_and_so_does_one_that_came_to_nothing() -> None:
    tally = Tally()
    tally.accepted(ENVELOPE, TWO, {}, 0.0)
    assert tally.take()["verdicts", "accept", "translated", "yes"] == 2
    tally.abandoned(ENVELOPE, TWO, {}, 0.0)
    taken = tally.take()
    assert taken["verdicts", "accept", "translated", "yes"] == 2
    assert taken["abandoned", "translated"] == 1


def test_a_warning_of_the_guard_is_counted_by_its_name_and_no_other_is() -> None:
    tally = Tally()
    telemetry = Telemetry(LogSettings(), tally)
    for event in ("masked", "dns64", "masked", "greylist", "a stranger's word"):
        telemetry.warning(event)
    assert tally.take() == {("guard_warnings", "masked"): 2, ("guard_warnings", "dns64"): 1}


def test_what_was_taken_is_not_counted_again() -> None:
    tally = Tally()
    tally.connected("ipv6")
    assert tally.take() == {("sessions", "ipv6"): 1}
    assert tally.take() == {}


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.0001, 0), (0.00011, 1), (10.0, 15), (10.1, 16)])
def test_a_time_is_counted_where_its_upper_bound_is(seconds: float, bucket: int) -> None:
    tally = Tally()
    tally.asked("answer", seconds)
    assert tally.take()["dns_question_seconds", bucket] == 1


def test_no_count_is_lost_among_threads() -> None:
    tally = Tally()
    taken = [tally.take()]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20_000):
            pool.submit(tally.connected, "ipv6")
            if len(taken) < 100:
                taken.append(tally.take())
    taken.append(tally.take())
    assert sum(each.get(("sessions", "ipv6"), 0) for each in taken) == 20_000


NETWORK, SPF_GROUP = "net:192.31.196.0/24", "spf:honest.example"


def record(first_seen: float, passed_at: float | None = None, generation: int = 0) -> Record:
    return Record(generation=generation, first_seen=first_seen, passed_at=passed_at)


@pytest.mark.parametrize(
    ("rows", "waited"),
    [
        ({}, None),  # new
        ({NETWORK: record(50.0)}, None),  # still waits
        ({NETWORK: record(10.0)}, 90.0),
        ({NETWORK: record(10.0), SPF_GROUP: record(20.0)}, 90.0),
        ({NETWORK: record(10.0, 80.0)}, None),  # has passed before
        ({NETWORK: record(10.0), SPF_GROUP: record(10.0, 80.0)}, None),  # has passed before, as a group of others
        ({NETWORK: record(10.0, generation=1), SPF_GROUP: record(0.0, 5.0)}, 90.0),  # that was forgotten since
    ],
)
def test_the_time_to_pass_is_that_of_the_first_passing(rows: dict[str, Record], waited: float | None) -> None:
    standing = attempt(rows, NETWORK, lambda: frozenset({SPF_GROUP}), 100.0, Settings())
    assert standing.waited == waited


def test_the_engine_counts_attempts_passings_and_what_it_remembered() -> None:
    tally = Tally()
    court = Court('[greylist]\nstore = "memory:"\ndelay = "0s"\n', tally=tally)
    assert [court.offer("a@soft.example") for _ in range(3)] == ["450 4.7.1", "yes", "yes"]
    taken = tally.take()
    assert taken["greylist_attempts", "new", "ipv4"] == 1
    assert taken["greylist_attempts", "passed", "ipv4"] == 2
    assert sum(taken["greylist_pass_seconds", bucket] for bucket in range(16)) == 1
    assert taken["cache_lookups", "findings", "miss"] == 3
    assert taken["cache_lookups", "findings", "hit"] == 6


def test_without_a_tally_the_engine_counts_nothing() -> None:
    court = Court(PATIENT)
    assert court.offer("a@soft.example", address=STRANGER) == "450 4.7.1"


def test_the_engine_says_how_full_its_caches_and_queues_are() -> None:
    court = Court()
    assert court.engine.bounds() == {
        "familiar": (0, USUAL.clients),
        "findings": (0, USUAL.findings),
        "learning_queue": (0, 512),
        "waiting_line": (0, 256),
        "waiting_verdicts": (0, 32),
    }
    court.offer("a@soft.example")
    assert court.engine.bounds()["findings"][0] > 0
