"""The guard in a real service: what it sees of clients and of the resolver, says, and does."""

import json

import pytest

from rig.direct import Message, session
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.milterclient import MilterClient, Reply
from rig.nsd import Nsd
from rig.process import until
from rig.recursors import Bind, Knot, PowerDns, Recursor
from rig.service import Milter64
from rig.unbound import Unbound
from rig.world import STRANGER, ZONES, behind

pytestmark = pytest.mark.long

MASKED = 20
MEMORY = '[greylist]\nstore = "memory:"\n'
IPV4ONLY = {
    ".": """
        ipv4only.arpa. A 192.0.0.170
        ipv4only.arpa. A 192.0.0.171
        wide64.example. TXT "v=spf1 a:mail.example.org//64 -all"
        mail.example.org. A 192.31.196.10
        """
}
FORGED = "mx.lab.example; spf=pass smtp.mailfrom=bank.example"


def events(milter: Milter64, event: str) -> list[dict[str, object]]:
    return [line for line in milter.log if line["event"] == event]


def crowd(milter: Milter64, address: str, number: int = MASKED) -> None:
    """Let so many senders of different names and domains come from one address."""
    for n in range(number):
        reply = Message(address=address, helo=f"mail.s{n}.example", sender=f"a@s{n}.example").offer(milter)
        assert reply.action in ("continue", "tempfail")


def send_forged(milter: Milter64, address: str) -> Reply:
    with session(milter) as client:
        deliver(client, address)
        return client.eom(i="QUEUEID")


def deliver(client: MilterClient, address: str) -> None:
    client.connect(address=address, j="mx.lab.example")
    client.helo("mail.new.example")
    client.mail("<a@new.example>")
    assert client.rcpt("<u@lab.example>").action == "continue"
    client.data()
    client.header("Authentication-Results", FORGED)
    client.eoh()


@pytest.mark.parametrize("address", ["127.0.0.1", "fd00::1"])
def test_a_gateway_is_found_by_its_clients_and_trusted_no_more(lab: Lab, address: str) -> None:
    settings = f'{MEMORY}apply = "all"\n[trust]\nnetworks = ["127.0.0.0/8", "fd00::/8"]\n'
    milter = lab.start(Milter64, f'{settings}[dns]\nnameservers = ["{lab.start(Nsd, ZONES).server}"]\n')
    crowd(milter, address)
    line = milter.wait_log(lambda line: line["event"] == "masked")
    assert (line["level"], line["client"]) == ("warning", address)
    assert "trust included" in line["what"]
    assert "PROXY protocol" in line["remedy"]
    reply = until(
        lambda: answer if _added(answer := send_forged(milter, address)) else None, "the address to be masked"
    )
    assert _added(reply) == [f"mx.lab.example;\n none\n (wire {address}, masked, private)"]
    assert _deleted(reply) == 1
    milter.wait_log(lambda line: line.get("helo") == "mail.new.example" and line["origin"] == "masked")


def _added(reply: Reply) -> list[str]:
    return [value for name, value in reply.headers if name == "Authentication-Results"]


def _deleted(reply: Reply) -> int:
    return sum(letter == "m" for letter, _ in reply.changes)


def test_a_monitoring_host_and_a_host_of_few_domains_are_no_gateways(lab: Lab) -> None:
    milter = lab.start(Milter64, f'{MEMORY}[dns]\nnameservers = ["{lab.start(Nsd, ZONES).server}"]\n')
    for n in range(2 * MASKED):
        Message(address="10.0.0.7", helo="monitor.example", sender=f"probe@s{n}.example").offer(milter)
        Message(address="10.0.0.8", helo=f"pc{n}.example", sender=f"user{n}@lab.example").offer(milter)
        Message(address=behind(STRANGER), helo=f"pc{n}.example", sender=f"a@s{n}.example").offer(milter)
    crowd(milter, "10.0.0.9")  # what comes last is looked at last
    milter.wait_log(lambda line: line["event"] == "masked")
    assert [line["client"] for line in events(milter, "masked")] == ["10.0.0.9"]
    assert not _added(send_forged(milter, "127.0.0.1"))


def test_a_relay_keeps_its_trust_and_is_told_to_name_its_clients(lab: Lab) -> None:
    settings = f'{MEMORY}[trust]\nrelays = ["10.0.0.7"]\n'
    milter = lab.start(Milter64, f'{settings}[dns]\nnameservers = ["{lab.start(Nsd, ZONES).server}"]\n')
    crowd(milter, "10.0.0.7")
    line = milter.wait_log(lambda line: line["event"] == "masked")
    assert "stays trusted" in line["what"]
    assert "XCLIENT" in line["remedy"]
    crowd(milter, "10.0.0.9")
    milter.wait_log(lambda line: line["event"] == "masked" and line["client"] == "10.0.0.9")
    reply = send_forged(milter, "10.0.0.7")
    assert (_added(reply), _deleted(reply)) == ([], 0)


