"""SpamAssassin behind milter64 and Postfix, with what `milter64 neighbours spamassassin` prints."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from milter64.cli.neighbours import written
from milter64.config.load_file import parse
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.network import Namespace, Network
from rig.postfix import Postfix
from rig.service import Milter64
from rig.smtp import Smtp
from rig.spamassassin import SpamAssassin
from rig.translated import CLIENTS, SETTINGS, WIRES, listed_dns, message
from rig.world import HONEST, behind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BY_ITSELF = "ignore_received_spf_header 1\n"
"""It asks for SPF records, whatever our fields say."""


@dataclass(slots=True, kw_only=True)
class World:
    """milter64 before a Postfix that delivers through SpamAssassin, and the nameserver of that alone."""

    network: Network
    dns: DnsServer
    spamassassin: SpamAssassin
    postfix: Postfix
    sent: int = 0

    def send(self, address: str, client: str) -> tuple[str, set[tuple[str, str]]]:
        """Return what SpamAssassin found, and the questions that it asked."""
        name, domain = CLIENTS[client]
        asked = len(self.dns.queries)
        with Smtp("127.0.0.1", self.postfix.port, network=self.network) as session:
            session.xclient(addr=address, name=name if address == client else "[UNAVAILABLE]")
            session.ehlo("mail.honest.example")
            assert session.transaction(f"a@{domain}", ["b@lab.example"], message(domain)).code == 250
        delivered = self.spamassassin.delivered(self.sent)
        self.sent += 1
        return " ".join(str(delivered["X-Spam-Result"]).split()), set(self.dns.queries[asked:])


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
        yield World(network=network, dns=theirs, spamassassin=filtering, postfix=postfix)


@pytest.fixture(scope="module")
def told() -> Iterator[World]:
    with world(written("spamassassin", parse(SETTINGS)[0]), BY_ITSELF) as told:
        yield told


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("form", WIRES)
def test_a_translated_client_is_to_spamassassin_what_the_plain_one_is(told: World, form: str, client: str) -> None:
    plain, translated = told.send(client, client), told.send(WIRES[form](client), client)
    assert translated == plain
    found, questions = translated
    assert ("SPF_PASS" in found, "RDNS_NONE" in found) == (client == HONEST, CLIENTS[client][0] == "[UNAVAILABLE]")
    assert (f"{'.'.join(reversed(client.split('.')))}.zen.spamhaus.org", "A") in questions


def test_without_it_spamassassin_asks_for_nibbles_and_holds_the_translator_against_an_honest_client() -> None:
    with world("", BY_ITSELF) as untold:
        plain, translated = untold.send(HONEST, HONEST), untold.send(behind(HONEST), HONEST)
    assert float(translated[0].split()[0]) - float(plain[0].split()[0]) > 2
    assert {"SPF_FAIL", "RDNS_NONE"} <= {each.split("=")[0] for each in translated[0].replace(" ", ",").split(",")}
    assert any(".b.9.f.f.4.6.0.0.zen.spamhaus.org" in name for name, _ in translated[1])


@pytest.mark.parametrize("headers", ["", "authentication_results = false\nreceived_spf = true"])
def test_our_fields_spare_spamassassin_the_questions_of_spf_and_are_read_rightly(headers: str) -> None:
    with world("", headers=headers) as reading:
        found, questions = reading.send(behind(HONEST), HONEST)
    assert "SPF_HELO_PASS=-0.001" in found
    assert "SPF_PASS=-0.001" in found
    assert ("mail.honest.example", "TXT") not in questions
