"""Limits at the milter protocol: what is negotiated for them, and that they outlive workers and reloads."""

import os
import signal
from collections.abc import Callable, Iterator

import Milter
import pytest

from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.milterclient import MilterClient
from rig.process import until
from rig.procfs import children
from rig.service import Milter64
from rig.world import HONEST, RECORDS, behind

REFUSED = '[rate]\nrefused_recipients = { "ipv4/32" = "3/1h" }\n'
REJECTED = {"rcpt_mailer": "error", "rcpt_host": "5.1.1", "rcpt_addr": "<x@lab.example>: User unknown"}
"""How Postfix and Sendmail tell of a recipient whom they refuse."""
_READ_ONLY = 'mount -t tmpfs -o ro none /dev/shm && exec "$@"'
Serve = Callable[[str], Milter64]


@pytest.fixture(scope="module")
def dns() -> Iterator[DnsServer]:
    with DnsServer(RECORDS) as server:
        yield server


@pytest.fixture
def serve(lab: Lab, dns: DnsServer) -> Serve:
    """Start milter64 with two workers and some limits."""
    return lambda limits: lab.start(Milter64, configuration(lab, dns, limits))


def configuration(lab: Lab, dns: DnsServer, limits: str) -> str:
    return f"""
[milter]
workers = 2
[dns]
nameservers = ["{dns.address}"]
[greylist]
store = "sqlite:{lab.folder}/greylist.sqlite"
delay = "0s"
{limits}
"""


def begin(milter: Milter64, address: str = behind(HONEST)) -> MilterClient:
    """Return a session that has said MAIL."""
    client = MilterClient(("127.0.0.1", milter.port))
    client.connect(address=address, j="mx.lab.example")
    client.helo("mail.honest.example")
    client.mail("<a@honest.example>")
    return client


def answer(milter: Milter64, recipient: str = "<b@lab.example>") -> str:
    """Return what the honest client is told about a recipient, in a session of its own."""
    with begin(milter) as client:
        reply = client.rcpt(recipient)
        return reply.text.partition(" (")[0] or reply.action


def reload(milter: Milter64) -> None:
    """Have the configuration read again, and wait until the workers who went by the one before are gone."""
    before = set(children(milter.pid))
    milter.reload()
    until(lambda: before.isdisjoint(children(milter.pid)), "the end of the workers before")


def test_refused_recipients_are_asked_for_where_they_are_counted_and_nowhere_else(serve: Serve) -> None:
    with begin(serve(REFUSED)) as client:
        assert client.steps & Milter.P_RCPT_REJ
        assert client.macros["rcpt"] == ["{rcpt_addr}", "{rcpt_mailer}", "{rcpt_host}"]
    with begin(serve('[rate]\nrecipients = { "ipv4/32" = "3/1h" }\n')) as client:
        assert not client.steps & Milter.P_RCPT_REJ
        assert "rcpt" not in client.macros


def test_what_the_mail_server_refuses_is_counted_and_neither_judged_nor_logged(serve: Serve) -> None:
    milter = serve(REFUSED)
    with begin(milter) as client:
        for status in ("4.2.0", "5.1.1", "4.7.1", "5.7.1"):
            assert client.rcpt("<refused@lab.example>", **{**REJECTED, "rcpt_host": status}).action == "continue"
        bounced = {"rcpt_mailer": "error", "rcpt_host": "5.1.1 moved away", "rcpt_addr": "bounced@lab.example"}
        assert client.rcpt("<bounced@lab.example>", **bounced).action == "continue"
        client.rcpt("<refused@lab.example>", **REJECTED)
        reply = client.rcpt(
            "<b@lab.example>", rcpt_mailer="virtual", rcpt_host="lab.example", rcpt_addr="b@lab.example"
        )
    assert reply.text.startswith(
        "450 4.7.1 Too many refused recipients from 192.31.196.10/32, please try again in 1200 seconds (milter64 "
    )
    line = milter.wait_log(lambda line: line["event"] == "deferred")
    assert line["rate"] == "refused_recipients:ipv4/32"
    assert line["because"] == "rate ipv4/32: too many refused recipients from 192.31.196.10/32"
    assert line["reply"] == "450 4.7.1"
    assert [line["to"] for line in milter.log if line["event"] == "abandoned"] == ["<bounced@lab.example>"]
    assert "refused@" not in milter.output


def test_a_mail_server_that_tells_of_no_refusals_is_served_without(serve: Serve) -> None:
    milter = serve(REFUSED)
    with MilterClient(("127.0.0.1", milter.port), steps=0x1FFFFF & ~Milter.P_RCPT_REJ) as client:
        assert not client.steps & Milter.P_RCPT_REJ
        client.connect(address=behind(HONEST), j="mx.lab.example")
        client.helo("mail.honest.example")
        client.mail("<a@honest.example>")
        assert client.rcpt().action == "continue"


def test_a_session_too_many_is_told_so_at_its_first_recipient_and_told_to_end(serve: Serve) -> None:
    milter = serve('[rate]\nsessions = { "ipv4/24" = "3/1h" }\n')
    answers = [answer(milter) for _ in range(5)]
    text = "421 4.7.0 Too many sessions from 192.31.196.0/24, please try again in 1200 seconds"
    assert answers == ["continue"] * 3 + [text] * 2


class WithoutSemaphores(Milter64):
    """milter64 where nothing can be made in /dev/shm, as in a container without."""

    program = ("unshare", "--mount", "sh", "-c", _READ_ONLY, "sh", *Milter64.program)


def test_where_nothing_can_be_shared_mail_goes_on_without_limits(lab: Lab, dns: DnsServer) -> None:
    milter = lab.start(WithoutSemaphores, configuration(lab, dns, '[rate]\nrecipients = { "ipv4/32" = "1/1h" }\n'))
    assert [answer(milter) for _ in range(3)] == ["continue"] * 3
    line = milter.wait_log(lambda line: line["event"] == "limits")
    assert line["trouble"].startswith("there is no room to count, so there are none: ")


def test_limits_outlive_workers_and_reloads_with_other_limits_too(serve: Serve, lab: Lab, dns: DnsServer) -> None:
    milter = serve('[rate]\nrecipients = { "ipv4/32" = "10/1h" }\n')
    milter.wait_log(lambda line: line["event"] == "ready")
    assert {answer(milter) for _ in range(7)} == {"continue"}
    before = set(children(milter.pid))
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(set(children(milter.pid)) - before) == 2, "two new workers")
    assert {answer(milter) for _ in range(3)} == {"continue"}
    assert answer(milter).startswith("450 4.7.1")
    for limits, told in (
        ("", ["continue"] * 12),
        ('[rate]\nrecipients = { "ipv4/32" = "12/1h" }\n', ["continue"] * 2 + ["450 4.7.1"]),
        ('[rate]\nrecipients = { "ipv4/32" = "2/1h", "ipv4/24" = "5/1h" }\n', ["450 4.7.1"]),
    ):
        milter.configure(configuration(lab, dns, limits))
        reload(milter)
        assert [answer(milter)[: len(each)] for each in told] == told
