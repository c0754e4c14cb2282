import time
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from milter64.dns.lookup import Answer
from milter64.greylist.attempt import State
from milter64.judging import background_work, row_clock
from milter64.judging.transaction_state import Transaction
from milter64.mail.action import Action
from rig.court import AT_ONCE, PATIENT, STRANGER, ZONE, Court
from rig.process import until
from rig.records import Records

NETWORK = "net:192.31.196.0/24"


@pytest.fixture
def hosts_clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The host's clocks, of which `boot` goes on; the service was started at 1000."""
    clock = SimpleNamespace(boot=50.0)
    monkeypatch.setattr(row_clock, "BOOTED", 950.0)
    monkeypatch.setattr(time, "clock_gettime", lambda _: clock.boot)
    return clock


def because(transaction: Transaction) -> set[str]:
    return {finding.result for finding in transaction.verdicts[-1].because}


@pytest.mark.parametrize(
    ("trust", "login", "why"),
    [
        (f'networks = ["{STRANGER}"]\nrelays = ["{STRANGER}"]', "joe", "trusted"),
        (f'relays = ["{STRANGER}"]', "joe", "relay"),
        ("", "joe", "authenticated"),
    ],
)
def test_who_is_exempt_is_not_judged_and_costs_no_dns(trust: str, login: str, why: str) -> None:
    court = Court(f"{AT_ONCE}[trust]\n{trust}\n")
    transaction = court.begin(STRANGER, login=login)
    assert [court.judge(transaction), court.end(transaction)] == ["yes", "yes"]
    assert because(transaction) == {why}
    assert court.dns.questions == []
    assert transaction.from_trusted_host == (why != "authenticated")


def test_a_login_can_count_for_nothing() -> None:
    court = Court(f"{AT_ONCE}[trust]\nauthenticated = false\n")
    assert court.judge(court.begin(STRANGER, login="joe")) == "550 5.7.23"


@pytest.mark.parametrize(
    ("recipient", "reachable"),
    [
        ("postmaster", True),  # RFC 5321 4.5.1
        ("PostMaster", True),
        ("postmaster@lab.example", True),
        ("POSTMASTER@lab.example", True),
        ("abuse@lab.example", True),  # RFC 2142 4
        ("Abuse@lab.example", True),
        ("abuse", False),
        ("abuse@", False),
        ("postmaster.not@lab.example", False),
        ("not@postmaster", False),
        ("", False),
    ],
)
def test_postmaster_and_abuse_are_reachable_for_everyone(recipient: str, *, reachable: bool) -> None:
    court = Court()
    transaction = court.begin(STRANGER)
    assert court.judge(transaction, recipient) == ("yes" if reachable else "550 5.7.23")
    assert because(transaction) == {"postmaster" if reachable else "fail"}
    assert (court.dns.questions == []) == reachable


def test_what_is_asked_once_serves_all_recipients_and_the_header() -> None:
    court = Court()
    transaction = court.begin()
    assert court.judge(transaction) == "yes"
    asked = list(court.dns.questions)
    assert asked
    assert court.judge(transaction, "c@lab.example") == "yes"
    assert court.dns.questions == asked
    court.end(transaction)
    assert {key for key, finding in transaction.known.items() if finding.result == "pass"} >= {
        ("spf", "smtp.helo"),
        ("spf", "smtp.mailfrom"),
        ("iprev", "policy.iprev"),
    }


def test_what_was_asked_in_one_transaction_serves_the_next_one_of_the_same_client() -> None:
    court = Court()
    for recipient in ("b@lab.example", "c@lab.example"):
        asked = len(court.dns.questions)
        court.judge(court.begin(), recipient)
    assert len(court.dns.questions) == asked > 0


