import sqlite3
import subprocess
import sys
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from bench import crowd, growth, world
from bench.axes import AXES, Axis, Point, turns
from bench.measure import Report, memory_mb
from bench.turn import ROOMY, Turns
from milter64.greylist.row import RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_table import Table
from rig.lab import Lab
from rig.nsd import Nsd
from rig.process import Process

KIND = RecordKind(Settings())


@pytest.mark.parametrize(("environment", "rounds"), [({}, 3), ({"ROUNDS": "", "LOADS": ""}, 3), ({"ROUNDS": "1"}, 1)])
def test_the_environment_says_how_many_rounds(environment: dict[str, str], rounds: int) -> None:
    assert growth.arguments(environment) == rounds


@pytest.mark.parametrize(
    ("environment", "said"),
    [({"ROUNDS": "0"}, "ROUNDS must be a number from 1 on, not 0"), ({"LOADS": "hot"}, "leave out LOADS")],
)
def test_what_cannot_be_run_is_said(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        growth.arguments(environment)


def test_a_disk_without_room_for_the_files_is_told_of() -> None:
    assert growth.lacking(AXES, 10**12) == ""
    assert "GB, and there are 1.0" in growth.lacking(AXES, 10**9)


def test_each_axis_has_a_name_and_its_points_differ_and_grow() -> None:
    assert len({axis.name for axis in AXES}) == len(AXES)
    for axis in AXES:
        places = [point.at for point in axis.points]
        assert places == sorted(set(places))


def test_every_second_round_goes_backwards_through_all_points() -> None:
    there = turns(AXES, 1)
    assert len(there) == sum(len(axis.points) for axis in AXES)
    assert turns(AXES, 2) == there[::-1]
    assert turns(AXES, 3) == there


# The known senders, and the file of rows


def test_the_acquaintances_of_500_hosts_are_the_sessions_of_hot() -> None:
    lines = [line for line, _ in world.acquaintances(500, 500)]
    assert lines == world.workloads()["hot"]


def test_more_acquaintances_than_hosts_are_other_senders_at_the_same_hosts() -> None:
    lines = [line.split("\t") for line, _ in world.acquaintances(1_200, 500)]
    assert len({line[3] for line in lines}) == 1_200
    assert len({line[0] for line in lines}) == 500
    assert [line[:3] for line in lines[:500]] == [line[:3] for line in lines[500:1_000]]


def test_there_are_no_more_hosts_than_the_world_has() -> None:
    lines = [line.split("\t") for line, _ in world.acquaintances(200, 200, domains=100)]
    assert len({line[3] for line in lines}) == 200
    assert len({line[2] for line in lines}) == 84  # all but those with a fault


def test_an_acquaintance_is_told_with_its_real_address() -> None:
    for line, address in world.acquaintances(8):
        seen = ip_address(line.split("\t")[0])
        if isinstance(seen, IPv6Address) and isinstance(address, IPv4Address):
            assert int(seen) & 0xFFFFFFFF == int(address)
        else:
            assert seen == address


def spread(path: Path, count: int, rows: int) -> list[str]:
    """Write a file with so many senders, and return the keys of all rows."""
    crowd.prepare(path, list(world.acquaintances(count)), rows)
    with closing(sqlite3.connect(path)) as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM rows ORDER BY id")]
        assert connection.execute("SELECT rows FROM totals").fetchone() == (len(keys),)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return keys


@pytest.mark.parametrize("rows", [0, 12, 100, 25_000])
def test_a_file_has_as_many_rows_as_are_wanted_and_the_senders_passed_are_found(tmp_path: Path, rows: int) -> None:
    keys = spread(tmp_path / "a.sqlite", 10, rows)
    assert len(keys) == len(set(keys)) == max(rows, 10)
    table = Table(tmp_path / "a.sqlite", KIND, print, patience=5)
    for line, address in world.acquaintances(10):
        *_, sender, recipient = line.split("\t")
        ((group, row),) = table.select(f"<{sender}> <{recipient}>").items()
        assert group.startswith("net:11." if address.version == 4 else "net:2001:db8:")
        assert row.passed_at
    table.close()
    assert [file.name for file in tmp_path.iterdir() if "known" in file.name] == []


def test_the_senders_lie_all_over_the_file(tmp_path: Path) -> None:
    keys = spread(tmp_path / "a.sqlite", 10, 25_000)
    at = [place for place, key in enumerate(keys, 1) if "rcpt.test" in key]
    assert at == [2_500 * number for number in range(1, 11)]


def test_a_file_is_removed_with_all_that_belongs_to_it_and_no_other_is(tmp_path: Path) -> None:
    for name in ("a-1.sqlite", "a-1.sqlite-wal", "a-1.sqlite.lock", "a-10.sqlite"):
        (tmp_path / name).touch()
    crowd.remove(tmp_path / "a-1.sqlite")
    assert [file.name for file in tmp_path.iterdir()] == ["a-10.sqlite"]


def test_a_roomy_milter64_cuts_no_file(tmp_path: Path) -> None:
    # In a process of its own, as it changes all stores of one.
    program = f"""
import runpy
runpy.run_path({str(ROOMY)!r})
from milter64.store.open_store import open_store
store = open_store("sqlite:{tmp_path}/a.sqlite", None, print)
store.close()
print(store.caps["rows"] > 10**9)
"""
    assert subprocess.check_output([sys.executable, "-P", "-c", program], text=True) == "True\n"


def test_memory_is_that_of_a_whole_process_group_and_what_is_shared_counts_once() -> None:
    held = "import os, time; a = bytearray(os.urandom(50 << 20)); os.fork(); print('ready'); time.sleep(60)"
    with Process(sys.executable, "-uc", held) as process:
        process.expect("ready")
        assert 50 < memory_mb(process.pid) < 80


# A run


class Failing(Turns):
    """Says what is done, and fails at the seventh."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def prepare(self, axis: Axis, point: Point) -> None:
        self.said.append(f"prepare {axis.name}{point.at}")

    def take(self, axis: Axis, point: Point) -> Report:
        self.said.append(f"take {axis.name}{point.at}")
        if len(self.said) == 7:
            raise RuntimeError
        return {}

    def clean(self, axis: Axis, point: Point) -> None:
        self.said.append(f"clean {axis.name}{point.at}")


def test_points_take_turns_and_are_cleaned_up_though_one_fails() -> None:
    one = Axis(name="a", title="b", load="c", points=(Point(at=1), Point(at=2)), per_second=1)
    turned: dict[tuple[str, int], list[Report]] = {("a", 1): [], ("a", 2): []}
    failing = Failing()
    with pytest.raises(RuntimeError):
        growth.measure([one], 9, failing, turned)
    assert failing.said == [
        *("prepare a1", "prepare a2"),
        *("take a1", "take a2", "take a2", "take a1", "take a1"),
        *("clean a1", "clean a2"),
    ]
    assert [len(each) for each in turned.values()] == [2, 2]


def test_of_an_interrupted_run_the_whole_rounds_count_and_of_the_first_what_there_is() -> None:
    one, other, third = ({"number": number} for number in range(3))
    a, b = ("a", 1), ("b", 1)
    assert growth.complete({a: [one, other, third], b: [one, other]}) == {a: [one, other], b: [one, other]}
    assert growth.complete({a: [one], b: []}) == {a: [one], b: []}


TINY = {
    "rows": Point(at=100, rows=100, senders=20, warm=20),
    "senders": Point(at=30, senders=30, hosts=30, warm=30),
    "workers": Point(at=3, senders=20, hosts=20, workers=3, warm=20),
    "dns": Point(at=50, senders=0, dns=50, warm=5),
}


@pytest.mark.slow
def test_a_tiny_point_of_each_axis_is_measured_and_nothing_of_it_is_left(
    lab: Lab, milterload: Path, dnsdelay: Path
) -> None:
    build = milterload.parent
    (build / "dnsdelay").symlink_to(dnsdelay)
    (build / "fresh.tsv").write_text("\n".join(world.workloads(1_000)["fresh"]))
    before = set(build.iterdir())
    taker = Turns(build, lab.start(Nsd, world.zones(1_000)), 0.2)
    axes = [Axis(name=name, title="", load="", points=(point,), per_second=50) for name, point in TINY.items()]
    turned: dict[tuple[str, int], list[Report]] = {(name, point.at): [] for name, point in TINY.items()}
    growth.measure(axes, 1, taker, turned)
    for (name, _), (turn,) in turned.items():
        for load in ("fast", "steady"):
            assert turn[load]["failed"] == 0
            assert turn[load]["sessions"] > 0
            if name != "dns":
                assert turn[load]["replies"]["rcpt.continue"] == turn[load]["sessions"]
        assert turn["memory_mb"] > 10
        assert turn["exceptions"] == 0
    (far,) = turned["dns", 50]
    assert far["steady"]["latency_ms"]["until_rcpt"]["p50"] >= 50
    (three,) = turned["workers", 3]
    assert three["steady"]["server"]["processes"] == 4
    assert set(build.iterdir()) == before
