import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from milter64.address.client import Origin
from milter64.discover.recorded_prefixes import (
    CLIENTS,
    KEPT,
    PREFIXES,
    Learned,
    Sighting,
    learned,
    place,
    read,
    unite,
    write,
)

NOW = 1_800_000_000.0


def sighting(
    prefix: str = "64:ff9b::/96", *clients: str, origin: Origin = Origin.TRANSLATED, latest: float = NOW
) -> Sighting:
    return Sighting(prefix=prefix, origin=origin, clients=frozenset(clients or ["64:ff9b::1"]), latest=latest)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    now = float(round(time.time()))
    some = [sighting(latest=now), sighting("64:ff9b:1::/96", "64:ff9b:1::1", origin=Origin.UNDECODED, latest=now - 1)]
    write(tmp_path / "file", some)
    assert read(tmp_path / "file") == {each.prefix: each for each in some}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_two_workers_have_seen_is_united(tmp_path: Path) -> None:
    now = float(round(time.time()))
    write(tmp_path / "file", [sighting("64:ff9b::/96", "64:ff9b::1", origin=Origin.UNDECODED, latest=now - 9)])
    write(tmp_path / "file", [sighting("64:ff9b::/96", "64:ff9b::2", latest=now)])
    write(tmp_path / "file", [sighting("64:ff9b::/96", "64:ff9b::3", origin=Origin.UNDECODED, latest=now - 5)])
    assert read(tmp_path / "file") == {
        "64:ff9b::/96": sighting("64:ff9b::/96", "64:ff9b::1", "64:ff9b::2", "64:ff9b::3", latest=now)
    }


def test_what_is_old_is_forgotten_and_what_is_much_is_cut() -> None:
    old = sighting("2001:db8::/96", latest=NOW - KEPT)
    assert unite([old], now=NOW) == {}
    assert unite([old], now=NOW - 1) == {"2001:db8::/96": old}
    many = [sighting(f"2001:db8:{n:x}::/96", latest=NOW + n) for n in range(PREFIXES + 1)]
    assert set(unite([old], many, now=NOW)) == {each.prefix for each in many[1:]}
    strangers = [replace(each, origin=Origin.IPV6) for each in many]
    known = sighting("64:ff9b::/96", origin=Origin.UNDECODED, latest=NOW - 1)
    assert set(unite([known], strangers, now=NOW)) == {known.prefix, *(each.prefix for each in many[2:])}
    crowd = [sighting("64:ff9b::/96", *(f"64:ff9b::{n}:{m}" for n in range(60))) for m in (1, 2)]
    (united,) = unite(crowd[:1], crowd[1:], now=NOW).values()
    assert len(united.clients) == CLIENTS


ROW = {"origin": "ipv6", "clients": ["64:ff9b::1"], "latest": NOW}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\0\xff",
        "[]",
        "{}",
        '{"prefixes": []}',
        *(
            json.dumps({"prefixes": {prefix: row}})
            for prefix, row in [
                ("64:ff9b::/64", ROW),
                ("64:ff9b::/96", None),
                ("64:ff9b::/96", {}),
                ("64:ff9b::/96", ROW | {"clients": []}),
                ("64:ff9b::/96", ROW | {"clients": "64:ff9b::1"}),
                ("64:ff9b::/96", ROW | {"clients": ["x\n"]}),
                ("64:ff9b::/96", ROW | {"origin": "x"}),
                ("64:ff9b::/96", ROW | {"latest": "x"}),
            ]
        ),
    ],
)
def test_a_file_with_something_else_in_it_has_nothing_and_is_written_over(tmp_path: Path, content: str) -> None:
    file = tmp_path / "file"
    file.write_text(content)
    assert read(file) == {}
    write(file, [sighting(latest=time.time())])
    assert list(read(file)) == ["64:ff9b::/96"]


LEARNED = Learned(
    began=7.5,
    dns64={"::1": ("64:ff9b::c000:aa",)},
    masked=frozenset({"10.0.0.1", "fd00::1"}),
    shared=frozenset({"192.0.2.2"}),
)


def test_what_was_learned_is_read_back_and_stays_where_nothing_is_told_of_it(tmp_path: Path) -> None:
    write(tmp_path / "file", [], LEARNED)
    write(tmp_path / "file", [sighting(latest=time.time())])
    assert learned(tmp_path / "file") == LEARNED
    assert list(read(tmp_path / "file")) == ["64:ff9b::/96"]


@pytest.mark.parametrize(("before", "kept"), [(-60, False), (0, False), (60, True), (86400, False)])
def test_what_a_later_service_has_learned_goes_before_but_nobody_begins_in_the_future(
    tmp_path: Path, before: float, *, kept: bool
) -> None:
    began = time.time() - 3600
    other = replace(LEARNED, began=began + before)
    write(tmp_path / "file", [], other)
    write(tmp_path / "file", [], Learned(began=began))
    assert learned(tmp_path / "file") == (other if kept else Learned(began=began))


ROW_OF_LEARNED = {"began": 1, "dns64": {}, "masked": []}  # as before there was "shared"


@pytest.mark.parametrize(
    "row",
    [
        None,
        [],
        {},
        ROW_OF_LEARNED | {"began": "x"},
        ROW_OF_LEARNED | {"dns64": []},
        ROW_OF_LEARNED | {"dns64": {"::1": ["x"]}},
        ROW_OF_LEARNED | {"dns64": {"::1": 1}},
        ROW_OF_LEARNED | {"masked": [1]},
        ROW_OF_LEARNED | {"masked": ["10.0.0.1\n"]},
        ROW_OF_LEARNED | {"shared": ["x"]},
    ],
)
def test_something_else_in_the_place_of_what_was_learned_is_nothing(tmp_path: Path, row: object) -> None:
    file = tmp_path / "file"
    file.write_text(json.dumps({"prefixes": {"64:ff9b::/96": ROW}, "learned": row}))
    assert learned(file) == Learned()
    assert list(read(file)) == ["64:ff9b::/96"]


def test_what_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == {}
    assert learned(tmp_path / "none") == Learned()


def test_trouble_with_the_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write(tmp_path / "none" / "file", [sighting()])
    trap = tmp_path / f"file.{os.getpid()}"
    trap.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        write(tmp_path / "file", [sighting()])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("store", "file"),
    [
        ("sqlite:/var/lib/milter64/greylist.sqlite", Path("/var/lib/milter64/greylist.sqlite.network.json")),
        ("memory:", None),
    ],
)
def test_the_file_stands_beside_the_greylist(store: str, file: Path | None) -> None:
    assert place(store) == file


def test_a_file_of_before_there_were_shared_addresses_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(json.dumps({"prefixes": {}, "learned": ROW_OF_LEARNED | {"masked": ["10.0.0.1"]}}))
    assert learned(file).masked == {"10.0.0.1"}