def test_what_the_header_lacks_is_asked_at_the_end_and_only_for_the_header() -> None:
    recipients = 'skip_recipients = ["lab.example"]\n[iprev]\nactions = { fail = "greylist" }\n'
    court = Court(AT_ONCE + recipients)
    transaction = court.begin()
    court.judge(transaction)
    assert ("iprev", "policy.iprev") not in transaction.known
    court.end(transaction)
    assert transaction.known["iprev", "policy.iprev"].result == "pass"
    received_spf = Court(f"{AT_ONCE}{recipients}[headers]\nauthentication_results = false\nreceived_spf = true\n")
    transaction = received_spf.begin()
    received_spf.judge(transaction)
    received_spf.end(transaction)
    assert ("iprev", "policy.iprev") in transaction.known
    silent = Court(f"{AT_ONCE}{recipients}[headers]\nauthentication_results = false\n")
    transaction = silent.begin()
    silent.judge(transaction)
    silent.end(transaction)
    assert ("iprev", "policy.iprev") not in transaction.known


class Deadlines(Records):
    """Notes the deadlines that come with the questions."""

    def __init__(self) -> None:
        super().__init__(ZONE)
        self.seen: list[float] = []

    def ask(self, name: str, rdtype: str, deadline: float = 0.0, _lasting: float = 0.0) -> Answer:
        self.seen.append(deadline)
        return super().ask(name, rdtype)


def test_each_callback_has_a_deadline_of_its_own_and_all_its_questions_share_it() -> None:
    dns = Deadlines()
    court = Court(f'{AT_ONCE}skip_recipients = ["lab.example"]\n[dns]\ndeadline = "5s"\n', records=dns)
    transaction = court.begin()
    for step in (court.judge, court.end):
        dns.seen.clear()
        before = time.monotonic()
        step(transaction)
        after = time.monotonic()
        [deadline] = set(dns.seen)
        assert before + 5 <= deadline <= after + 5


def test_who_is_refused_leaves_no_row() -> None:
    court = Court()
    assert court.offer("a@honest.example") == "550 5.7.23"
    assert court.rows("a@honest.example") == {}


def test_who_is_refused_on_the_retry_does_not_pass(hosts_clock: SimpleNamespace) -> None:
    court = Court(f'{PATIENT}apply = "all"\n')
    assert court.offer("a@honest.example") == "450 4.7.1"
    hosts_clock.boot += 60.0
    assert court.offer("a@honest.example") == "550 5.7.23"
    assert court.rows("a@honest.example")[NETWORK].passed_at is None


