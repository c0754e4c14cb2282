"""Nameservers that answer, and nothing of use; or that are not there at all."""

import time
from dataclasses import replace

import pytest

from rig.direct import Message, judges_rightly
from rig.dnsserver import ALL, DnsServer, Fault
from rig.lab import Lab
from rig.plaindns import PlainDns, Way
from rig.process import until
from rig.service import Milter64
from rig.stage import MEMORY
from rig.world import HONEST, RECORDS, STRANGER, behind

pytestmark = pytest.mark.long

IN_TIME = 6.0
"""Seconds that a reply may take with the deadline of one second: slow machines are slow."""
HONEST_MAIL = Message(address=behind(HONEST))


def settings(dns: DnsServer, more: str = "") -> str:
    return f'{MEMORY}\n{more}\n[dns]\nnameservers = ["{dns.address}"]\ntimeout = "300ms"\ndeadline = "1s"\n'


@pytest.mark.parametrize(
    "fault",
    [
        Fault.SERVFAIL,
        Fault.REFUSED,
        Fault.FORMERR,
        Fault.GARBAGE,
        Fault.WRONG_ID,
        Fault.WRONG_QUESTION,
        Fault.WRONG_SOURCE,
    ],
    ids=str,
)
def test_an_answer_of_no_use_puts_a_client_off_in_time_and_the_next_mail_is_judged_rightly(
    lab: Lab, fault: Fault
) -> None:
    with DnsServer(RECORDS) as dns:
        milter = lab.start(Milter64, settings(dns))
        dns.faults[ALL] = fault
        began = time.monotonic()
        reply = HONEST_MAIL.offer(milter)
        assert time.monotonic() - began < IN_TIME
        assert reply.text.startswith("450 4.7.1 Greylisted (SPF temperror, Reverse DNS temperror), please try again in")
        dns.revive()
        assert judges_rightly(milter)


def test_a_nameserver_without_edns_serves_too_and_the_log_says_so_once(lab: Lab) -> None:
    with PlainDns(RECORDS) as dns:
        dns.way = Way.NOTIMP
        milter = lab.start(Milter64, settings(dns))
        assert judges_rightly(milter)
        line = milter.wait_log(lambda line: line["event"] == "nameserver without EDNS")
        assert (line["level"], line["nameserver"]) == ("warning", dns.address)
        assert judges_rightly(milter)
        assert sum(line["event"] == "nameserver without EDNS" for line in milter.log) == 1


def test_a_truncated_answer_costs_nobody_a_wait(lab: Lab) -> None:
    with DnsServer(RECORDS) as dns:
        milter = lab.start(Milter64, settings(dns))
        dns.faults[ALL] = Fault.TRUNCATED
        assert judges_rightly(milter)
        assert dns.tcp_queries


def test_a_domain_whose_answers_hang_in_tcp_holds_nobody_else_up(lab: Lab) -> None:
    with DnsServer({**RECORDS, "slow.example": RECORDS["honest.example"]}) as dns:
        milter = lab.start(Milter64, settings(dns))
        dns.faults["slow.example"] = Fault.TRUNCATED | Fault.TCP_HANGS
        reply = Message(address=behind(HONEST), sender="a@slow.example").offer(milter)
        assert reply.text.startswith("450 4.7.1 Greylisted (SPF temperror), please try again in ")
        assert judges_rightly(milter)


def test_without_any_nameserver_a_client_is_put_off_until_there_is_one(lab: Lab) -> None:
    with DnsServer() as gone:
        pass
    milter = lab.start(Milter64, settings(gone))
    assert HONEST_MAIL.offer(milter).text.startswith("450")
    assert "connection refused" in milter.wait_log(lambda line: line["event"] == "greylisted")["because"]
    with DnsServer(RECORDS, port=gone.port):
        assert judges_rightly(milter)


@pytest.mark.parametrize("breaker", ["closed", pytest.param("open", marks=pytest.mark.slow)])
def test_no_outage_makes_a_fail_of_an_spf_record_with_ptr(lab: Lab, breaker: str) -> None:
    # RFC 7208 5.5 takes a DNS error at a PTR question for no match, which leads on to -all.
    with DnsServer({**RECORDS, "ptr.example": {"TXT": ["v=spf1 ptr:honest.example -all"]}}) as dns:
        milter = lab.start(Milter64, settings(dns, "[milter]\nworkers = 1\n"))
        forged = Message(address=behind(STRANGER), sender="a@ptr.example", helo="stranger.example")
        honest = replace(forged, address=behind(HONEST))

        def events() -> list[str]:
            return [line["event"] for line in milter.log]

        assert forged.offer(milter).text.startswith("550 5.7.23 SPF fail")
        dns.silence()
        assert honest.offer(milter).text.startswith("450 4.7.1 Greylisted (SPF temperror, Reverse DNS temperror)")
        if breaker == "open":
            until(lambda: honest.offer(milter) and "no nameserver answers" in events(), "the breaker to open")
            assert honest.offer(milter).action == "continue"
        dns.revive()
        until(lambda: "spf=pass" in str(honest.send(milter).headers), "the honest client to be known again")
        assert events().count("rejected") == 1
