"""rspamd behind milter64 and Postfix, with what `milter64 neighbours rspamd` prints: it sees the plain IPv4 client."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from milter64.cli.neighbours import written
from milter64.config.load_file import parse
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.network import Namespace, Network
from rig.pages import blocks, page
from rig.postfix import Postfix
from rig.rspamd import Rspamd
from rig.service import Milter64
from rig.smtp import Reply, Smtp
from rig.translated import CLIENTS, SETTINGS, WIRES, listed_dns, message
from rig.world import HONEST, STRANGER, behind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RELAYS = """
rspamd_config:register_symbol({
  name = "RELAYS",
  type = "callback",
  callback = function(task)
    local relays = {}
    for _, each in ipairs(task:get_received_headers()) do
      relays[#relays + 1] = tostring(each.real_ip) .. " " .. each.from_ip .. " " .. each.real_hostname
    end
    task:insert_result("RELAYS", 0, relays)
  end,
})
"""
"""A rule that shows what rules know of relays, the client first."""
WRITING = 'use = ["authentication-results"];\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """milter64, a rspamd behind it, and the nameserver of that alone."""

    network: Network
    dns: DnsServer
    rspamd: Rspamd
    postfix: Postfix

    def send(self, address: str, client: str) -> tuple[Reply, dict[str, str], set[tuple[str, str]], set[str]]:
        """Return the reply, what rspamd found, the questions that it asked, and the keys of its greylist."""
        name, domain = CLIENTS[client]
        before, asked = len(self.rspamd.results), len(self.dns.queries)
        with Smtp("127.0.0.1", self.postfix.port, network=self.network) as session:
            session.xclient(addr=address, name=name if address == client else "[UNAVAILABLE]")
            session.ehlo("mail.honest.example")
            reply = session.transaction(f"a@{domain}", ["b@lab.example"], message(domain))
        assert "milter64" not in reply.text
        found = self.rspamd.result(before)
        found["symbols"] = re.sub(r"\w{3}, [^;]* GMT;", "", found["symbols"])  # when the greylist lets it in
        questions = {each for each in self.dns.queries[asked:] if each[0] != "maps.rspamd.com"}
        return reply, found, questions, self.rspamd.forget()


def _world(rules: str, milter_headers: str) -> Iterator[World]:
    with Namespace() as network, Lab() as lab, listed_dns(network) as ours, listed_dns(network) as theirs:
        text = f'{SETTINGS}\n[dns]\nnameservers = ["{ours.address}"]\n'
        milter = lab.start(Milter64, text, network=network)
        files = {"spf": "spf_cache_size = 0;", "milter_headers": milter_headers}
        rspamd = lab.start(Rspamd, network=network, dns=theirs.address, rules=rules, **files)
        postfix = lab.start(Postfix, milters=f"{milter.milters}, {rspamd.milters}", network=network)
        yield World(network=network, dns=theirs, rspamd=rspamd, postfix=postfix)


@pytest.fixture(scope="module")
def told() -> Iterator[World]:
    """One that has been told of the real client, and to leave our field."""
    (leaving,) = (block for block in blocks(page("neighbours"), "text") if "remove" in block)
    yield from _world(written("rspamd", parse(SETTINGS)[0]) + RELAYS, WRITING + leaving)


@pytest.fixture(scope="module")
def untold() -> Iterator[World]:
    yield from _world("", WRITING)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("form", WIRES)
def test_a_translated_client_is_to_rspamd_what_the_plain_one_is(told: World, form: str, client: str) -> None:
    plain, translated = told.send(client, client), told.send(WIRES[form](client), client)
    assert translated[1:] == plain[1:]
    assert translated[0].code == plain[0].code
    reply, found, questions, keys = translated
    assert (f"{'.'.join(reversed(client.split('.')))}.zen.spamhaus.org", "A") in questions
    name = CLIENTS[client][0].replace("[UNAVAILABLE]", f"[{client}]")
    assert f"RELAYS(0.00){{{client} {client} {name};198.51.100.7 198.51.100.7 b.example;}}" in found["symbols"]
    assert (reply.code, bool(keys)) == ((451, True) if client != HONEST else (250, False)), found


def test_a_native_ipv6_client_is_left_as_it_is(told: World) -> None:
    address = "2001:db8:bad::1"
    assert told.send(address, HONEST)[1]["ip"] == address


def test_without_it_rspamd_asks_for_nibbles_and_holds_the_translator_against_an_honest_client(untold: World) -> None:
    plain, translated = untold.send(HONEST, HONEST), untold.send(behind(HONEST), HONEST)
    assert (plain[0].code, translated[0].code) == (250, 451)
    assert float(translated[1]["points"]) - float(plain[1]["points"]) > 5
    assert any(".b.9.f.f.4.6.0.0.zen.spamhaus.org" in name for name, _ in translated[2])


def test_without_it_one_key_of_the_greylist_is_for_all_of_ipv4(untold: World) -> None:
    assert untold.send(behind(STRANGER), STRANGER)[3] & untold.send("64:ff9b::102:304", STRANGER)[3]


def test_told_to_write_authentication_results_rspamd_deletes_ours_unless_it_is_told_not_to(
    told: World, untold: World
) -> None:
    fields = []
    for world in (told, untold):
        before = len(world.postfix.delivered(0))
        assert world.send(HONEST, HONEST)[0].code == 250
        found = world.postfix.delivered(before + 1)[-1].get_all("Authentication-Results", [])
        fields.append(sorted("iprev" if "iprev=" in each else "helo" if "smtp.helo" in each else "" for each in found))
    assert fields == [["", "helo", "iprev"], [""]]
