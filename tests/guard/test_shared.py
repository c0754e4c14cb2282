"""An address of elsewhere that may be a gateway's: who comes from there is put off where he would be refused."""

from dataclasses import replace

import pytest

from milter64.judging.transaction_state import Transaction
from rig.court import AT_ONCE, STRANGER, Court
from rig.direct import Message
from rig.envelopes import envelope
from rig.lab import Lab
from rig.nsd import Nsd
from rig.process import until
from rig.service import Milter64
from rig.world import STRANGER as OUTSIDER
from rig.world import ZONES, behind


def begin(court: Court, sender: str = "a@honest.example", helo: str = "stranger.example") -> Transaction:
    """Begin a transaction of a client of STRANGER's address, from which many speak."""
    before = envelope(STRANGER, helo, sender)
    client = replace(before.session.client, shared=True)
    return court.engine.begin(replace(before, session=replace(before.session, client=client)))


@pytest.mark.parametrize(
    ("settings", "sender", "helo", "answer"),
    [
        pytest.param("", "a@honest.example", "stranger.example", "451 4.7.23", id="SPF fail"),
        pytest.param("", "a@new.example", "mail.honest.example", "451 4.7.23", id="SPF fail of the HELO name"),
        pytest.param(
            '[iprev]\nactions = { pass = "reject" }', "a@new.example", "stranger.example", "451 4.7.25", id="iprev"
        ),
        pytest.param('[helo]\nactions = { fail = "reject" }', "a@new.example", "no.example", "451 4.7.1", id="HELO"),
        pytest.param(
            '[spf]\nactions = { fail = "dmarc" }', "a@honest.example", "stranger.example", "451 4.7.23", id="DMARC"
        ),
        pytest.param("", "a@new.example", "stranger.example", "yes", id="nothing against it"),
        pytest.param("", "a@soft.example", "stranger.example", "450 4.7.1", id="greylisted"),
        pytest.param(
            f'[block]\nentries = ["{STRANGER}"]', "a@new.example", "stranger.example", "550 5.7.1", id="blocked"
        ),
        pytest.param(
            '[helo]\nactions = { malformed = "reject" }', "a@new.example", "bad!", "550 5.7.1", id="what it says itself"
        ),
    ],
)
def test_what_only_its_address_says_puts_it_off(settings: str, sender: str, helo: str, answer: str) -> None:
    court = Court(f"{AT_ONCE}{settings}\n")
    assert court.judge(begin(court, sender, helo)) == answer


def test_what_was_known_of_it_before_counts_by_the_new_rules() -> None:
    court = Court(AT_ONCE)
    assert court.offer("a@honest.example") == "550 5.7.23"
    assert court.judge(begin(court)) == "451 4.7.23"
    assert court.offer("a@honest.example") == "550 5.7.23"


def test_its_network_earns_nothing() -> None:
    court = Court('[greylist]\nstore = "memory:"\ndelay = "0s"\nwave_through = 2\nwave_over = "0s"\n')
    for n in range(4):
        assert court.judge(begin(court, "a@soft.example"), f"u{n}@lab.example") == "450 4.7.1"
        transaction = begin(court, "a@soft.example")
        assert court.judge(transaction, f"u{n}@lab.example") == "yes"
        court.engine.accepted(transaction, "QUEUEID")
    assert not court.store.read(f"net:{STRANGER}/32")


def test_a_service_bans_nobody_and_puts_off_whom_spf_fails_until_it_is_told(lab: Lab) -> None:
    dns = f'[dns]\nnameservers = ["{lab.start(Nsd, ZONES).server}"]\n'
    milter = lab.start(Milter64, f'[greylist]\nstore = "memory:"\n{dns}')
    gateway, forged = behind(OUTSIDER), Message(address=behind(OUTSIDER), sender="joe@honest.example")
    assert forged.offer(milter).text.startswith("550 5.7.23")
    for n in range(20):
        Message(address=gateway, helo=f"mail.s{n}.example", sender=f"a@s{n}.example").offer(milter)
    line = milter.wait_log(lambda line: line["event"] == "shared")
    assert (line["level"], line["client"]) == ("warning", gateway)
    until(lambda: forged.offer(milter).text.startswith("451 4.7.23"), "it to be put off")
    milter.wait_log(lambda line: line["event"] == "deferred")
    lines = [line for line in milter.log if line.get("spf") == "fail"]
    assert {(line["event"], line.get("ban")) for line in lines} == {("rejected", gateway), ("deferred", None)}
