"""How the facts are gathered, and how long DNS may take."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from milter64.address.client import Origin
from milter64.audit.auditor import LONGEST, audit, gather
from milter64.audit.facts.facts import Dns, Translators, words
from milter64.audit.facts.postconf import family_names
from milter64.config.load_file import parse
from milter64.config.settings import Settings
from milter64.discover.recorded_prefixes import Sighting
from rig.dnsserver import DnsServer, Fault
from rig.records import Records

INVENTED = ["64:ff9b::c000:aa", "64:ff9b::c000:ab", "2001:db8:64::c000:aa", "2001:db8:64::c000:ab"]
CROOKED = ["2001:db8:1:2:ff00:0:c000:aa", "2001:db8:1:2:ff00:0:c000:ab"]
REAL = {"ipv4only.arpa": {"A": ["192.0.0.170", "192.0.0.171"]}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.cf").write_text("mydomain = Example.ORG\nmyhostname = mx.example.org\n")
    (tmp_path / "master.cf").write_text("smtp inet n - y - - smtpd\n")
    return tmp_path


@pytest.fixture
def servers() -> Iterator[tuple[DnsServer, DnsServer]]:
    with ExitStack() as stack:
        yield (
            stack.enter_context(DnsServer({"ipv4only.arpa": {"AAAA": INVENTED}})),
            stack.enter_context(DnsServer(REAL)),
        )


def asking(*servers: DnsServer) -> Settings:
    listed = ", ".join(f'"{server.address}"' for server in servers)
    settings, problems = parse(f'dns = {{ nameservers = [{listed}], timeout = "200ms", deadline = "1s" }}')
    assert not problems
    return settings


def test_without_a_domain_it_is_postfixs_own(folder: Path, servers: tuple[DnsServer, DnsServer]) -> None:
    asked: list[str] = []
    facts, trouble = gather(asking(servers[1]), folder, [], asked.append)
    assert (facts.domains, facts.name, trouble) == (("example.org",), "mx.example.org", "")
    assert asked == ["the host", "AAAA ipv4only.arpa"]
    next(audit(facts))
    assert "MX example.org" in asked


def test_domains_are_taken_once(folder: Path, servers: tuple[DnsServer, DnsServer]) -> None:
    given = ["Example.net.", "example.net", "", "BÜCHER.example", "xn--bcher-kva.example"]
    facts, _ = gather(asking(servers[1]), folder, given, lambda _: None)
    assert facts.domains == ("example.net", "xn--bcher-kva.example")


def test_a_postfix_that_cannot_be_read_says_why(tmp_path: Path, servers: tuple[DnsServer, DnsServer]) -> None:
    facts, trouble = gather(asking(servers[1]), tmp_path / "gone", ["example.org"], lambda _: None)
    assert "gone" in trouble
    assert (facts.postfix.services, facts.name) == ((), facts.host.name)


def test_a_nameserver_that_synthesises_is_found_among_others(
    folder: Path, servers: tuple[DnsServer, DnsServer]
) -> None:
    dns64, plain = servers
    both = ("2001:db8:64::/96", "64:ff9b::/96")
    for settings in (asking(dns64), asking(plain, dns64), asking(dns64, plain)):
        facts, _ = gather(settings, folder, [], lambda _: None)
        assert facts.translators == Translators(prefixes=both)
    facts, _ = gather(asking(plain), folder, [], lambda _: None)
    assert facts.translators == Translators()


@pytest.mark.parametrize(
    ("fault", "why"), [(Fault.SILENT, "no answer in time"), (Fault.SERVFAIL, "SERVFAIL"), (Fault(0), "NXDOMAIN")]
)
def test_a_nameserver_that_does_not_say_leaves_it_open(
    folder: Path, servers: tuple[DnsServer, DnsServer], fault: Fault, why: str
) -> None:
    dns64, plain = servers
    dns64.faults["ipv4only.arpa"] = fault
    dns64.records = {}
    for settings in (asking(plain, dns64), asking(dns64, plain)):
        facts, _ = gather(settings, folder, [], lambda _: None)
        assert facts.translators == Translators(trouble=f"{why} from {dns64.address}")


def test_what_one_nameserver_invents_is_known_though_another_does_not_say(
    folder: Path, servers: tuple[DnsServer, DnsServer]
) -> None:
    dns64, blind = servers
    dns64.records["ipv4only.arpa"] = {"AAAA": [*INVENTED[:2], *CROOKED]}
    dns64.records["mx.example.org"] = {"AAAA": ["2001:db8:1:2:ff00:0:c01f:c40a", "2001:db8::25"]}
    blind.records = {}
    facts, _ = gather(asking(dns64, blind), folder, [], lambda _: None)
    assert (facts.translators.prefixes, facts.translators.trouble) == (
        ("64:ff9b::/96",),
        f"NXDOMAIN from {blind.address}",
    )
    assert "bits 64 to 71" in facts.translators.forbidden[0]
    assert facts.dns.ask("mx.example.org", "AAAA").values == ("2001:db8::25",)
    crooked = replace(facts, host=replace(facts.host, peers=("2001:db8:1:2:ff00:0:c01f:c40a", "2001:db8::25")))
    lines = {line.subject: line for theme, line in audit(crooked) if theme == "milter64"}
    assert lines["translation of clients"].evidence == ("2001:db8:1:2:ff00:0:c01f:c40a",)


def test_each_question_has_its_time_and_all_together_have_theirs() -> None:
    now = 1000.0
    dns = Dns(asker=Records({}), seconds=8.0, end=now + LONGEST, clock=lambda: now)
    assert dns.deadline() == 1008
    now += LONGEST - 3
    assert dns.deadline() == 1000 + LONGEST
    now += 10
    assert dns.deadline() == 1000 + LONGEST


def test_the_services_own_records_are_read(folder: Path, servers: tuple[DnsServer, DnsServer], tmp_path: Path) -> None:
    seen = Sighting(
        prefix="64:ff9b::/96", origin=Origin.TRANSLATED, clients=frozenset({"64:ff9b::c01f:c40a"}), latest=9
    )
    settings = asking(servers[1])
    kept = replace(settings, greylist=replace(settings.greylist, store=f"sqlite:{tmp_path}/rows.sqlite"))
    file = tmp_path / "rows.sqlite.network.json"
    assert gather(kept, folder, [], lambda _: None)[0].sightings == ()
    file.write_text(FILE)
    assert gather(kept, folder, [], lambda _: None)[0].sightings == (seen,)
    file.unlink()
    file.mkdir()
    assert gather(kept, folder, [], lambda _: None)[0].sightings == ()


FILE = """{"prefixes": {"64:ff9b::/96": {"origin": "translated", "clients": ["64:ff9b::c01f:c40a"], "latest": 9}}}"""


@pytest.mark.parametrize(
    ("protocols", "names"),
    [
        ("all", ("IPv4", "IPv6")),
        ("ipv6, ipv4", ("IPv4", "IPv6")),
        ("IPv4", ("IPv4",)),
        ("ipv6", ("IPv6",)),
    ],
)
def test_inet_protocols(protocols: str, names: tuple[str, ...]) -> None:
    assert family_names(protocols) == names


def test_a_list_of_postfixs() -> None:
    assert words(" 192.0.2.1, [2001:DB8::1]\n\tmx.example.org ") == ("192.0.2.1", "2001:db8::1", "mx.example.org")
    assert words("") == ()
