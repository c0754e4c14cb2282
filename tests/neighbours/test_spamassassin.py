"""SpamAssassin behind milter64 and Postfix, with what `milter64 neighbours spamassassin` prints."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message

import pytest

from milter64.cli.neighbours import written
from milter64.config.load_file import parse
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.network import Namespace, Network
from rig.postfix import Postfix
from rig.service import Milter64
from rig.smtp import Smtp
from rig.spamassassin import SpamAssassin, SpamassMilter
from rig.translated import CLIENTS, SETTINGS, WIRES, listed_dns, message
from rig.world import HONEST, behind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BY_ITSELF = "ignore_received_spf_header 1\n"
"""It asks for SPF records, whatever our fields say."""
MORE = """
loadplugin Mail::SpamAssassin::Plugin::ASN
asn_lookup asn.example _ASN_ _ASNCIDR_
askdns ASKED _RELAYSEXTERNALREVIP_.askdns.example A /./
"""
"""Another plugin that looks at relays, and a question of one's own with their addresses."""


@dataclass(slots=True, kw_only=True)
class World:
    """milter64 before a Postfix that delivers through SpamAssassin, and the nameserver of that alone."""

    network: Network
    lab: Lab
    dns: DnsServer
    milter: Milter64
    spamassassin: SpamAssassin
    postfix: Postfix
    sent: int = 0

    def send(self, address: str, client: str) -> tuple[str, set[tuple[str, str]]]:
        """Return what SpamAssassin found, and the questions that it asked."""
        asked = len(self.dns.queries)
        self._send(self.postfix, address, client)
        delivered = self.spamassassin.delivered(self.sent)
        self.sent += 1
        return _status(delivered), set(self.dns.queries[asked:])

    def send_by_milter(self, address: str, client: str) -> str:
        """Return what SpamAssassin found when spamass-milter, behind milter64, had asked it."""
        filtering = self.lab.start(SpamassMilter, self.spamassassin, network=self.network)
        milters = f"{self.milter.milters}, {filtering.milters}"
        postfix = self.lab.start(Postfix, milters=milters, network=self.network)
        self._send(postfix, address, client)
        return _status(postfix.delivered()[0])

    def _send(self, postfix: Postfix, address: str, client: str) -> None:
        name, domain = CLIENTS[client]
        with Smtp("127.0.0.1", postfix.port, network=self.network) as session:
            session.xclient(addr=address, name=name if address == client else "[UNAVAILABLE]")
            session.ehlo("mail.honest.example")
            assert session.transaction(f"a@{domain}", ["b@lab.example"], message(domain)).code == 250


def _status(delivered: Message) -> str:
    return "".join(str(delivered["X-Spam-Status"]).split())


@contextmanager
def world(plugin: str, settings: str = "", headers: str = "") -> Iterator[World]:
    with Namespace() as network, Lab() as lab, listed_dns(network) as ours, listed_dns(network) as theirs:
        text = f'{SETTINGS}\n[dns]\nnameservers = ["{ours.address}"]\n[headers]\n{headers}\n'
        milter = lab.start(Milter64, text, network=network)
        filtering = lab.start(SpamAssassin, network=network, dns=theirs.port, plugin=plugin, settings=settings)
        services, transport = [filtering.service], "spamassassin:"
        postfix = lab.start(
            Postfix, milters=milter.milters, network=network, services=services, virtual_transport=transport
        )
        yield World(network=network, lab=lab, dns=theirs, milter=milter, spamassassin=filtering, postfix=postfix)


@pytest.fixture(scope="module")
def told() -> Iterator[World]:
    with world(written("spamassassin", parse(SETTINGS)[0]), BY_ITSELF + MORE) as told:
        yield told


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("form", WIRES)
def test_a_translated_client_is_to_spamassassin_what_the_plain_one_is(told: World, form: str, client: str) -> None:
    plain, translated = told.send(client, client), told.send(WIRES[form](client), client)
    assert translated == plain
    found, questions = translated
    assert ("SPF_PASS" in found, "RDNS_NONE" in found) == (client == HONEST, CLIENTS[client][0] == "[UNAVAILABLE]")
    reversed_address = ".".join(reversed(client.split(".")))
    asked = {name for name, _ in questions}
    assert {f"{reversed_address}.{zone}" for zone in ("zen.spamhaus.org", "asn.example", "askdns.example")} <= asked


def test_so_it_is_where_spamass_milter_calls_it(told: World) -> None:
    assert told.send_by_milter(behind(HONEST), HONEST) == told.send_by_milter(HONEST, HONEST)


def test_without_it_spamassassin_asks_for_nibbles_and_holds_the_translator_against_an_honest_client() -> None:
    with world("", BY_ITSELF) as untold:
        plain, translated = untold.send(HONEST, HONEST), untold.send(behind(HONEST), HONEST)
    assert points(translated[0]) - points(plain[0]) > 2
    assert {"SPF_FAIL", "RDNS_NONE"} <= set(re.findall(r"(\w+)=", translated[0]))
    assert any(".b.9.f.f.4.6.0.0.zen.spamhaus.org" in name for name, _ in translated[1])


def points(status: str) -> float:
    return float(re.findall(r"score=([\d.-]+)", status)[0])


@pytest.mark.parametrize("headers", ["", "authentication_results = false\nreceived_spf = true"])
def test_our_fields_spare_spamassassin_the_questions_of_spf_and_are_read_rightly(headers: str) -> None:
    with world("", headers=headers) as reading:
        found, questions = reading.send(behind(HONEST), HONEST)
        by_milter = reading.send_by_milter(behind(HONEST), HONEST)
    assert "SPF_HELO_PASS=-0.001" in found
    assert "SPF_PASS=-0.001" in found
    assert ("mail.honest.example", "TXT") not in questions
    assert "SPF_FAIL=" in by_milter  # its Received stands above our fields