@pytest.mark.parametrize(
    ("wire", "prefix", "remedy"),
    [
        (behind(STRANGER), "64:ff9b::/96", '[translation] prefixes = ["2001:db8:64::/96", "64:ff9b::/96"]'),
        ("64:ff9b:1::c01f:c428", "64:ff9b:1::/96", '[translation] prefixes = ["2001:db8:64::/96", "64:ff9b:1::/96"]'),
        (
            "64:ff9b:1:c01f:c4:2800::",
            "64:ff9b:1::/48",
            '[translation] prefixes = ["2001:db8:64::/96", "64:ff9b:1::/48"]',
        ),
        ("64:ff9b:1:0:ff00::1", "64:ff9b:1::/48", "find out its prefix"),
        ("64:ff9b::a00:1", "64:ff9b::/96", "find out its prefix"),
    ],
)
def test_an_undecoded_client_is_told_of_once_with_the_line_that_decodes_it(
    lab: Lab, wire: str, prefix: str, remedy: str
) -> None:
    settings = f'{MEMORY}[translation]\nprefixes = ["2001:db8:64::/96"]\n'
    milter = lab.start(Milter64, f'{settings}[dns]\nnameservers = ["{lab.start(Nsd, ZONES).server}"]\n')
    for _ in range(3):
        assert Message(address=wire).send(milter).action == "continue"
    line = milter.wait_log(lambda line: line["event"] == "undecoded")
    assert (line["level"], line["client"], line["prefix"]) == ("warning", wire, prefix)
    assert remedy in line["remedy"]
    crowd(milter, "10.0.0.9")
    milter.wait_log(lambda line: line["event"] == "masked")
    assert len(events(milter, "undecoded")) == 1


@pytest.mark.parametrize("recursor", [Unbound, Bind, Knot, PowerDns])
def test_a_dns64_is_found_and_its_inventions_count_for_nothing(lab: Lab, recursor: type[Recursor]) -> None:
    """With `a:host//64`, and a DNS64's AAAA records taken for real, everybody in the /64 of its prefix would pass."""
    nsd = lab.start(Nsd, IPV4ONLY)
    dns64 = lab.start(recursor, nsd, dns64="2001:db8:122:344::/96")
    milter = lab.start(Milter64, f'{MEMORY}[dns]\nnameservers = ["{dns64.server}"]\n')
    line = milter.wait_log(lambda line: line["event"] == "dns64")
    assert (line["level"], line["nameserver"], line["prefix"]) == ("warning", dns64.server, "2001:db8:122:344::/96")
    assert "[dns] nameservers" in line["remedy"]
    forged = Message(address="2001:db8:122:344:0:1::25", sender="a@wide64.example")
    until(lambda: forged.offer(milter).text.startswith("550 5.7.23 SPF fail"), "the other worker to know too")
    behind_translator = Message(address="2001:db8:122:344::c01f:c428", sender="a@wide64.example")
    assert behind_translator.send(milter).action == "continue"
    milter.wait_log(lambda line: line["event"] == "undecoded" and line["prefix"] == "2001:db8:122:344::/96")
    milter.wait_log(lambda line: line["event"] == "accepted" and line["origin"] == "undecoded")
    assert len(events(milter, "dns64")) == 1


def test_a_resolver_without_dns64_is_left_in_peace(lab: Lab) -> None:
    milter = lab.start(Milter64, f'{MEMORY}[dns]\nnameservers = ["{lab.start(Nsd, IPV4ONLY).server}"]\n')
    crowd(milter, "10.0.0.9")  # what is looked at after the question
    milter.wait_log(lambda line: line["event"] == "masked")
    assert events(milter, "dns64") == []


def test_a_nameserver_that_says_nothing_delays_neither_the_start_nor_the_end(lab: Lab) -> None:
    with DnsServer() as silent:
        silent.silence()
        milter = lab.start(Milter64, f'{MEMORY}[dns]\nnameservers = ["{silent.address}"]\ntimeout = "1h"\n')
        until(lambda: silent.count("ipv4only.arpa"), "the question")
        assert Message(address="127.0.0.1").send(milter).action == "continue"
        assert milter.stop() == 0
    assert [line["event"] for line in milter.log if line["level"] != "info"] == []


def test_prefixes_that_clients_come_from_are_noted_in_a_file_beside_the_greylist(lab: Lab) -> None:
    store = lab.folder / "greylist.sqlite"
    settings = f'[greylist]\nstore = "sqlite:{store}"\n[translation]\nprefixes = ["64:ff9b::/96"]\n'
    milter = lab.start(Milter64, f'{settings}[dns]\nnameservers = ["{lab.start(Nsd, ZONES).server}"]\n')
    Message(address=behind(STRANGER)).offer(milter)
    Message(address="64:ff9b:1::c01f:c428").offer(milter)
    Message(address="2001:db8::25").offer(milter)
    file = lab.folder / "greylist.sqlite.network.json"
    rows = until(
        lambda: file.exists() and len(rows := json.loads(file.read_bytes())["prefixes"]) == 2 and rows, "both prefixes"
    )
    assert {prefix: (row["origin"], row["clients"]) for prefix, row in rows.items()} == {
        "64:ff9b::/96": ("translated", [behind(STRANGER)]),
        "64:ff9b:1::/96": ("undecoded", ["64:ff9b:1::c01f:c428"]),
    }
    assert file.stat().st_mode & 0o777 == 0o640
