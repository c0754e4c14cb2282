"""`milter64 greylist show` and `stats`, as an admin types them."""

import json
import os
from typing import Any

import pytest

from rig.greylists import NET, NET6, SPF, Run


def shown(greylist: Run, *words: str) -> dict[str, Any]:
    code, out, _ = greylist("show", "--json", *words)
    assert code == os.EX_OK
    report: dict[str, Any] = json.loads(out)
    return report


@pytest.mark.usefixtures("greylist_file")
def test_all_of_a_pair_is_shown_and_what_becomes_of_the_next_try(greylist: Run) -> None:
    report = shown(greylist, "--from", "joe@honest.example", "--to", "you@lab.example")
    assert report == {
        "milter64": "greylist show",
        "schema": 1,
        "from": "joe@honest.example",
        "to": "you@lab.example",
        "rows": [
            {
                "group": group,
                "state": "passed",
                "since": "2026-11-28T20:56:40Z",
                "until": None,
                "passed": "2026-11-28T21:01:40Z",
                "expires": "2027-01-03T21:01:40Z",
                "says": "yes",
            }
            for group in (NET, SPF)
        ],
        "next": [
            {"group": NET, "state": "passed", "seconds": 0},
            {"group": SPF, "state": "passed", "seconds": 0},
            {"group": None, "state": "new", "seconds": 60},
        ],
        "waved": [],
    }


TRIES: dict[str, tuple[str, str, str, list[tuple[str | None, str, int]]]] = {
    "from another network": (
        "joe@honest.example",
        "you@lab.example",
        "198.51.100.9",
        [("net:198.51.100.0/24", "new", 60), (SPF, "passed", 0)],
    ),
    "from its own, translated": (
        "joe@honest.example",
        "you@lab.example",
        "64:ff9b::c01f:c409",
        [(NET, "passed", 0), (SPF, "passed", 0)],
    ),
    "too early": ("ann+1@honest.example", "you@lab.example", "2001:db8:1:2::9", [(NET6, "waiting", 50)]),
    "of whom nothing is known": ("nobody@honest.example", "you@lab.example", "192.31.196.9", [(NET, "new", 60)]),
    "forgotten": ("gone@x.example", "you@lab.example", "192.31.196.9", [(NET, "new", 60)]),
    "run out": ("out@x.example", "you@lab.example", "192.31.196.9", [(NET, "new", 60)]),
    "told of by others": ("far@away.example", "you@lab.example", "192.31.196.9", [(NET, "passed", 0)]),
}


@pytest.mark.parametrize(("sender", "recipient", "client", "tries"), TRIES.values(), ids=TRIES)
@pytest.mark.usefixtures("greylist_file")
def test_what_becomes_of_the_next_try_from_an_address_is_shown(
    sender: str, recipient: str, client: str, tries: list[tuple[str | None, str, int]], greylist: Run
) -> None:
    report = shown(greylist, "--from", sender, "--to", recipient, "--client", client)
    assert [(each["group"], each["state"], each["seconds"]) for each in report["next"]] == tries


@pytest.mark.usefixtures("greylist_file")
def test_who_is_waved_through_is_told_so(greylist: Run) -> None:
    words = ("--from", "new@honest.example", "--to", "you@lab.example", "--client", "192.31.196.7")
    assert shown(greylist, *words)["waved"] == ["net:192.31.196.7/32"]
    assert "from 192.31.196.7/32: passes without a wait, as it has passed often" in greylist("show", *words)[1]


@pytest.mark.usefixtures("greylist_file")
def test_a_pair_is_laid_out_for_people(greylist: Run) -> None:
    _, out, _ = greylist("show", "--from", "gone@x.example", "--to", "you@lab.example")
    assert out.splitlines() == [
        "Pair",
        "  from  <gone@x.example>",
        "  to    <you@lab.example>",
        "What is remembered",
        "  group                state      since                 passed last  runs out              counts",
        (
            "  net:192.31.196.0/24  forgotten  2026-11-28T21:05:00Z  -            2027-01-03T21:05:00Z"
            "  no, it begins anew"
        ),
        "The next try, if the sender is suspect (`milter64 explain` tells whether it is)",
        "  from 192.31.196.0/24  begins anew, and waits 60 s",
        "  from anywhere else    begins anew, and waits 60 s",
    ]


# All of them


@pytest.mark.usefixtures("greylist_file")
def test_they_are_counted(greylist: Run) -> None:
    code, out, _ = greylist("stats", "--json")
    assert code == os.EX_OK
    assert json.loads(out) == {
        "milter64": "greylist stats",
        "schema": 1,
        "waiting": 4,
        "ready": 0,
        "passed": 4,
        "forgotten": 1,
        "expired": 1,
        "soon": 0,
        "unnamed": 1,
        "earned": 1,
        "groups": {"net": 6, "spf": 1, "rdns": 1},
        "ages": [
            {"seconds": 3600.0, "rows": 8},
            {"seconds": 86400.0, "rows": 0},
            {"seconds": 604800.0, "rows": 0},
            {"seconds": 2419200.0, "rows": 0},
            {"seconds": None, "rows": 0},
        ],
        "networks": {
            "ipv4": [
                {"network": "192.31.196.0/24", "waiting": 1, "passed": 2},
                {"network": "192.31.196.0/28", "waiting": 0, "passed": 1},
                {"network": "198.51.100.0/24", "waiting": 1, "passed": 0},
            ],
            "ipv6": [{"network": "2001:db8:1:2::/64", "waiting": 1, "passed": 0}],
        },
        "domains": [
            {"domain": "honest.example", "waiting": 1, "passed": 2},
            {"domain": "lists.example", "waiting": 0, "passed": 1},
        ],
    }
    out = " ".join(greylist("stats")[1].split())
    assert " have passed 4 run out within a day" in out
    assert " network waiting passed 192.31.196.0/24 1 2 192.31.196.0/28 0 1 198.51.100.0/24 1 0 " in out
