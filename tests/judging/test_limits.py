"""Limits, in the engine: who is counted, who is spared them, and what one is told who goes beyond."""

import pytest

from milter64.address.client import Client
from milter64.lists.listed import Listed
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope
from milter64.mail.spares import Spares
from milter64.telemetry.metrics import Tally
from rig.court import AT_ONCE, HONEST, STRANGER, Court
from rig.envelopes import TRANSLATOR

FIVE = """
[rate]
recipients = { "ipv4/24" = "5/1h", "ipv6/64" = "5/1h" }
"""
REFUSED = """
[rate]
refused_recipients = { "ipv4/32" = "3/1h" }
"""
SESSIONS = """
[rate]
sessions = { "ipv4/32" = "2/1h" }
"""
MANY = [f"b{n}@lab.example" for n in range(8)]
IPREV: Key = ("iprev", "policy.iprev")


def flood(court: Court, *begin: str, recipients: list[str] = MANY) -> list[str]:
    """Return the answers to recipients, each in a message of his own."""
    return [court.judge(court.begin(*begin), recipient) for recipient in recipients]


class Allowed:
    """Lists with one client in them, by its address or by its confirmed name."""

    edition = 0

    def __init__(self, address: str, name: str = "") -> None:
        self._address, self._name = address, name

    def of_client(self, client: Client) -> Listed:
        found = Finding(check="allow", property="network", result="greylist")
        return Listed(findings=(found,) if client.address == self._address else ())

    def of_sender(self, envelope: Envelope, known: Findings) -> Listed:
        iprev = known.get(IPREV)
        if iprev and iprev.fact("name") == self._name:
            return Listed(findings=(Finding(check="allow", property="name", result="greylist"),))
        if (listed := self.of_client(envelope.session.client)).findings:
            return listed
        return Listed(may_spare={IPREV: Spares.RATE} if self._name and not iprev else {})

    def of_recipient(self, recipient: str) -> Listed:
        found = Finding(check="allow", property="recipient", result="greylist")
        return Listed(findings=(found,) if recipient == "let@lab.example" else ())


def test_beyond_a_limit_every_recipient_is_put_off_without_dns_and_nothing_more_is_counted() -> None:
    court = Court(AT_ONCE + FIVE)
    assert flood(court) == ["yes"] * 5 + ["450 4.7.1"] * 3
    transaction = court.begin("192.31.196.99", "x@unknown.example")
    reply = str(court.engine.judge(transaction, "b@lab.example"))
    assert reply.startswith("450 4.7.1 Too many recipients from 192.31.196.0/24, please try again in 720 seconds (")
    assert not transaction.lookups
    assert court.told.count("refused") == 4


def test_one_message_with_many_recipients_is_counted_by_its_recipients() -> None:
    court = Court(AT_ONCE + FIVE)
    transaction = court.begin()
    assert [court.judge(transaction, each) for each in MANY] == ["yes"] * 5 + ["450 4.7.1"] * 3
    assert transaction.recipients == MANY[:5]


@pytest.mark.parametrize(
    ("settings", "begin", "recipient"),
    [
        ('[trust]\nnetworks = ["192.31.196.99"]', ("192.31.196.99",), "b@lab.example"),
        ("", (HONEST, "a@honest.example", "mail.honest.example", "joe"), "b@lab.example"),
        ("", (HONEST,), "postmaster@lab.example"),
        ("", ("10.1.2.3",), "b@lab.example"),
        ("", ("fd00::1",), "b@lab.example"),
        ("", (STRANGER, "a@stranger.example", "stranger.example"), "b@lab.example"),
        ("", (HONEST,), "let@lab.example"),
    ],
)
def test_who_is_trusted_authenticated_private_or_allowed_has_no_limit_and_uses_up_nobodys(
    settings: str, begin: tuple[str, ...], recipient: str
) -> None:
    court = Court(AT_ONCE + settings + FIVE, lists=Allowed(STRANGER))
    assert flood(court, *begin, recipients=[recipient] * 20) == ["yes"] * 20
    assert flood(court)[4:6] == ["yes", "450 4.7.1"]


def test_private_addresses_have_limits_where_they_are_judged() -> None:
    court = Court(AT_ONCE + "[trust]\njudge_private = true\n" + FIVE)
    assert flood(court, "10.1.2.3", "a@none.example", "none.example")[5] == "450 4.7.1"


def test_one_who_is_allowed_by_name_is_asked_for_it_before_he_is_put_off() -> None:
    court = Court(AT_ONCE + FIVE, lists=Allowed("", "mail.honest.example"))
    assert flood(court) == ["yes"] * 8


