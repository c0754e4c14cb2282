"""Sendmail asks milter64 as Postfix does: the same replies, and the same header."""

import re
from collections.abc import Iterator
from email.message import Message

import pytest

from rig.lab import Lab
from rig.network import Namespace, Network
from rig.pages import page
from rig.port53 import Dns, give_dns_address
from rig.postfix import Postfix
from rig.process import until
from rig.sendmail import Sendmail
from rig.service import Milter64
from rig.smtp import Smtp
from rig.stage import MEMORY
from rig.world import HONEST, HONEST_IPV6, NAMELESS, STRANGER, ZONES, behind

UNDECODED = "64:ff9b:1::c01f:c40a"
NO_UTF_8 = behind("192.31.196.50")
"""A client whose name Sendmail hands on as it is, by its /etc/hosts: glibc takes no such name from DNS."""
GUESSING = behind("192.31.196.21")
LIMIT = '[rate]\nrefused_recipients = { "ipv4/32" = "3/1h" }\n'
ADDRESSES = [NO_UTF_8, GUESSING, HONEST, behind(HONEST), HONEST_IPV6, behind(NAMELESS), behind(STRANGER), UNDECODED]
FORGED = (
    "Authentication-Results: mx.lab.example; spf=pass smtp.mailfrom=forged\n"
    "Received-SPF: pass receiver=mx.lab.example; identity=mailfrom; envelope-from=forged\n"
)
KEPT = "Authentication-Results: other.example; spf=pass smtp.mailfrom=kept\n"


class Both:
    """Sendmail and Postfix in one namespace, each with a milter64 of its own."""

    def __init__(self, lab: Lab, network: Network) -> None:
        give_dns_address(network)
        for address in ADDRESSES:
            network.run("ip", "address", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo")
        dns = lab.start(Dns, ZONES, network=network)
        settings = f'{MEMORY}{LIMIT}\n[dns]\nnameservers = ["{dns.server}"]\n'
        self.milters = first, second = [lab.start(Milter64, settings, network=network) for _ in range(2)]
        (line,) = re.findall(r"^ *(INPUT_MAIL_FILTER\(.*\)dnl)$", page("neighbours"), flags=re.MULTILINE)
        assert "inet:8864@127.0.0.1" in line
        line = line.replace("inet:8864@127.0.0.1", first.socket)
        hosts = NO_UTF_8.encode() + b" caf\xe9.example\n"
        self.sendmail = lab.start(Sendmail, milter=line, hosts=hosts, network=network)
        self.postfix = lab.start(Postfix, milters=second.milters, network=network)
        self.network = network

    def replies(self, address: str, helo: str, sender: str, recipient: str, message: str) -> list[str]:
        """Return what Sendmail and what Postfix reply, without the token and the words of their own."""
        found = []
        for port in (self.sendmail.port, self.postfix.port):
            host = "::1" if ":" in address else "127.0.0.1"
            with Smtp(host, port, network=self.network, source=address) as client:
                client.ehlo(helo)
                reply = client.transaction(sender, [recipient], message)
            text = re.sub(r"milter64 [0-9a-f]{8}", "milter64", reply.text.replace(f"<{recipient}>... ", ""))
            found.append(f"{reply.code} {text}" if reply.code != 250 else "250")
        return found

    def messages(self, recipient: str) -> list[Message]:
        def arrived() -> list[Message]:
            return [message for message in self.postfix.delivered(0) if message["Delivered-To"] == recipient]

        return [self.sendmail.queued(recipient), until(arrived, recipient)[0]]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with Namespace() as network, Lab() as lab:
        yield Both(lab, network)
        for server in lab.servers:
            print(f"--- {type(server).__name__}\n{server.output}")  # noqa: T201  pytest shows it beside a failure


CASES = [
    ("ipv4", HONEST, "mail.honest.example", "a@honest.example", "250"),
    ("ipv6", HONEST_IPV6, "mail.honest.example", "a@honest.example", "250"),
    ("nat64", behind(HONEST), "mail.honest.example", "a@honest.example", "250"),
    ("bounce", behind(HONEST), "mail.honest.example", "", "250"),
    ("undecoded", UNDECODED, "mail.honest.example", "a@honest.example", "250"),
    ("postmaster", behind(STRANGER), "stranger.example", "a@honest.example", "250"),
    ("forged", behind(STRANGER), "stranger.example", "a@honest.example", "550 5.7.23 SPF fail: "),
    ("8bit", NO_UTF_8, "stranger.example", "a@honest.example", "550 5.7.23 SPF fail: "),
    ("soft", behind(STRANGER), "stranger.example", "a@soft.example", "450 4.7.1 Greylisted (SPF softfail), "),
    ("lost", behind(HONEST), "mail.honest.example", "a@lost.example", "450 4.7.1 Greylisted (SPF temperror), "),
    ("nameless", behind(NAMELESS), "none.example", "a@none.example", "450 4.7.1 Greylisted (Reverse DNS permerror)"),
    ("callout", behind(STRANGER), "mail.honest.example", "", "550 5.7.23 SPF fail: "),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_sendmail_gives_the_verdicts_that_postfix_gives(both: Both, case: tuple[str, str, str, str, str]) -> None:
    token, address, helo, sender, expected = case
    recipient = f"{token}@lab.example"
    message = f"{FORGED}{KEPT}{FORGED}Subject: x\n\nHi\n"
    by_sendmail, by_postfix = both.replies(address, helo, sender, recipient, message)
    assert by_sendmail == by_postfix
    assert by_sendmail.lower().startswith(expected.lower())
    if expected == "250":
        ours, theirs = map(results, both.messages(recipient))
        assert ours == theirs
        *own, kept = ours
        assert kept == "other.example; spf=pass smtp.mailfrom=kept"
        assert ["smtp.helo=" in field for field in own] == ([False] if token == "undecoded" else [True, False])
        assert all(field.startswith("mx.lab.example; ") for field in own)
        assert [message["Received-SPF"] for message in both.messages(recipient)] == [None, None]


def results(message: Message) -> list[str]:
    return [" ".join(str(field).split()) for field in message.get_all("Authentication-Results", [])]


def test_recipients_whom_the_mail_server_refuses_are_counted_with_either(both: Both) -> None:
    """Sendmail tells of those whom it doesn't know, and not of those to whom it denies relaying."""
    for port in (both.sendmail.port, both.postfix.port):
        with Smtp("::1", port, network=both.network, source=GUESSING) as client:
            client.ehlo("stranger.example")
            client.mail("a@stranger.example")
            assert {client.rcpt(f"guess{n}@mx.lab.example").code for n in range(3)} <= {550, 554}
            reply = client.rcpt("you@lab.example")
            assert reply.code == 450
            assert "Too many refused recipients from 192.31.196.21/32" in reply.text
    assert not [milter for milter in both.milters if "guess" in milter.output]


def test_a_daemon_for_submission_can_go_without_milter64(both: Both) -> None:
    with Smtp("::1", both.sendmail.submission_port, network=both.network, source=behind(STRANGER)) as client:
        client.ehlo("stranger.example")
        assert client.transaction("a@honest.example", ["submitted@lab.example"]).code == 250
    assert both.sendmail.queued("submitted@lab.example")["Authentication-Results"] is None
