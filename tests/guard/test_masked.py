"""What a client behind a gateway is spared, and what it doesn't get."""

from dataclasses import replace

import pytest

from milter64.address.client import Origin
from milter64.address.translator import Translator
from milter64.judging.transaction_state import Transaction
from rig.court import AT_ONCE, PATIENT, STRANGER, Court
from rig.envelopes import envelope
from rig.lab import Lab
from rig.process import until
from rig.smtp import Smtp
from rig.stage import MEMORY, Stage, set_stage
from rig.world import ZONES

ADDRESSES = ("127.0.0.1", STRANGER, "::1")


def begin(court: Court, address: str, login: str = "", helo: str = "stranger.example") -> Transaction:
    """Begin a transaction of a client behind a gateway, who would be refused under an address of his own."""
    masked = Translator(gateways=ADDRESSES).client(address)
    assert masked.origin is Origin.MASKED
    before = envelope(address, helo, "a@honest.example")
    return court.engine.begin(replace(before, session=replace(before.session, client=masked), login=login))


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("trust", ["", f'networks = ["{STRANGER}"]', f'relays = ["127.0.0.1", "::1", "{STRANGER}"]'])
def test_a_gateways_address_is_no_ones_to_be_trusted_by_or_refused_for(address: str, trust: str) -> None:
    court = Court(f"{AT_ONCE}[trust]\njudge_private = true\n{trust}\n")
    transaction = begin(court, address)
    assert not transaction.exempt
    assert not transaction.from_trusted_host
    assert [court.judge(transaction), court.end(transaction)] == ["yes", "yes"]
    assert court.dns.questions == []


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("settings", ['apply = "all"\n', '[helo]\nactions = { malformed = "greylist" }\n'])
def test_nobody_is_greylisted_by_a_gateways_address_and_nothing_is_learned(address: str, settings: str) -> None:
    court = Court(f"{PATIENT}{settings}")
    assert court.judge(begin(court, address, helo="malformed!")) == "yes"
    assert court.rows("a@honest.example") == {}
    assert court.told == []


def test_who_has_authenticated_behind_a_gateway_is_known() -> None:
    court = Court(AT_ONCE)
    transaction = begin(court, "127.0.0.1", login="joe")
    assert transaction.exempt
    assert transaction.exempt.result == "authenticated"
    assert not transaction.from_trusted_host


def test_what_clients_say_themselves_can_be_held_against_them() -> None:
    court = Court(f'{AT_ONCE}[helo]\nactions = {{ malformed = "reject" }}\n')
    assert court.judge(begin(court, "127.0.0.1", helo="malformed!")).startswith("550")


FORGED = "Authentication-Results: mx.lab.example; spf=pass smtp.mailfrom=bank.example\nSubject: test\n\nHello.\n"


def deliver(stage: Stage, number: int) -> None:
    """Send a mail from 127.0.0.1, as a userland proxy does for its clients."""
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.ehlo(f"mail.s{number}.example")
        assert client.transaction(f"a@s{number}.example", [f"u{number}@lab.example"], FORGED).code == 250


def test_behind_a_real_postfix_a_proxy_on_this_host_loses_its_trust(lab: Lab) -> None:
    settings = f'{MEMORY}[milter]\nauthserv_id = "mx.lab.example"\n'
    stage = set_stage(lab, ZONES, settings)
    for number in range(20):
        deliver(stage, number)
    line = stage.milter.wait_log(lambda line: line["event"] == "masked")
    assert line["client"] == "127.0.0.1"

    def masked() -> bool:
        deliver(stage, 99)
        return any(line.get("origin") == "masked" for line in stage.milter.log)

    until(masked, "a client to be masked")
    messages = stage.postfix.delivered(21)
    fields = [message.get_all("Authentication-Results", []) for message in messages]
    assert ["mx.lab.example; spf=pass smtp.mailfrom=bank.example"] in fields  # of those before
    assert any("masked" in value for values in fields for value in values)
    for values in fields:
        assert not (any("masked" in value for value in values) and any("bank.example" in value for value in values))