def test_recipients_who_are_refused_are_counted_and_when_that_is_used_up_all_are_put_off() -> None:
    court = Court(AT_ONCE + REFUSED)
    answers = flood(court, STRANGER, "x@honest.example", "stranger.example")
    assert answers == ["550 5.7.23"] * 8, "what is known to be refused still is"
    reply = court.engine.judge(court.begin(STRANGER, "x@stranger.example"), "b@lab.example")
    assert "Too many refused recipients from 192.31.196.40/32, please try again in 1200 seconds" in str(reply)
    assert flood(court) == ["yes"] * 8


def test_those_whom_the_mail_server_refuses_are_counted_too_but_not_those_it_puts_off() -> None:
    court = Court(AT_ONCE + REFUSED)
    assert court.engine.counts_refusals
    transaction = court.begin()
    for status in ("5.1.1", "4.3.2", "4.7.1", "5.7.1"):
        court.engine.refused_elsewhere(transaction, status)
    assert court.judge(transaction) == "yes"
    court.engine.refused_elsewhere(transaction, "5.1.1")
    assert court.judge(transaction) == "450 4.7.1"
    assert not Court(AT_ONCE + FIVE).engine.counts_refusals
    assert not Court().engine.counts_refusals


def test_refusals_of_one_who_is_trusted_do_not_count() -> None:
    court = Court(AT_ONCE + REFUSED)
    login = court.begin(login="joe")
    for _ in range(10):
        court.engine.refused_elsewhere(login, "5.1.1")
    assert flood(court) == ["yes"] * 8


def test_a_session_too_many_ends_with_its_first_recipient_unless_it_has_authenticated() -> None:
    court = Court(AT_ONCE + SESSIONS)
    client = TRANSLATOR.client(HONEST)
    assert [court.engine.met(client) for _ in range(2)] == [None, None]
    excess = court.engine.met(client)
    envelope = court.begin().envelope
    reply = court.engine.judge(court.engine.begin(envelope, excess), "b@lab.example")
    text = "421 4.7.0 Too many sessions from 192.31.196.10/32, please try again in 1800 seconds (milter64 T)"
    assert str(reply) == text
    login = court.begin(login="joe").envelope
    assert court.engine.judge(court.engine.begin(login, excess), "b@lab.example") is None
    assert court.engine.judge(court.engine.begin(envelope, excess), "postmaster@lab.example") is None


@pytest.mark.parametrize("spared", ['[trust]\nnetworks = ["192.31.196.10"]', '[allow]\nentries = ["192.31.196.10"]'])
def test_sessions_of_one_who_is_spared_by_his_address_use_up_nobodys_limit(spared: str) -> None:
    court = Court(AT_ONCE + spared + SESSIONS.replace("32", "24"))
    assert [court.engine.met(TRANSLATOR.client(HONEST)) for _ in range(5)] == [None] * 5
    neighbour = [court.engine.met(TRANSLATOR.client(STRANGER)) for _ in range(3)]
    assert [excess and excess.property for excess in neighbour] == [None, None, "sessions"]


def test_the_null_sender_is_put_off_at_once_and_counted_once() -> None:
    court = Court(AT_ONCE + FIVE)
    for _ in range(5):
        transaction = court.begin(sender="")
        assert (court.judge(transaction), court.end(transaction)) == ("yes", "yes")
    transaction = court.begin(sender="")
    assert court.judge(transaction) == "450 4.7.1"
    assert court.judge(transaction, "postmaster@lab.example") == "yes"
    assert court.end(transaction) == "yes"


def test_the_null_sender_who_turns_out_to_be_allowed_hears_the_rest_at_end_of_message() -> None:
    court = Court(AT_ONCE + FIVE, lists=Allowed("", "mail.honest.example"))
    assert flood(court)[5] == "yes"
    transaction = court.begin(HONEST, "", "stranger.example")
    assert court.judge(transaction) == "yes"
    assert court.end(transaction) == "yes"


def test_in_observe_mode_all_is_counted_and_told_and_nobody_put_off() -> None:
    court = Court('mode = "observe"\n' + AT_ONCE + FIVE)
    transactions = [court.begin() for _ in MANY]
    answers = [court.judge(each, to) for each, to in zip(transactions, MANY, strict=True)]
    assert answers == ["yes"] * 8
    for each in transactions:
        court.engine.abandoned(each)
    assert court.told == ["abandoned"] * 5 + ["observed"] * 3


def test_what_a_limit_decided_is_in_the_numbers_and_how_full_the_table_is() -> None:
    court = Court(AT_ONCE + FIVE, tally=Tally())
    told: list[Findings] = []
    court.told.refused = lambda _envelope, _to, known, *_, **__: told.append(known)  # type: ignore[attr-defined]
    flood(court)
    assert [known["rate", "recipients"].result for known in told] == ["ipv4/24"] * 3
    assert court.engine.bounds()["rates"] == (1, 686_784)
    assert "rates" not in Court().engine.bounds()
