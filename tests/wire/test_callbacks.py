"""The milter protocol, spoken by a mail server that may say less, or other things, than Postfix does."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack

import Milter
import pytest

from rig.direct import Message, session
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.milterclient import MilterClient, Reply
from rig.process import until
from rig.service import Line, Milter64
from rig.stage import MEMORY
from rig.world import HONEST, RECORDS, STRANGER, behind

NO_REPLY = Milter.P_NR_CONN | Milter.P_NR_HELO | Milter.P_NR_MAIL
NOT_EVEN_ASKED = Milter.P_NOBODY | Milter.P_NOEOH | Milter.P_NODATA | Milter.P_NOUNKNOWN
VERSION_2 = 0x7F
"""The steps that a mail server offers who speaks version 2 of the protocol, of 2003: none without replies."""


@pytest.fixture(scope="module")
def dns() -> Iterator[DnsServer]:
    with DnsServer(RECORDS) as server:
        yield server


@pytest.fixture(scope="module")
def milter(dns: DnsServer) -> Iterator[Milter64]:
    with Lab() as lab:
        yield lab.start(Milter64, f'{MEMORY}\n[dns]\nnameservers = ["{dns.address}"]\n')


@pytest.fixture
def client(milter: Milter64) -> Iterator[MilterClient]:
    with session(milter) as client:
        yield client


def honest(client: MilterClient) -> None:
    """Begin a session of an honest client."""
    client.connect(address=behind(HONEST), j="mx.lab.example")
    client.helo("mail.honest.example")


def transaction(client: MilterClient, sender: str = "a@honest.example", recipient: str = "b@lab.example") -> Reply:
    """Send a message; the answer is that to its recipient, or if it is a yes, that to its end."""
    client.mail(f"<{sender}>")
    if (reply := client.rcpt(f"<{recipient}>")).action != "continue":
        return reply
    client.data()
    client.header("Subject", "test")
    client.eoh()
    client.body(b"Hello.\r\n")
    return client.eom(i="QUEUEID")


def events(milter: Milter64, recipient: str) -> list[str]:
    return [line["event"] for line in milter.log if recipient in line.get("to", "")]


def logged(milter: Milter64, recipient: str) -> Line:
    return milter.wait_log(lambda line: recipient in line.get("to", ""))


def test_no_more_is_asked_for_than_to_add_and_to_change_header_fields_and_who_calls(client: MilterClient) -> None:
    assert client.actions == Milter.ADDHDRS | Milter.CHGHDRS | Milter.SETSYMLIST
    assert client.macros == {"connect": ["j", "{client_addr}", "{client_port}"]}


def test_no_content_is_asked_for_and_no_reply_owed_where_none_is_needed(client: MilterClient) -> None:
    assert client.steps == NO_REPLY | NOT_EVEN_ASKED | Milter.P_NR_HDR


def test_without_authentication_results_no_header_is_asked_for_either(lab: Lab) -> None:
    milter = lab.start(Milter64, f"{MEMORY}\n[headers]\nauthentication_results = false\n")
    with session(milter) as client:
        assert client.steps == NO_REPLY | NOT_EVEN_ASKED | Milter.P_NOHDRS
        client.connect(address="127.0.0.1")
        client.helo()
        assert transaction(client) == Reply(action="continue")


def test_a_mail_server_of_an_old_version_gets_all_its_replies(milter: Milter64) -> None:
    with MilterClient(("127.0.0.1", milter.port), actions=0x3F, steps=VERSION_2) as client:
        assert client.steps == Milter.P_NOBODY | Milter.P_NOEOH
        assert client.connect(address=behind(HONEST)).action == "continue"
        assert client.helo("mail.honest.example").action == "continue"
        assert client.mail("<a@honest.example>").action == "continue"
        assert client.rcpt().action == "continue"
        assert client.header("Subject", "test").action == "continue"
        assert "spf=pass" in str(client.eom().headers)
        client.helo("stranger.example")
        assert client.mail("<>").action == "continue"


def test_a_mail_server_may_send_fields_that_nobody_asked_for(lab: Lab) -> None:
    milter = lab.start(Milter64, f"{MEMORY}\n[headers]\nauthentication_results = false\n")
    with MilterClient(("127.0.0.1", milter.port), steps=VERSION_2 & ~Milter.P_NOHDRS) as client:
        client.connect(address="127.0.0.1")
        client.helo()
        client.mail("<a@honest.example>")
        client.rcpt()
        assert client.header("Authentication-Results", "mx.lab.example; spf=pass").action == "continue"
        assert client.eom().action == "continue"
    assert "fault" not in milter.output


FORGED = ("Authentication-Results", "mx.lab.example; spf=pass")


def with_fields(client: MilterClient, address: str, *fields: tuple[str, str]) -> Reply:
    """Send a message with these fields in its header."""
    client.connect(address=address, j="mx.lab.example")
    client.helo("mail.honest.example")
    client.mail("<a@honest.example>")
    client.rcpt("<b@lab.example>")
    for field in fields:
        client.header(*field)
    return client.eom()


def test_a_hundred_forged_fields_are_deleted_the_last_first(client: MilterClient) -> None:
    others = [("Authentication-Results", "other.example; spf=pass")] * 101
    reply = with_fields(client, behind(HONEST), *others, *[FORGED] * 100)
    deleted = [data for letter, data in reply.changes if letter == "m"]
    assert [int.from_bytes(data[:4]) for data in deleted] == list(range(201, 101, -1))


def test_a_message_with_more_forged_fields_is_refused_and_the_next_one_is_not(
    milter: Milter64, client: MilterClient
) -> None:
    reply = with_fields(client, behind(HONEST), *[FORGED] * 101)
    assert (reply.action, reply.text.partition(" (")[0]) == (
        "reject",
        "554 5.6.0 More than 100 header fields speak in this server's name",
    )
    assert milter.wait_log(lambda line: line["event"] == "too many forged fields")
    assert transaction(client, recipient="forgiven@lab.example").action == "continue"


def test_of_so_many_octets_that_nobody_reads_them_all_the_rest_goes(client: MilterClient) -> None:
    longest = ("Authentication-Results", f"other.example; none ({'a' * 20_000})")
    reply = with_fields(client, behind(HONEST), *[longest] * 5)
    assert [int.from_bytes(data[:4]) for letter, data in reply.changes if letter == "m"] == [5, 4]


def test_of_hosts_of_ours_fields_are_neither_deleted_nor_counted(client: MilterClient) -> None:
    reply = with_fields(client, "127.0.0.1", *[FORGED] * 101)
    assert (reply.action, reply.changes) == ("continue", ())


def test_a_recipient_without_a_connect_is_put_off(client: MilterClient) -> None:
    client.helo("mail.honest.example")
    client.mail("<a@honest.example>")
    reply = client.rcpt()
    assert (reply.action, reply.text[:9]) == ("tempfail", "451 4.7.0")


def test_a_recipient_without_a_mail_is_put_off(client: MilterClient) -> None:
    honest(client)
    client.mail("<a@honest.example>")
    client.abort()
    reply = client.rcpt()
    assert (reply.action, reply.text[:9]) == ("tempfail", "451 4.7.0")


def test_a_client_without_a_helo_is_judged_without_one(milter: Milter64, client: MilterClient) -> None:
    client.connect(address=behind(HONEST))
    assert transaction(client, recipient="nohelo@lab.example").action == "continue"
    line = logged(milter, "nohelo@lab.example")
    assert (line["helo"], line["spf_helo"], line["spf"]) == ("", "none", "pass")


@pytest.mark.parametrize("address", [None, "/run/client.sock"], ids=["unknown", "unix"])
def test_a_client_without_an_ip_address_is_accepted_and_judged_by_nothing(
    milter: Milter64, client: MilterClient, address: str | None
) -> None:
    recipient = f"{'unix' if address else 'unknown'}@lab.example"
    client.connect(address=address)
    client.helo("mail.honest.example")
    reply = transaction(client, recipient=recipient)
    assert reply.action == "continue"
    [(_, results)] = reply.headers
    assert results.split()[:2] == [f"{os.uname().nodename};", "none"]
    line = logged(milter, recipient)
    assert {key: line.get(key) for key in ("origin", "client", "spf", "spf_helo", "iprev")} == {
        "origin": "unknown",
        "client": "",
        "spf": None,
        "spf_helo": None,
        "iprev": None,
    }


def test_each_message_of_a_connection_is_judged_for_itself(milter: Milter64, client: MilterClient) -> None:
    honest(client)
    assert transaction(client, recipient="first@lab.example").action == "continue"
    client.helo("stranger.example")
    assert transaction(client, sender="a@other.example", recipient="second@lab.example").action == "continue"
    assert transaction(client, recipient="third@lab.example").action == "continue"
    helos = {to: logged(milter, f"{to}@lab.example")["helo"] for to in ("first", "second", "third")}
    assert helos == {"first": "mail.honest.example", "second": "stranger.example", "third": "stranger.example"}


def test_a_reply_that_was_given_is_not_given_again(client: MilterClient) -> None:
    client.connect(address=behind(STRANGER))
    client.helo("stranger.example")
    client.mail("<a@honest.example>")
    assert client.rcpt("<b@lab.example>").text.startswith("550 5.7.23")
    assert client.rcpt("<postmaster@lab.example>") == Reply(action="continue")


def test_what_is_aborted_is_logged_as_abandoned_and_forgotten(milter: Milter64, client: MilterClient) -> None:
    honest(client)
    client.mail("<a@honest.example>")
    client.rcpt("<aborted@lab.example>")
    client.abort()
    until(lambda: events(milter, "aborted@lab.example") == ["abandoned"])
    assert transaction(client, recipient="instead@lab.example").action == "continue"
    assert logged(milter, "instead@lab.example")["to"] == "<instead@lab.example>"


@pytest.mark.parametrize("farewell", ["quit", "close"])
def test_what_is_broken_off_is_logged_as_abandoned(milter: Milter64, farewell: str) -> None:
    recipient = f"{farewell}@lab.example"
    with session(milter) as client:
        honest(client)
        client.mail("<a@honest.example>")
        client.rcpt(f"<{recipient}>")
        getattr(client, farewell)()
    until(lambda: events(milter, recipient) == ["abandoned"])


def test_a_message_that_has_arrived_is_not_abandoned_too(milter: Milter64) -> None:
    with session(milter) as client:
        honest(client)
        transaction(client, recipient="arrived@lab.example")
        client.quit()
    Message(address=behind(HONEST), recipient="later@lab.example").send(milter)
    logged(milter, "later@lab.example")
    assert events(milter, "arrived@lab.example") == ["accepted"]


def test_sessions_that_only_wait_cost_others_nothing(milter: Milter64) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            honest(stack.enter_context(session(milter)))
        assert Message(address=behind(HONEST), recipient="among@lab.example").send(milter).action == "continue"


def test_internationalised_domains_stand_as_a_labels_in_reply_log_and_headers(dns: DnsServer, milter: Milter64) -> None:
    dns.records = {**RECORDS, "xn--bcher-kva.example": {"TXT": [f"v=spf1 ip4:{HONEST} -all".encode()]}}
    names = {"helo": "BÜCHER.example", "sender": "joe@Bu\u0308cher。example"}
    forged = Message(address=behind(STRANGER), **names).offer(milter)
    assert f"{STRANGER} is not permitted by xn--bcher-kva.example (-all)" in forged.text
    line = milter.wait_log(lambda line: line["event"] == "rejected" and "bcher" in line["from"])
    assert (line["helo"], line["from"]) == ("xn--bcher-kva.example", "<joe@xn--bcher-kva.example>")
    honest = Message(address=behind(HONEST), **names).send(milter)
    assert [re.findall(r"smtp\.\w+=[^\s;]+", value) for _, value in honest.headers] == [
        ["smtp.mailfrom=xn--bcher-kva.example"],
        ["smtp.helo=xn--bcher-kva.example"],
    ]
