"""More verdicts wait for DNS than may: whoever makes them wait puts nobody else off, and is nobody's opinion."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from rig.direct import Message
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.milterclient import Reply
from rig.process import until
from rig.service import Milter64
from rig.world import RECORDS, STRANGER, behind

pytestmark = pytest.mark.long

PATIENT = 'timeout = "50s"\ndeadline = "50s"'
"""For silence that lasts as long as the test."""


def sender(number: int) -> Message:
    """Return an honest message; no other number's has its network or its domain."""
    address, domain = f"185.{number}.0.1", f"honest{number}.example"
    return Message(address=behind(address), helo=f"mail.{domain}", sender=f"a@{domain}")


def forged(number: int) -> Message:
    """Return a message in the name of the honest one's domain, from a network of its own."""
    return Message(address=behind(f"186.{number}.0.1"), helo="stranger.example", sender=f"a@honest{number}.example")


def records(numbers: int) -> dict[str, dict[str, list[str]]]:
    """Return the world's records, and those of honest senders."""
    made = dict(RECORDS)
    for number in range(numbers):
        address, domain = f"185.{number}.0.1", f"honest{number}.example"
        made[domain] = {"TXT": [f"v=spf1 ip4:{address} -all"]}
        made[f"mail.{domain}"] = {"A": [address]}
        made[f"1.0.{number}.185.in-addr.arpa"] = {"PTR": [f"mail.{domain}"]}
    return made


def settings(dns: DnsServer, folder: Path, workers: int) -> str:
    store = f'[greylist]\nstore = "sqlite:{folder}/greylist.sqlite"\n'
    return f'{store}[milter]\nworkers = {workers}\n[dns]\nnameservers = ["{dns.address}"]\n{PATIENT}\n'


@contextmanager
def flood(milter: Milter64, dns: DnsServer, messages: list[Message]) -> Iterator[list[Future[Reply]]]:
    """Have messages wait for domains that keep silent till the end."""
    domains = [message.sender.partition("@")[2] for message in messages]
    for domain in set(domains):
        dns.hold(domain)
    with ThreadPoolExecutor(len(messages)) as pool:
        try:
            yield [pool.submit(message.offer, milter) for message in messages]
        finally:
            for domain in domains:
                dns.hold(domain).set()


FLOODS = {
    "of one network": [
        Message(address=behind(STRANGER), helo="stranger.example", sender=f"a@silent{n}.example") for n in range(100)
    ],
    "for one domain": [
        Message(address=behind(f"187.{n}.0.1"), helo="stranger.example", sender="a@silent.example") for n in range(100)
    ],
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", FLOODS)
def test_beside_a_flood_that_waits_for_silent_domains_everyone_else_is_judged_rightly(
    lab: Lab, tmp_path: Path, kind: str, workers: int
) -> None:
    with DnsServer(records(40)) as dns:
        milter = lab.start(Milter64, settings(dns, tmp_path, workers))
        with flood(milter, dns, FLOODS[kind]) as silent, ThreadPoolExecutor(80) as pool:
            until(lambda: any(reply.done() for reply in silent), "the flood to have all that it can get")
            honest = [pool.submit(sender(number).offer, milter) for number in range(40)]
            refused = [pool.submit(forged(number).offer, milter) for number in range(40)]
            assert [reply.result().action for reply in honest] == ["continue"] * 40
            assert {reply.result().text[:19] for reply in refused} == {"550 5.7.23 SPF fail"}
            put_off = [reply.result() for reply in silent if reply.done()]
            assert len(put_off) < len(silent)
        assert {reply.text[:9] for reply in put_off} == {"451 4.3.2"}
        busy = [line for line in milter.log if line["event"] == "busy"]
        assert len(busy) >= len(put_off)
        assert not any("temperror" in line.values() for line in busy)


def test_where_all_places_are_taken_nobody_is_judged_by_that(lab: Lab, tmp_path: Path) -> None:
    crowd = [
        Message(address=behind(f"187.{n}.0.1"), helo="stranger.example", sender=f"a@silent{n}.example")
        for n in range(32)
    ]
    with DnsServer(records(1)) as dns:
        milter = lab.start(Milter64, settings(dns, tmp_path, 1))
        with flood(milter, dns, crowd):
            until(lambda: sum(name.startswith("silent") for name, _ in list(dns.queries)) == 32, "all to wait")
            for message in (sender(0), forged(0)):
                assert message.offer(milter).text.startswith("451 4.3.2 Too busy to look everything up, please try")
            assert Message(address="127.0.0.1").send(milter).action == "continue"
        numbers = count()

        def judged() -> bool:
            return sender(0).send(milter).action == "continue" and bool(next(numbers))

        until(judged, "the honest sender's mail to come in twice")
        assert forged(0).offer(milter).text.startswith("550 5.7.23 SPF fail")
