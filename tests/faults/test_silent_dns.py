"""A nameserver that says nothing any more: a real nsd, stopped in the middle of its work."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count

import pytest

from rig.direct import Message, judges_rightly, session
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.mail import Mail, results
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import until
from rig.service import Milter64
from rig.stage import MEMORY, Stage
from rig.world import HONEST, RECORDS, STRANGER, ZONES, behind

IN_TIME = 6.0
"""Seconds that a reply may take with the deadline of one second that these tests set: slow machines are slow."""
DOWN, UP = "no nameserver answers", "nameservers answer again"


def quick(server: str, more: str = "") -> str:
    """Return settings for a test that waits for deadlines; one worker, so that all its sessions share one breaker."""
    dns = f'[dns]\nnameservers = ["{server}"]\ntimeout = "300ms"\ndeadline = "1s"\n'
    return f"{MEMORY}\n{dns}\n[milter]\nworkers = 1\n{more}"


@contextmanager
def silent(nsd: Nsd) -> Iterator[None]:
    os.killpg(nsd.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(nsd.pid, signal.SIGCONT)


def test_while_dns_is_silent_a_client_is_put_off_in_time_and_judged_rightly_afterwards(lab: Lab) -> None:
    nsd = lab.start(Nsd, ZONES)
    milter = lab.start(Milter64, quick(nsd.server))
    stage = Stage(dns=nsd, milter=milter, postfix=lab.start(Postfix, milters=milter.milters))
    honest = Mail(token="silent", address=behind(HONEST))
    forged = Mail(token="forged", address=behind(STRANGER), helo="stranger.example")
    with silent(nsd):
        began = time.monotonic()
        reply = honest.send(stage)
        assert time.monotonic() - began < IN_TIME
        assert (reply.code, reply.text[:50]) == (450, "4.7.1 Greylisted (SPF temperror, Reverse DNS tempe")
        assert forged.send(stage).code == 450
        assert Mail(token="local", address="127.0.0.1").send(stage).code == 250
    assert forged.send(stage).text.startswith("5.7.23 SPF fail")
    assert honest.send(stage).code == 250
    assert "spf=pass (ip4" in results(honest.delivered(stage))


@pytest.mark.slow
def test_five_seconds_of_silence_end_all_greylisting_on_the_evidence_of_dns_until_it_answers(lab: Lab) -> None:
    nsd = lab.start(Nsd, ZONES)
    milter = lab.start(Milter64, quick(nsd.server))
    numbers = count()

    def another() -> Message:
        return Message(address=behind(HONEST), sender=f"a@n{next(numbers)}.fresh.example")

    with silent(nsd):
        assert another().offer(milter).text.startswith("450 4.7.1 Greylisted")
        until(lambda: another().offer(milter).action == "continue", "a client that is not put off any more")
        milter.wait_log(lambda line: line["event"] == DOWN)
        began = time.monotonic()
        fields = [value for name, value in another().send(milter).headers if name == "Authentication-Results"]
        assert ["spf=temperror" in value for value in fields] == [True, True]
        assert time.monotonic() - began < 1  # the deadline: nothing waits for an answer that won't come
    milter.wait_log(lambda line: line["event"] == UP)
    assert judges_rightly(milter, f"n{next(numbers)}.fresh.example")
    assert [(line["event"], line["level"]) for line in milter.log if line["event"] in (DOWN, UP)] == [
        (DOWN, "warning"),
        (UP, "info"),
    ]


def test_while_dns_is_silent_an_expired_finding_serves_those_alone_who_have_passed(lab: Lab) -> None:
    records = f'soon.example. 1 TXT "v=spf1 ip4:{HONEST} ~all"\n'
    nsd = lab.start(Nsd, {".": str(ZONES["."]) + records})
    actions = '[spf.actions]\nsoftfail = "greylist"\ntemperror = "tempfail"\n[iprev]\nenabled = false\n'
    milter = lab.start(Milter64, quick(nsd.server, actions))
    known = Message(address=behind(STRANGER), sender="a@soon.example", helo="stranger.example")
    numbers = count()

    def new() -> Message:
        return replace(known, recipient=f"new{next(numbers)}@lab.example")

    until(lambda: known.offer(milter).action == "continue", "the sender to pass")
    with silent(nsd):
        until(lambda: new().offer(milter).text.startswith("451 4.7.24"), "the finding to expire")
        fields = [value for name, value in known.send(milter).headers if name == "Authentication-Results"]
        assert ["spf=softfail" in value for value in fields if "smtp.mailfrom=" in value] == [True]


def test_sessions_that_speak_up_all_at_once_do_not_wait_for_one_another_s_dns(lab: Lab) -> None:
    # Without `LibmilterThreads`, libmilter hands all of them to one thread, which waits for DNS with the first.
    with DnsServer(RECORDS) as dns, ExitStack() as sessions:
        settings = f'{MEMORY}\n[dns]\nnameservers = ["{dns.address}"]\ntimeout = "50s"\ndeadline = "50s"\n'
        milter = lab.start(Milter64, f"{settings}\n[milter]\nworkers = 1\n")
        clients = []
        for number in range(200):
            client = sessions.enter_context(session(milter))
            client.connect(address="127.0.0.1" if number % 2 else behind(HONEST), j="mx.lab.example")
            client.helo("mail.honest.example")
            client.mail("<a@honest.example>")
            clients.append(client)
        gate = dns.hold()
        os.killpg(milter.pid, signal.SIGSTOP)
        for client in clients:
            client.send_rcpt("<b@lab.example>")
        os.killpg(milter.pid, signal.SIGCONT)
        ordinary = [client.answer() for client in clients[1::2]]
        gate.set()
        put_off = [client.answer() for client in clients[::2]]
    assert {reply.action for reply in ordinary} == {"continue"}
    # Of the hundred, sixteen of one network may wait for DNS; those that find no place in time are put off.
    assert {reply.text[:9] or reply.action for reply in put_off} <= {"continue", "451 4.3.2"}
    assert [reply.action for reply in put_off].count("continue") >= 16
