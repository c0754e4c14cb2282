"""What the guard finds out about the resolver: whether it invents AAAA records, and under which prefix."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from milter64.address.client import Origin
from milter64.discover import recorded_prefixes
from milter64.discover.dns64_prefix import NAME
from milter64.guard.shared_by_workers import HOUR, SharedNotes
from rig.dnsserver import DnsServer, Fault, Records
from rig.process import until
from rig.watched import Watched

REAL: Records = {NAME: {"A": ["192.0.0.170", "192.0.0.171"]}}


def test_what_a_dns64_invents_is_forgotten_and_never_believed_again(server: DnsServer) -> None:
    watched = Watched(server)

    def known() -> tuple[str, ...]:
        return watched.resolver.ask("host.example", "AAAA", time.monotonic() + 5).values

    assert known() == ("2001:db8:64::c01f:c40a",)
    watched.ask()
    assert known() == ()


def test_a_silent_nameserver_is_asked_again_soon_and_what_was_found_stays(
    server: DnsServer, clock: SimpleNamespace
) -> None:
    watched = Watched(server)
    watched.ask()
    assert watched.next_question == clock.now + HOUR
    for fault in (Fault.SILENT, Fault.SERVFAIL, Fault.REFUSED):
        server.faults[NAME] = fault
        watched.ask()
        assert watched.translator.synthesised("2001:db8:64::1")
    assert watched.next_question == clock.now + 8
    server.faults.clear()
    server.records = {}  # NXDOMAIN
    watched.ask()
    assert watched.translator.synthesised("2001:db8:64::1")
    assert watched.log.events == ["dns64"]


@pytest.mark.parametrize("reloaded", [False, True])
def test_who_comes_after_knows_from_the_start_what_is_invented(server: DnsServer, *, reloaded: bool) -> None:
    shared = SharedNotes()
    Watched(server, shared=shared).ask()
    server.faults[NAME] = Fault.SILENT
    after = Watched(server, shared=SharedNotes(shared) if reloaded else shared)
    after.guard.start()
    after.guard.close()
    assert after.translator.synthesised("2001:db8:64::1")


def test_who_asks_others_does_not_believe_it_of_them(server: DnsServer) -> None:
    shared = SharedNotes()
    Watched(server, shared=shared).ask()
    with DnsServer(REAL) as other:
        other.faults[NAME] = Fault.SILENT  # so that nothing else is known as yet
        after = Watched(other, shared=SharedNotes(shared))
        after.guard.start()
        assert not after.translator.synthesised("2001:db8:64::1")
        after.guard.close()


@pytest.mark.parametrize(
    ("records", "fault", "why"),
    [
        ({}, Fault(0), "NXDOMAIN"),
        ({NAME: {"TXT": ["-"]}}, Fault(0), "it has neither AAAA nor the A records"),
        ({NAME: {"AAAA": ["2001:db8::1"]}}, Fault(0), "its AAAA records have no prefix in common"),
        (REAL, Fault.REFUSED, "REFUSED"),
        (REAL, Fault.SERVFAIL, "SERVFAIL"),
        (REAL, Fault.SILENT, "no answer in time"),
    ],
)
def test_a_nameserver_that_does_not_say_is_named_and_asked_again_and_again(
    server: DnsServer, clock: SimpleNamespace, records: Records, fault: Fault, why: str
) -> None:
    server.records, server.faults[NAME] = dict(records), fault
    watched = Watched(server)
    waits = []
    for _ in range(7):
        watched.ask()
        waits.append(watched.next_question - clock.now)
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    ((event, line),) = watched.log.lines
    assert (event, line["nameserver"]) == ("dns64", server.address)
    assert line["what"] == f"whether it invents AAAA records of hosts that have none isn't known: {why}"
    server.records, server.faults = dict(REAL), {}
    watched.ask()
    assert watched.next_question == clock.now + HOUR
    server.faults[NAME] = Fault.SERVFAIL
    watched.ask()
    assert watched.next_question == clock.now + 2


def test_a_resolver_that_is_no_dns64_is_no_line_and_asked_in_an_hour(server: DnsServer, clock: SimpleNamespace) -> None:
    server.records = dict(REAL)
    watched = Watched(server)
    watched.ask()
    assert (watched.log.events, watched.next_question) == ([], clock.now + HOUR)


def test_a_prefix_that_is_configured_is_expected(server: DnsServer, clock: SimpleNamespace) -> None:
    watched = Watched(server, 'translation.prefixes = ["2001:db8:64::/96"]')
    watched.ask()
    assert (watched.log.events, watched.next_question) == ([], clock.now + HOUR)
    assert watched.origin("2001:db8:64::c01f:c40a") is Origin.TRANSLATED
    assert watched.translator.synthesised("2001:db8:64::c01f:c40a")


def test_a_client_in_the_dns64s_prefix_is_undecoded_from_then_on(server: DnsServer) -> None:
    watched = Watched(server)
    client = "2001:db8:64::c01f:c40a"
    watched.hear(client)
    watched.look(0)
    assert (watched.origin(client), watched.log.events) == (Origin.IPV6, [])
    watched.ask()
    assert watched.origin(client) is Origin.UNDECODED
    watched.look(1)  # who was looked at before is looked at again
    watched.hear(client)
    watched.look(2)
    (_, line) = watched.log.lines[-1]
    assert (watched.log.events, line["prefix"], line["client"]) == (["dns64", "undecoded"], "2001:db8:64::/96", client)
    assert '[translation] prefixes = ["64:ff9b::/96", "2001:db8:64::/96"]' in line["remedy"]
    assert watched.guard._seen["2001:db8:64::/96"].origin is Origin.UNDECODED  # noqa: SLF001  what it writes


def test_a_forbidden_prefix_is_named_and_its_inventions_count_for_nothing(server: DnsServer) -> None:
    crooked = "2001:db8:1:2:ff00:0"
    server.records = {
        NAME: {"AAAA": [f"{crooked}:c000:aa", f"{crooked}:c000:ab"]},
        "host.example": {"AAAA": [f"{crooked}:c01f:c40a", "2001:db8::25"]},
    }
    watched = Watched(server)
    watched.ask()
    assert watched.resolver.ask("host.example", "AAAA", time.monotonic() + 5).values == ("2001:db8::25",)
    ((event, line),) = watched.log.lines
    assert (event, line["prefix"]) == ("dns64", "2001:db8:1:2:ff00::/96")
    assert "has bits 64 to 71 set, which must be zero (RFC 6052 2.2)" in line["remedy"]
    watched.hear(f"{crooked}:c01f:c40a")
    watched.look(0)
    assert watched.origin(f"{crooked}:c01f:c40a") is Origin.UNDECODED
    assert [line["prefix"] for _, line in watched.log.lines] == ["2001:db8:1:2:ff00::/96"] * 2
    assert watched.guard._seen == {}  # noqa: SLF001  nobody could configure it


def test_one_nameserver_of_several_that_invents_is_enough_and_one_that_does_not_say_is_told_of(
    server: DnsServer, clock: SimpleNamespace
) -> None:
    with DnsServer(REAL) as plain, DnsServer() as blind:
        watched = Watched(server, others=[plain, blind])
        watched.ask()
        assert [(line["nameserver"], line.get("prefix")) for _, line in watched.log.lines] == [
            (server.address, "2001:db8:64::/96"),
            (blind.address, None),
        ]
        assert watched.translator.synthesised("2001:db8:64::1")
        assert watched.next_question == clock.now + 2
        blind.records = dict(REAL)
        watched.ask()
        assert watched.next_question == clock.now + HOUR


def test_clients_behind_a_private_prefix_of_dns64_are_no_gateways(server: DnsServer) -> None:
    server.records = {NAME: {"AAAA": ["fd00:64::c000:aa", "fd00:64::c000:ab"]}}
    watched = Watched(server)
    watched.ask()
    watched.crowd("fd00:64::c01f:c40a")
    watched.look(0)
    assert watched.origin("fd00:64::c01f:c40a") is Origin.UNDECODED


def test_what_is_learned_is_in_the_file_until_a_later_service_begins(server: DnsServer, tmp_path: Path) -> None:
    file = tmp_path / "greylist.sqlite.network.json"

    def start() -> Watched:
        return Watched(server, store=f"sqlite:{tmp_path}/greylist.sqlite")

    watched = start()
    watched.ask()
    watched.crowd("10.0.0.1")
    watched.look(0)
    watched.write()
    addresses = ("2001:db8:64::c000:aa", "2001:db8:64::c000:ab")
    learned = recorded_prefixes.learned(file)
    assert (learned.dns64, learned.masked) == ({server.address: addresses}, frozenset({"10.0.0.1"}))
    server.records = dict(REAL)
    later = start()
    later.ask()
    later.write()
    watched.write()  # it lets its last sessions end
    learned = recorded_prefixes.learned(file)
    assert (learned.dns64, learned.masked) == ({}, frozenset())


def test_what_an_earlier_service_had_learned_is_gone_from_the_file_at_once(server: DnsServer, tmp_path: Path) -> None:
    file = tmp_path / "greylist.sqlite.network.json"
    recorded_prefixes.write(file, [], recorded_prefixes.Learned(began=1, masked=frozenset({"10.0.0.1"})))
    server.records = dict(REAL)
    watched = Watched(server, store=f"sqlite:{tmp_path}/greylist.sqlite")
    watched.guard.start()
    until(lambda: not recorded_prefixes.learned(file).masked, "the file to be written")
    watched.guard.close()


def test_workers_know_of_a_dns64_what_one_of_them_has_heard(server: DnsServer) -> None:
    shared = SharedNotes()
    one, other = (Watched(server, shared=shared) for _ in range(2))
    one.ask()
    server.silence()
    other.ask()
    assert other.translator.synthesised("2001:db8:64::1")


def test_a_dns64_that_is_gone_is_forgotten(server: DnsServer) -> None:
    watched = Watched(server)
    watched.ask()
    server.records = dict(REAL)
    watched.ask()
    assert not watched.translator.synthesised("2001:db8:64::1")
    assert watched.translator.synthesised("64:ff9b::1")
    assert watched.origin("2001:db8:64::c01f:c40a") is Origin.IPV6
