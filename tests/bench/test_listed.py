"""What the loads with lists have configured is what they say."""

from pathlib import Path

import pytest

from bench import listed, world
from bench.loads import LOADS
from milter64.config.load_file import parse
from milter64.lists.index import Index, reader
from milter64.lists.mistakes import Mistakes

pytestmark = pytest.mark.long


@pytest.mark.parametrize("lists", sorted({load.lists for load in LOADS}))
def test_what_lists_configure_is_understood(lists: str, tmp_path: Path) -> None:
    for name in listed.files():
        (tmp_path / name).touch()
    _, problems = parse(lists.replace("BUILD", str(tmp_path)))
    assert not problems


def test_half_of_all_networks_and_names_are_in_either_file_and_all_of_them_count() -> None:
    files = listed.files()
    assert [len(lines) for lines in files.values()] == [100_000, 100_000]
    for name, lines in files.items():
        some, read = lines[::97], reader(Mistakes(), blocks=name == "block")
        index = Index("\n".join(some).encode(), read)
        assert not index.wrong
        assert len({entry.who.key for line in some if (entry := read(line.encode()))}) == len(some)
        assert {kind for kind, *_ in index.shapes} == {"network", "name", "domain", "sender", "recipient"}


def test_one_in_a_hundred_hosts_is_in_a_dns_list_and_none_of_a_known_sender() -> None:
    zones = listed.zones()
    known = {line.split("\t")[3].partition("@")[2] for line in world.workloads()["hot"]}
    hosts = [domain for domain, *_ in world.strangers()]
    assert len(hosts) == pytest.approx(world.DOMAINS / 100, rel=0.05)
    assert known.isdisjoint(hosts)
    assert sum(zone.count("\n") + 1 for zone in zones.values()) == 3 * (len(hosts) + len(zones))
    assert all("2.0.0.127 A 127.0.0.2" in zone for zone in zones.values())
