"""`milter64 greylist list` and `forget`, as an admin types them, with a file that nobody else has open."""

import json
import os
import re
from pathlib import Path

import pytest

from milter64.greylist.row import Record
from rig.greylists import ANN, BOUNCE, JOE, LIST, LONG, NET, NET6, NOW, OTHERS, RDNS, SPF, Run, rows

ALL = {
    (JOE, NET),
    (JOE, SPF),
    (ANN, NET6),
    (BOUNCE, "net:198.51.100.0/24"),
    (BOUNCE, RDNS),
    (LIST, "net:192.31.196.0/28"),
}
UNNAMED = {(LONG, NET), (OTHERS, NET)}
WANTED: dict[str, tuple[list[str], set[tuple[str, str]]]] = {
    "all": ([], ALL | UNNAMED),
    "who waits": (["--waiting"], {(ANN, NET6), (BOUNCE, "net:198.51.100.0/24"), (BOUNCE, RDNS), (LONG, NET)}),
    "who has passed": (["--passed"], {(JOE, NET), (JOE, SPF), (LIST, "net:192.31.196.0/28"), (OTHERS, NET)}),
    "a sender": (["--from", "joe@honest.example"], {(JOE, NET), (JOE, SPF)}),
    "a sender as logs have it": (["--from", "<joe@HONEST.example>"], {(JOE, NET), (JOE, SPF)}),
    "a sender with a tag": (["--from", "ann+1@honest.example"], {(ANN, NET6)}),
    "a sender that numbers its messages": (
        ["--from", "list-bounce-9=you=lab.example@lists.example"],
        {(LIST, "net:192.31.196.0/28")},
    ),
    "the null sender": (["--from", "<>"], {(BOUNCE, "net:198.51.100.0/24"), (BOUNCE, RDNS)}),
    "a domain": (["--from", "@honest.example"], {(JOE, NET), (JOE, SPF), (ANN, NET6)}),
    "a domain below": (["--from", "@example"], set()),
    "a recipient": (["--to", "me@other.example"], {(BOUNCE, "net:198.51.100.0/24"), (BOUNCE, RDNS)}),
    "a recipient's domain": (
        ["--to", "@lab.example"],
        {(JOE, NET), (JOE, SPF), (ANN, NET6), (LIST, "net:192.31.196.0/28")},
    ),
    "a pair": (["--from", "joe@honest.example", "--to", "you@lab.example"], {(JOE, NET), (JOE, SPF)}),
    "a pair of domains": (["--from", "@honest.example", "--to", "@lab.example"], {(JOE, NET), (JOE, SPF), (ANN, NET6)}),
    "a sender and a domain": (["--from", "joe@honest.example", "--to", "@lab.example"], {(JOE, NET), (JOE, SPF)}),
    "a pair that other hosts have told of": (
        ["--from", "far@away.example", "--to", "you@lab.example"],
        {(OTHERS, NET)},
    ),
    "a pair that is too long": (
        ["--from", f"{'x' * 700}@honest.example", "--to", "you@lab.example"],
        {(LONG, NET)},
    ),
    "a pair's group": (["--from", "joe@honest.example", "--to", "you@lab.example", "--group", SPF], {(JOE, SPF)}),
    "a network": (["--network", "192.31.196.0/24"], {(JOE, NET), (LIST, "net:192.31.196.0/28")} | UNNAMED),
    "a wider network": (["--network", "192.31.0.0/16"], {(JOE, NET), (LIST, "net:192.31.196.0/28")} | UNNAMED),
    "an address": (["--network", "192.31.196.200"], {(JOE, NET)} | UNNAMED),
    "a translated address": (["--network", "unknown[64:ff9b::c01f:c4c8]"], {(JOE, NET)} | UNNAMED),
    "a network of IPv6": (["--network", "2001:db8:1::/48"], {(ANN, NET6)}),
    "everything of IPv4": (
        ["--network", "0.0.0.0/0"],
        {(JOE, NET), (BOUNCE, "net:198.51.100.0/24"), (LIST, "net:192.31.196.0/28")} | UNNAMED,
    ),
    "a group": (["--group", SPF], {(JOE, SPF)}),
    "a group by name": (["--group", RDNS], {(BOUNCE, RDNS)}),
    "a network that has passed": (
        ["--network", "192.31.196.0/24", "--passed"],
        {(JOE, NET), (LIST, "net:192.31.196.0/28"), (OTHERS, NET)},
    ),
}


