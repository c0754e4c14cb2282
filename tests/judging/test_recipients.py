"""Every recipient is judged alone, whoever is named beside him."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from rig.court import AT_ONCE, HONEST, PATIENT, STRANGER, Court

GREYLISTS_ALL = f'{AT_ONCE}[iprev.actions]\npass = "greylist"\n'


def test_the_null_senders_only_recipient_hears_of_his_verdict_at_end_of_message() -> None:
    court = Court(GREYLISTS_ALL)
    for expected in ("450 4.7.1", "yes"):
        transaction = court.begin(sender="")
        assert [court.judge(transaction, "one@lab.example"), court.end(transaction)] == ["yes", expected]
    forged = court.begin(STRANGER, sender="")
    assert (court.judge(forged), court.end(forged)) == ("yes", "550 5.7.23")


@pytest.mark.parametrize("first", ["victim@lab.example", "postmaster", "known@lab.example"])
def test_nobody_gets_from_the_null_sender_what_he_alone_would_not_get(first: str) -> None:
    """Whoever else is named, in whatever order, gets the message and loses nothing by it."""
    court = Court(GREYLISTS_ALL)
    for _ in range(2):
        known = court.begin(sender="")
        court.judge(known, "known@lab.example")
        court.end(known)
    alone = {"victim@lab.example": "450 4.7.1", "postmaster": "yes", "known@lab.example": "yes"}
    transaction = court.begin(sender="")
    assert court.judge(transaction, first) == "yes"
    beside = {name: court.judge(transaction, name) for name in alone if name != first}
    if alone[first] == "yes":
        assert beside == {name: reply for name, reply in alone.items() if name != first}
    else:
        assert set(beside.values()) == {"452 4.5.3"}
    assert court.end(transaction) == alone[first]
    accepted = {first} | {name for name, reply in beside.items() if reply == "yes"}
    assert set(transaction.recipients) == accepted


def test_a_wait_within_one_transaction_is_no_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=50.0)
    monkeypatch.setattr(time, "clock_gettime", lambda _: clock.now)
    court = Court(f'{PATIENT}apply = "all"\n')
    transaction = court.begin(sender="")
    court.judge(transaction, "one@lab.example")
    assert court.judge(transaction, "two@lab.example") == "450 4.7.1"
    clock.now += 61
    assert court.end(transaction) == "450 4.7.1"


@pytest.mark.parametrize("sender", ["a@honest.example", ""])
def test_who_cannot_be_told_is_refused_beside_others_and_asks_for_no_dns(sender: str) -> None:
    court = Court()
    transaction = court.begin(HONEST, sender)
    reply = court.engine.judge(transaction, "<b@>", readable=False)
    assert str(reply) == "550 5.1.3 Address unreadable: the recipient's address can't be told from <b@> (milter64 T)"
    assert court.dns.questions == []
    assert [court.judge(transaction), court.end(transaction)] == ["yes", "yes"]
    assert transaction.recipients == ["b@lab.example"]


@pytest.mark.parametrize(("recipient", "reply"), [("b@lab.example", "550 5.1.7"), ("postmaster", "yes")])
@pytest.mark.parametrize("sender", ["a@honest.example", ""])
def test_a_sender_who_cannot_be_told_is_refused_and_gets_no_spf_result(sender: str, recipient: str, reply: str) -> None:
    court = Court()
    told = court.begin(HONEST, "a@honest.example")
    assert [court.judge(told), court.end(told)] == ["yes", "yes"]
    envelope = replace(told.envelope, sender=sender, readable=False)
    transaction = court.engine.begin(envelope)
    assert [court.judge(transaction, recipient), court.end(transaction)] == [reply, "yes"]
    assert ("spf", "smtp.mailfrom") not in transaction.known


def test_a_host_of_ours_may_name_whom_it_likes() -> None:
    court = Court(f'{AT_ONCE}[trust]\nnetworks = ["{STRANGER}"]\n')
    transaction = court.engine.begin(replace(court.begin(STRANGER).envelope, readable=False))
    assert court.engine.judge(transaction, "<b@>", readable=False) is None


@pytest.mark.parametrize("block", ["", '[block]\nentries = ["to:b@lab.example"]\n'], ids=["nobody", "blocked"])
def test_who_cannot_be_told_may_be_blocked_and_so_is_reached_by_nobody_who_is_allowed_all(block: str) -> None:
    court = Court(f'{AT_ONCE}{block}[allow]\nentries = [{{ who = "{STRANGER}", spares = "all" }}]\n')
    transaction = court.begin(STRANGER, "a@honest.example")
    reply = court.engine.judge(transaction, "<b@>", readable=False)
    assert reply
    assert reply.status == "5.1.3"
    assert court.judge(transaction) == ("550 5.7.1" if block else "yes")


def test_a_sender_who_cannot_be_told_is_nobody_by_whom_one_is_blocked_and_may_be_spared() -> None:
    court = Court(f'{AT_ONCE}[allow]\nentries = [{{ who = "{STRANGER}", spares = "all" }}]\n')
    transaction = court.engine.begin(replace(court.begin(STRANGER).envelope, readable=False))
    assert court.judge(transaction) == "yes"
