"""What each result leads to, for which clients."""

import pytest

from milter64.address.client import Origin
from milter64.address.networks import Networks
from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Key
from milter64.policy.action_table import Policy, Rules
from milter64.policy.decision import Verdict, decide, weigh

SPF: Key = ("spf", "smtp.mailfrom")


def test_nobody_is_greylisted_for_a_temperror_while_no_nameserver_answers() -> None:
    down = Finding(check="spf", property="smtp.mailfrom", result="GREYLIST", facts=(("resolver", "down"),))
    table = Rules(
        actions={(*SPF, "GREYLIST"): Action.GREYLIST},
        asked={SPF: Action.GREYLIST},
        floor=Action.ACCEPT,
        greylisting=True,
    )
    assert decide(weigh({SPF: down}, table), None) == Verdict(action=Action.ACCEPT)


WELL_FORMED = ("helo", "smtp.helo", "malformed")
POLICY = Policy(
    {(*SPF, "fail", origin): Action.REJECT for origin in Origin}
    | {(*WELL_FORMED, origin): Action.REJECT for origin in Origin},
    {SPF: frozenset({"fail", "pass"})},
    apply_to_all=True,
)
TRANSLATOR = Translator([Prefix("64:ff9b::/96"), Prefix("2001:db8:64::/96")], gateways=["2001:db8::1"])


@pytest.mark.parametrize(
    ("address", "judged"),
    [
        ("192.31.196.10", True),
        ("2001:db8::25", True),
        ("::ffff:192.31.196.10", True),
        ("64:ff9b::c01f:c40a", True),
        ("172.17.0.1", False),
        ("fd00::1", False),
        ("2001:db8:64::10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::1", False),
        ("2001:db8::1", False),
        (None, False),
    ],
)
def test_only_an_address_that_is_the_clients_own_and_public_is_held_against_it(
    address: str | None,
    judged: bool,  # noqa: FBT001  a column of the table
) -> None:
    client = TRANSLATOR.client(address)
    found = POLICY.rules(client)
    assert (SPF in found.asked) is judged
    assert found.action(Finding(check="spf", property="smtp.mailfrom", result="fail")) is (
        Action.REJECT if judged else Action.ACCEPT
    )
    assert found.action(Finding(check="helo", property="smtp.helo", result="malformed")) is Action.REJECT


def test_apply_all_raises_the_floor_for_every_origin_but_unknown_and_masked() -> None:
    addresses = ("172.17.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2001:db8::1", None)
    floors = {address: POLICY.rules(TRANSLATOR.client(address)).floor for address in addresses}
    assert floors == {
        "172.17.0.1": Action.GREYLIST,
        "64:ff9b::7f00:1": Action.GREYLIST,
        "64:ff9b:1::1": Action.GREYLIST,
        "2001:db8::1": Action.ACCEPT,
        None: Action.ACCEPT,
    }
    assert not POLICY.rules(TRANSLATOR.client("2001:db8::1")).greylisting


def test_private_addresses_are_judged_on_demand() -> None:
    demanding = Policy({(*SPF, "fail", Origin.IPV4): Action.REJECT}, {SPF: frozenset({"fail"})}, judge_private=True)
    assert SPF in demanding.rules(TRANSLATOR.client("172.17.0.1")).asked


def test_an_empty_set_of_networks_trusts_nobody() -> None:
    assert b"\x7f\0\0\1" not in Networks()
