"""The guard by itself: its clock is the test's, and the log a list."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from milter64.address.client import Origin
from milter64.address.networks import pack
from milter64.address.translator import Translator
from milter64.guard import crowded_addresses, guard, masking_gateway
from milter64.guard.masking_gateway import MANY, WINDOW
from milter64.guard.shared_by_workers import HOUR
from rig.dnsserver import DnsServer
from rig.process import until
from rig.watched import Watched


@pytest.fixture(autouse=True)
def _host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowded_addresses, "gateways", lambda: frozenset({pack("192.0.2.1"), pack("2001:db8:9::1")}))


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "127.0.0.1", "::1", "fd00::1", "fe80::1", "::ffff:172.17.0.1", "192.0.2.1", "2001:db8:9::1"]
)
def test_an_address_of_this_hosts_network_can_be_a_gateway(server: DnsServer, address: str) -> None:
    watched = Watched(server)
    watched.crowd(address)
    watched.look(0)
    assert watched.origin(address) is Origin.MASKED
    assert watched.log.events == ["masked"]


ELSEWHERE = ["192.0.2.2", "2001:db8::1", "::ffff:192.0.2.2", "64:ff9b::c01f:c40a", "2001:db8:64::10.0.0.1"]
PREFIXES = '[translation]\nprefixes = ["64:ff9b::/96", "2001:db8:64::/96"]\n'


@pytest.mark.parametrize("address", ELSEWHERE)
def test_an_address_of_elsewhere_may_be_a_gateway_and_is_judged_as_before(server: DnsServer, address: str) -> None:
    watched = Watched(server, PREFIXES)
    before = watched.translator.client(address)
    watched.crowd(address)
    watched.look(0)
    assert watched.translator.client(address) == replace(before, shared=True)
    assert watched.translator.client(address).ban == ""
    ((event, fields),) = watched.log.lines
    assert (event, fields["client"]) == ("shared", before.wire)
    assert "XCLIENT" in fields["remedy"]
    assert fields["remedy"].endswith(f"milter64 block {before.address}")
    watched.look(WINDOW)
    assert watched.translator.client(address) == before


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_host_of_elsewhere_that_says_one_name_is_looked_at_once(server: DnsServer, address: str) -> None:
    watched = Watched(server, PREFIXES)
    for n in range(MANY):
        watched.hear(address, "monitor.example", f"d{n}.example")
        watched.look(0)
    watched.hear(address, "monitor.example")
    assert watched.waiting == 0
    assert watched.log.events == []
    assert not watched.translator.client(address).shared


def test_who_has_authenticated_from_elsewhere_is_known(server: DnsServer) -> None:
    watched = Watched(server)
    watched.crowd("192.0.2.2", login="joe")
    watched.crowd("192.0.2.2", range(100, 100 + MANY - 1))
    watched.look(0)
    assert watched.log.events == []


def test_a_network_that_is_trusted_is_this_hosts(server: DnsServer) -> None:
    watched = Watched(server, '[trust]\nnetworks = ["2001:db8:77::/48"]\n')
    watched.crowd("2001:db8:77::1")
    watched.look(0)
    assert watched.origin("2001:db8:77::1") is Origin.MASKED


def test_a_relay_of_elsewhere_stays_trusted(server: DnsServer) -> None:
    watched = Watched(server, '[trust]\nrelays = ["192.0.2.2"]\n')
    watched.crowd("192.0.2.2")
    watched.look(0)
    assert not watched.translator.client("192.0.2.2").shared
    ((_, fields),) = watched.log.lines
    assert "stays trusted" in fields["what"]


@pytest.mark.parametrize("address", ["64:ff9b::a00:1", "64:ff9b:1::c01f:c40a"])
def test_an_address_that_is_nobodys_is_no_gateways(server: DnsServer, address: str) -> None:
    watched = Watched(server)
    watched.crowd(address)
    watched.look(0)
    assert not watched.translator.client(address).shared


def test_strangers_addresses_push_out_no_gateway_of_this_host(server: DnsServer) -> None:
    watched = Watched(server)
    watched.crowd("10.0.0.1")
    watched.look(0)
    for n in range(100):
        watched.crowd(f"192.0.{n}.1")
        watched.look(1)
    assert watched.origin("10.0.0.1") is Origin.MASKED
    assert sum(watched.translator.client(f"192.0.{n}.1").shared for n in range(100)) == 64


def test_clients_that_authenticate_are_known_and_make_no_gateway(server: DnsServer) -> None:
    watched = Watched(server)
    watched.crowd("10.0.0.1", login="joe")
    watched.look(0)
    assert watched.origin("10.0.0.1") is Origin.IPV4


def test_a_gateway_is_one_until_a_day_after_it_last_showed(server: DnsServer) -> None:
    watched = Watched(server)
    watched.crowd("::ffff:10.0.0.1")
    watched.look(0)
    watched.crowd("::ffff:10.0.0.1")  # masked by now
    watched.look(100)
    watched.look(WINDOW + 99)
    assert watched.origin("::ffff:10.0.0.1") is Origin.MASKED
    watched.look(WINDOW + 100)
    assert watched.origin("::ffff:10.0.0.1") is Origin.MAPPED


def test_several_gateways_are_masked_beside_each_other(server: DnsServer) -> None:
    watched = Watched(server)
    watched.crowd("10.0.0.1")
    watched.look(0)
    watched.crowd("10.0.0.2")
    watched.look(1)
    assert [watched.origin(f"10.0.0.{n}") for n in (1, 2, 3)] == [Origin.MASKED, Origin.MASKED, Origin.IPV4]


def test_of_many_gateways_those_are_masked_that_showed_last(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking_gateway, "_ADDRESSES", 2)
    watched = Watched(server)
    for now in range(3):
        watched.crowd(f"10.0.0.{now}")
        watched.look(now)
    assert [watched.origin(f"10.0.0.{n}") for n in range(3)] == [Origin.IPV4, Origin.MASKED, Origin.MASKED]


def test_a_client_that_is_no_gateways_is_looked_at_once_an_hour(server: DnsServer) -> None:
    watched = Watched(server)
    waiting = []
    for now in (0.0, 1.0, HOUR):
        watched.hear("2001:db8::1")
        watched.hear("10.0.0.1")
        waiting.append(watched.waiting)
        watched.look(now)
    watched.hear("2001:db8::1")
    assert [*waiting, watched.waiting] == [2, 1, 1, 1]


def test_each_line_comes_once_an_hour(server: DnsServer, clock: SimpleNamespace) -> None:
    watched = Watched(server, "translation.prefixes = []")

    def everything() -> None:
        watched.look(clock.now)  # as it does once an hour at least, to forget whom it knows
        watched.ask()
        watched.crowd("10.0.0.1")
        watched.hear("64:ff9b::c01f:c40a")
        watched.hear("64:ff9b::c01f:c40b")
        watched.look(clock.now)

    everything()
    clock.now += HOUR - 1
    everything()
    assert watched.log.events == ["dns64", "undecoded", "masked"]
    clock.now += 1
    everything()
    assert watched.log.events == ["dns64", "undecoded", "masked"] * 2


def test_the_remedy_keeps_what_is_configured(server: DnsServer) -> None:
    watched = Watched(server, 'translation.prefixes = ["2001:db8:46::/96"]')
    watched.ask()
    watched.hear("64:ff9b::c01f:c40a")
    watched.look(0)
    (_, dns64), (_, undecoded) = watched.log.lines
    assert '[translation] prefixes = ["2001:db8:46::/96", "2001:db8:64::/96"]' in dns64["remedy"]
    assert '[translation] prefixes = ["2001:db8:46::/96", "64:ff9b::/96"]' in undecoded["remedy"]


def test_each_prefix_is_written_at_once_and_the_rest_at_the_end(server: DnsServer, tmp_path: Path) -> None:
    file = tmp_path / "greylist.sqlite.network.json"
    watched = Watched(server, store=f"sqlite:{tmp_path}/greylist.sqlite")

    def written() -> dict[str, list[str]]:
        rows = json.loads(file.read_bytes())["prefixes"] if file.exists() else {}
        return {prefix: row["clients"] for prefix, row in rows.items()}

    first, second, other = "64:ff9b::c01f:c40a", "64:ff9b::c01f:c40b", "64:ff9b:1::c01f:c40a"
    watched.guard.start()
    watched.hear(first)
    until(lambda: written() == {"64:ff9b::/96": [first]}, "the first prefix to be written")
    watched.hear(other)
    until(lambda: "64:ff9b:1::/96" in written(), "the second prefix to be written")
    watched.hear(second)
    until(watched.guard._recent.empty, "it to be seen")  # noqa: SLF001
    watched.guard.close()
    until(lambda: written() == {"64:ff9b::/96": [first, second], "64:ff9b:1::/96": [other]}, "the rest to be written")


def test_later_clients_are_written_in_time_though_no_other_comes(
    server: DnsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_WRITE_EVERY", 1.5)  # more than envelopes gather for
    file = tmp_path / "greylist.sqlite.network.json"
    watched = Watched(server, store=f"sqlite:{tmp_path}/greylist.sqlite")
    watched.guard.start()
    watched.hear("64:ff9b::c01f:c40a")
    until(file.exists, "the first to be written")
    watched.hear("64:ff9b::c01f:c40b")
    until(lambda: "c40b" in file.read_text(), "the second to be written")
    watched.guard.close()


def test_an_idle_guard_ends_at_once(server: DnsServer) -> None:
    watched = Watched(server)
    watched.guard.start()
    until(lambda: watched.log.events == ["dns64"], "the first question")
    watched.guard.close()
    assert not watched.guard._thread.is_alive()  # noqa: SLF001


def test_addresses_that_look_like_a_translators_are_noted(server: DnsServer) -> None:
    watched = Watched(server)
    for n in range(24):
        watched.hear(f"2001:db8:122:344::{16 + n:x}1f:c40a")
    watched.hear("2001:db8::25")
    watched.look(0)
    seen = watched.guard._seen  # noqa: SLF001  what it writes
    assert {prefix: (each.origin, len(each.clients)) for prefix, each in seen.items()} == {
        "2001:db8:122:344::/96": (Origin.IPV6, 24)
    }


def test_only_prefixes_are_noted_and_no_mapping_native_or_private_client(server: DnsServer) -> None:
    mapping = '{ ipv4 = "198.51.100.7", ipv6 = "2001:db8:a::7" }'
    watched = Watched(server, f'[translation]\nprefixes = ["64:ff9b::/96"]\nexplicit = [{mapping}]')
    for address in ("2001:db8:a::7", "192.31.196.10", "::ffff:192.31.196.10", "64:ff9b::10.0.0.1", "2001:db8::25"):
        watched.hear(address)
    for n in range(24):
        watched.hear(f"fd00::{16 + n:x}1f:c40a")
    watched.look(0)
    assert watched.guard._seen == {}  # noqa: SLF001


def test_a_fault_is_told_of_and_the_guard_goes_on(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(server)

    def fail(_: bytes) -> None:
        raise RuntimeError

    monkeypatch.setattr(watched.guard._shapes, "add", fail)  # noqa: SLF001
    watched.guard.start()
    watched.hear("2001:db8::25")
    until(lambda: "fault" in watched.log.events, "the fault")
    watched.crowd("10.0.0.1")
    until(lambda: watched.origin("10.0.0.1") is Origin.MASKED, "the gateway to be masked")
    watched.guard.close()


def test_what_comes_too_fast_goes_unseen_and_takes_no_room(server: DnsServer) -> None:
    watched = Watched(server)
    for _ in range(5000):
        watched.hear("2001:db8::25")
    assert watched.guard._recent.qsize() == 2048  # noqa: SLF001


def test_who_learns_nothing_knows_what_is_configured() -> None:
    translator = Translator(gateways=["10.0.0.1"])
    translator.distrust([])
    assert translator.synthesised("64:ff9b::1")
    assert not translator.synthesised("2001:db8:64::1")
    assert translator.client("10.0.0.1").origin is Origin.MASKED
    translator.mask([pack("10.0.0.2")])
    assert [translator.client(f"10.0.0.{n}").origin for n in (1, 2)] == [Origin.IPV4, Origin.MASKED]