def names(key: str) -> tuple[str | None, str | None]:
    found = re.fullmatch("<(.*)> <(.*)>", key)
    return (found[1], found[2]) if found else (None, None)


@pytest.mark.parametrize(("words", "wanted"), WANTED.values(), ids=WANTED)
@pytest.mark.usefixtures("greylist_file")
def test_those_are_listed_that_are_meant(words: list[str], wanted: set[tuple[str, str]], greylist: Run) -> None:
    code, out, _ = greylist("list", "--json", *words)
    assert code == os.EX_OK
    found = sorted((str(row["from"]), str(row["to"]), row["group"]) for row in map(json.loads, out.splitlines()))
    assert found == sorted((*map(str, names(key)), group) for key, group in wanted)


@pytest.mark.parametrize(
    ("words", "wanted"), [each for each in WANTED.values() if each[0]], ids=[name for name in WANTED if name != "all"]
)
def test_those_are_forgotten_that_are_meant_and_no_others(
    words: list[str], wanted: set[tuple[str, str]], greylist: Run, greylist_file: Path
) -> None:
    before = rows(greylist_file)
    code, out, _ = greylist("forget", *words)
    assert code == os.EX_OK
    assert f"\n{len(wanted)} forgotten\n" in f"\n{out}"
    after = rows(greylist_file)
    changed = {row for row in before if after[row] != before[row]}
    assert {row for row in changed if row[1] != "lost"} == wanted
    assert all(after[row].forgotten for row in wanted)
    _, out, _ = greylist("list", "--json", *words)
    assert out == ""


@pytest.mark.usefixtures("greylist_file")
def test_it_is_laid_out_for_people(greylist: Run) -> None:
    code, out, err = greylist("list", "--to", "you@lab.example", "--group", NET)
    assert (code, err) == (os.EX_OK, "")
    assert out.splitlines() == [
        "STATE   UNTIL, OR LAST        GROUP                FROM                  TO",
        "passed  2026-11-28T21:01:40Z  net:192.31.196.0/24  <joe@honest.example>  <you@lab.example>",
    ]
    _, out, err = greylist("list", "--waiting", "--network", "192.31.196.0/24")
    assert out.splitlines()[1] == "waiting  2026-11-28T21:07:30Z  net:192.31.196.0/24  ?     ?"
    assert err.startswith("1 with a ? for their names are kept under a digest")


@pytest.mark.usefixtures("greylist_file")
def test_it_says_where_nobody_is_meant(greylist: Run) -> None:
    assert greylist("list", "--from", "nobody@example.org") == (
        os.EX_OK,
        "nobody that is meant waits or has passed\n",
        "",
    )


def test_nothing_is_changed_where_it_is_tried_only(greylist: Run, greylist_file: Path) -> None:
    before = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in greylist_file.parent.iterdir()}
    for words in (
        ("list",),
        ("stats",),
        ("export",),
        ("forget", "--network", "192.31.196.0/24", "--dry-run"),
        ("show", "--from", "joe@honest.example", "--to", "you@lab.example"),
    ):
        assert greylist(*words)[0] == os.EX_OK
    assert {
        file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in greylist_file.parent.iterdir()
    } == before


def test_a_network_that_is_forgotten_loses_what_it_has_earned_and_a_sender_of_it_does_not(
    greylist: Run, greylist_file: Path
) -> None:
    assert "earn" not in greylist("forget", "--from", "joe@honest.example")[1]
    assert ("net:192.31.196.7/32", "lost") not in rows(greylist_file)
    said = greylist("forget", "--network", "192.31.196.0/24", "--dry-run")[1]
    assert "1 that were earning, or had earned, not to wait would begin anew" in said
    said = greylist("forget", "--network", "192.31.196.0/24")[1]
    assert "1 that were earning, or had earned, not to wait begin anew" in said
    assert rows(greylist_file)["net:192.31.196.7/32", "lost"] == Record(generation=1, first_seen=NOW, passed_at=NOW)
    assert "earn" not in greylist("forget", "--network", "192.31.196.0/24")[1]
