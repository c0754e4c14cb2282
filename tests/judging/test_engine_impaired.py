"""The engine while DNS is silent, or while it is too busy to ask."""

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from milter64.dns.lookup import Answer
from rig.court import AT_ONCE, HONEST, PATIENT, STRANGER, ZONE, Court
from rig.process import until
from rig.records import Records, zone


def test_an_expired_finding_serves_a_pair_that_has_passed_and_no_other() -> None:
    dns = Records(ZONE, ttl=0)
    court = Court(f'{AT_ONCE}[spf.actions]\nsoftfail = "greylist"\ntemperror = "tempfail"\n', records=dns)
    assert [court.offer("a@soft.example"), court.offer("a@soft.example")] == ["450 4.7.1", "yes"]
    dns.down = True
    assert court.offer("a@soft.example") == "yes"
    assert court.offer("a@soft.example", "other@lab.example") == "451 4.7.24"
    assert court.offer("a@soft.example", address=HONEST) == "451 4.7.24"


def test_an_expired_finding_serves_a_pair_that_has_passed_at_once_and_is_renewed_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dns = Records(ZONE, ttl=0)
    court = Court(AT_ONCE, records=dns)
    assert [court.offer("a@soft.example"), court.offer("a@soft.example")] == ["450 4.7.1", "yes"]
    behind: list[Any] = []
    monkeypatch.setattr(court.engine._background, "put", lambda _client, _domains, task, _name: behind.append(task))  # noqa: SLF001  done by the test
    dns.questions.clear()
    assert court.offer("a@soft.example") == "yes"
    assert dns.questions == []
    [renew] = behind
    renew(lambda _: None)
    assert {"TXT soft.example", "TXT stranger.example"} <= set(dns.questions)


def test_an_expired_fail_serves_nobody_while_dns_answers() -> None:
    dns = Records(zone(f"changed.example TXT v=spf1 ip4:{HONEST} ~all"), ttl=0)
    court = Court(AT_ONCE, records=dns)
    assert [court.offer("a@changed.example"), court.offer("a@changed.example")] == ["450 4.7.1", "yes"]
    dns.change(zone("changed.example TXT v=spf1 -all"))
    assert court.offer("a@changed.example", "new@lab.example") == "550 5.7.23"
    dns.change(zone(f"changed.example TXT v=spf1 ip4:{STRANGER} -all"))
    assert court.offer("a@changed.example") == "yes"


def test_while_dns_is_silent_an_expired_finding_serves_everyone_for_whom_it_speaks() -> None:
    dns = Records(ZONE, ttl=0)
    court = Court(AT_ONCE, records=dns)
    honest = ("a@honest.example", "b@lab.example", HONEST)
    assert [court.offer(*honest), court.offer("a@honest.example")] == ["yes", "550 5.7.23"]
    dns.fail("honest.example", "stranger.example", "10.196.31.192.in-addr.arpa", "40.196.31.192.in-addr.arpa")
    assert [court.offer(*honest), court.offer("a@honest.example")] == ["yes", "450 4.7.1"]


def busy(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no place for anybody's questions any more."""
    monkeypatch.setattr(court.engine._checks, "ask", lambda *_, **__: ({}, {}))  # noqa: SLF001


def test_who_could_be_refused_if_we_were_not_too_busy_to_ask_is_put_off_and_nothing_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    court = Court()
    busy(court, monkeypatch)
    transaction = court.begin()
    assert court.judge(transaction) == "451 4.3.2"
    assert court.judge(transaction, "c@lab.example") == "451 4.3.2"
    assert court.judge(transaction, "postmaster@lab.example") == "yes"
    assert court.end(transaction) == "yes"
    assert transaction.known == {}
    assert court.rows("a@honest.example") == {}
    assert court.judge(court.begin(sender="")) == "yes"


def test_who_is_never_greylisted_can_be_refused_and_is_put_off_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    court = Court(f'{AT_ONCE}skip_recipients = ["lab.example"]\n')
    busy(court, monkeypatch)
    assert [court.offer("a@honest.example"), court.offer("a@honest.example", "b@else.example")] == ["451 4.3.2"] * 2


def test_who_could_only_be_greylisted_passes_by_coming_back_however_busy_we_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    court = Court(f"{AT_ONCE}[spf]\nenabled = false\n")
    busy(court, monkeypatch)
    assert [court.offer("a@soft.example"), court.offer("a@soft.example")] == ["451 4.3.2", "yes"]


def test_what_the_header_lacks_is_left_out_while_we_are_too_busy_without_waiting_for_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    court = Court(f'{AT_ONCE}skip_recipients = ["lab.example"]\n[iprev]\nactions = {{ fail = "greylist" }}\n')
    asked: list[bool] = []
    answers = court.engine._checks.answers  # noqa: SLF001  what it is asked for

    def note(*arguments: Any, patient: bool, **more: Any) -> Any:  # noqa: ANN401  as they come
        asked.append(patient)
        return answers(*arguments, patient=patient, **more)

    monkeypatch.setattr(court.engine._checks, "answers", note)  # noqa: SLF001
    transaction = court.begin()
    assert court.judge(transaction) == "yes"
    busy(court, monkeypatch)
    assert court.end(transaction) == "yes"
    assert asked == [True, False]
    assert ("iprev", "policy.iprev") not in transaction.known
    assert ("spf", "smtp.mailfrom") in transaction.known


def test_what_was_found_before_all_was_to_be_forgotten_serves_nobody_any_more() -> None:
    dns = Records(ZONE)
    court = Court(records=dns)
    assert court.judge(court.begin()) == "yes"
    assert court.begin().known
    dns.generation += 1
    assert court.begin().known == {}


class Silent(Records):
    """Says nothing about some domains till its gate is open."""

    def __init__(self) -> None:
        super().__init__(ZONE)
        self.gate = Event()

    def ask(self, name: str, rdtype: str, deadline: float = 0.0, lasting: float = 0.0) -> Answer:
        assert not name.startswith("silent") or self.gate.wait(60)
        return super().ask(name, rdtype, deadline, lasting)


def flood_of_one_network(number: int) -> tuple[str, str]:
    return "198.51.100.7", f"silent{number}.example"


def flood_for_one_domain(number: int) -> tuple[str, str]:
    return f"{20 + number // 200}.{number % 200}.0.1", "silent.example"


@pytest.mark.parametrize(("flood", "waiting"), [(flood_of_one_network, 8), (flood_for_one_domain, 200)])
def test_whoever_fills_the_learning_queue_keeps_nobody_else_from_being_learned(
    flood: Callable[[int], tuple[str, str]], waiting: int
) -> None:
    dns = Silent()
    court = Court(f'{PATIENT}apply = "all"\n', records=dns)
    try:
        for number in range(600):
            address, domain = flood(number)
            assert court.judge(court.begin(address, f"a@{domain}", domain), f"{number}@lab.example") == "450 4.7.1"
        until(lambda: court.engine.bounds()["learning_queue"][0] > waiting, "the queue to fill")
        assert court.judge(court.begin()) == "450 4.7.1"
        until(
            lambda: "spf:honest.example" in court.rows("a@honest.example"), "the honest sender's groups to be learned"
        )
    finally:
        dns.gate.set()
        court.engine.close()