def test_the_groups_that_dns_proves_later_count_from_the_attempt_itself(
    monkeypatch: pytest.MonkeyPatch, hosts_clock: SimpleNamespace
) -> None:
    court = Court(f'{PATIENT}apply = "all"\n')
    gate = Event()
    learn = court.engine._checks.ask_in_turn  # noqa: SLF001  it is what must wait

    def slowly(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401  as they come
        assert gate.wait(10)
        return learn(*arguments, **more)

    monkeypatch.setattr(court.engine._checks, "ask_in_turn", slowly)  # noqa: SLF001
    assert court.judge(court.begin()) == "450 4.7.1"
    assert court.dns.questions == []
    [(group, first)] = court.rows("a@honest.example").items()
    assert group == NETWORK
    hosts_clock.boot += 30.0
    gate.set()
    until(lambda: len(court.rows("a@honest.example")) == 3, "the groups to be learned")
    assert court.rows("a@honest.example") == {NETWORK: first, "spf:honest.example": first, "rdns:honest.example": first}


def test_a_fault_while_learning_is_logged_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    court = Court(f'{PATIENT}apply = "all"\n')
    monkeypatch.setattr(background_work, "_GATHER", 0.0)
    monkeypatch.setattr(court.engine._checks, "ask_in_turn", None)  # noqa: SLF001  calling it raises
    for number in range(300):  # more than may be learning at once: each gives its place back
        assert court.judge(court.begin(sender=f"{number}@honest.example")) == "450 4.7.1"
        until(lambda: court.told.count("exception") == number + 1)  # noqa: B023  called before the next round


def test_without_a_store_nobody_is_greylisted_and_a_forger_is_refused_all_the_same() -> None:
    court = Court(gone=True)
    transaction = court.begin(STRANGER, "a@soft.example", "stranger.example")
    assert court.judge(transaction) == "yes"
    standing = transaction.verdicts[-1].standing
    assert standing
    assert standing.state is State.UNKEPT
    assert court.offer("a@honest.example") == "550 5.7.23"


def test_while_no_nameserver_answers_nobody_is_greylisted_for_it() -> None:
    court = Court()
    court.dns.down = True
    assert court.judge(court.begin()) == "yes"
    court.dns.down = False
    assert court.offer("a@honest.example") == "550 5.7.23"


def test_observing_refuses_nothing_says_what_would_have_been_and_moves_the_rows() -> None:
    court = Court(f'mode = "observe"\n{AT_ONCE}')
    assert [court.offer("a@honest.example"), court.offer("a@soft.example")] == ["yes", "yes"]
    assert court.told == []  # not before it is known what became of them
    assert NETWORK in court.rows("a@soft.example")


def test_in_observe_mode_each_recipient_stands_in_one_line_with_all_of_whom_the_same_is_to_be_said() -> None:
    court = Court(f'mode = "observe"\n{AT_ONCE}')
    lines: list[tuple[str, list[str], str | None]] = []
    for event in ("observed", "accepted", "abandoned"):
        setattr(
            court.told,
            event,
            lambda _envelope, to, *_, event=event, **more: lines.append((event, to, more.get("queue_id"))),
        )
    for queue_id in ("QUEUEID", None):
        transaction = court.begin(STRANGER)
        for to in ("b@lab.example", "c@lab.example", "postmaster", "b@lab.example"):
            assert court.judge(transaction, to) == "yes"
        court.engine.accepted(transaction, queue_id) if queue_id else court.engine.abandoned(transaction)
        refused = ["b@lab.example", "c@lab.example", "b@lab.example"]
        event = "accepted" if queue_id else "abandoned"
        assert lines == [("observed", refused, queue_id), (event, ["postmaster"], queue_id)]
        lines.clear()
    transaction = court.begin(STRANGER)
    court.judge(transaction)
    court.engine.accepted(transaction, "QUEUEID")
    assert [event for event, _, _ in lines] == ["observed"]
    lines.clear()
    transaction = court.begin(STRANGER, "", "stranger.example")  # the null sender, judged at end of message
    court.judge(transaction)
    court.end(transaction)
    court.engine.accepted(transaction, "QUEUEID")
    assert len(lines) == 1


def test_recipients_that_were_accepted_are_logged_once() -> None:
    court = Court()
    accepted, abandoned, refused = court.begin(), court.begin(), court.begin(STRANGER)
    for transaction in (accepted, abandoned, refused):
        court.judge(transaction)
    court.engine.accepted(accepted, "QUEUEID")
    court.engine.abandoned(abandoned)
    court.engine.abandoned(refused)  # which has no recipient left
    assert court.told == ["refused", "accepted", "abandoned"]


def test_a_recipient_accepted_before_another_was_refused_keeps_its_verdict() -> None:
    court = Court()
    transaction = court.begin(STRANGER)
    assert [court.judge(transaction, to) for to in ("postmaster", "b@lab.example")] == ["yes", "550 5.7.23"]
    assert transaction.recipients == ["postmaster"]
    assert [verdict.action for verdict in transaction.verdicts] == [Action.ACCEPT, Action.REJECT]


def test_rows_that_say_nothing_any_more_are_forgotten_once_an_hour(
    monkeypatch: pytest.MonkeyPatch, hosts_clock: SimpleNamespace
) -> None:
    court = Court()
    looks: list[float] = []
    monkeypatch.setattr(court.store, "expire", looks.append)
    for seconds in (0.0, 3599.0, 1.0, 1.0):
        hosts_clock.boot += seconds
        court.offer("a@soft.example")
    assert looks == [1000.0, 4600.0]


def test_while_the_store_is_gone_no_row_is_made_to_expire_by_a_clock_that_has_not_seen_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    court = Court(gone=True)
    looks: list[float] = []
    monkeypatch.setattr(court.store, "expire", looks.append)
    assert court.offer("a@soft.example") == "yes"
    assert looks == []
