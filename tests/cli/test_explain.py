import json
import re
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from milter64.config.settings import Settings
from milter64.discover import recorded_prefixes
from milter64.discover.dns64_prefix import NAME
from milter64.greylist.pair import pair_key
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.wave_through import credit, written
from milter64.store.open_store import open_store
from rig.dnsserver import DnsServer, Fault
from rig.lab import Lab
from rig.nsd import Nsd
from rig.process import until
from rig.unbound import Unbound
from rig.verbs import said
from rig.world import HONEST as HONEST_ADDRESS
from rig.world import RECORDS, ZONES, behind


@pytest.fixture
def configuration(lab: Lab, tmp_path: Path) -> Path:
    return configure(tmp_path, lab.start(Nsd, ZONES).server)


def configure(tmp_path: Path, nameserver: str) -> Path:
    file = tmp_path / "milter64.toml"
    file.write_text(
        f'[milter]\nauthserv_id = "mx.lab.example"\n[dns]\nnameservers = ["{nameserver}"]\n'
        f'[greylist]\nstore = "sqlite:{tmp_path}/greylist.sqlite"\n'
    )
    return file


def explain(configuration: Path, *words: str) -> str:
    return said("explain", "--config", configuration, *words)


FORGED = (
    behind("192.31.196.40"),
    "--helo",
    "stranger.example",
    "--from",
    "<a@honest.example>",
    "--to",
    "u@lab.example",
)
HONEST = (
    behind("192.31.196.10"),
    "--helo",
    "mail.honest.example",
    "--from",
    "a@honest.example",
    "--to",
    "u@lab.example",
)
SOFT = (behind("192.31.196.40"), "--helo", "stranger.example", "--from", "a@soft.example", "--to", "u@lab.example")


REFUSAL = (
    "550 5.7.23 SPF fail: 192.31.196.40 is not permitted by honest.example (-all);"
    " honest.example explains: 192.31.196.40 is none of ours, 100% sure (milter64 explain)"
)


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        pytest.param(
            FORGED,
            [
                "wire     64:ff9b::c01f:c428",
                "address  192.31.196.40",
                "why      decoded by 64:ff9b::/96",
                "from  <a@honest.example>",
                "reject",
                'by spf.actions.fail = "reject"',
                REFUSAL,
            ],
            id="refused",
        ),
        pytest.param(
            HONEST,
            [
                "accept",
                "by nothing speaks against the client",
                "250, from the mail server",
                "Authentication-Results: mx.lab.example;",
            ],
            id="accepted",
        ),
        pytest.param(
            SOFT,
            [
                "new  net:192.31.196.0/24  60 s to wait",
                "greylist",
                'by spf.actions.softfail = "greylist"',
                "by the greylist: new",
                "450 4.7.1 Greylisted (SPF softfail), please try again in 60 seconds (milter64 explain)",
            ],
            id="greylisted",
        ),
        pytest.param(
            ("172.17.0.1", "--to", "u@lab.example"),
            ["why      native IPv4, and of private use: it is not judged by its address", "from  <>", "accept"],
            id="not judged",
        ),
    ],
)
def test_the_whole_decision_is_told(configuration: Path, words: tuple[str, ...], lines: list[str]) -> None:
    told = [line.strip() for line in explain(configuration, *words).splitlines()]
    assert [line for line in lines if line not in told] == []


def test_each_question_is_told_with_its_answer_and_its_time(configuration: Path) -> None:
    report = json.loads(explain(configuration, *HONEST, "--json"))
    asked = {(row["check"], row["type"], row["name"]): row for row in report["dns"]}
    row = asked["spf smtp.mailfrom", "TXT", "honest.example"]
    assert row["answer"].startswith('"v=spf1 ip4:192.31.196.10 ')
    assert row["ms"] > 0
    assert asked["iprev policy.iprev", "PTR", "10.196.31.192.in-addr.arpa"]["answer"] == "mail.honest.example"


def test_programs_get_the_same_as_people(configuration: Path) -> None:
    report = json.loads(explain(configuration, *FORGED, "--json"))
    assert report["client"] == {
        "wire": "64:ff9b::c01f:c428",
        "address": "192.31.196.40",
        "origin": "translated",
        "why": "decoded by 64:ff9b::/96",
        "network": "192.31.196.0/24",
    }
    assert (report["verdict"], report["reply"][:10]) == ("reject", "550 5.7.23")
    assert {(row["check"], row["property"]): row["result"] for row in report["findings"]} == {
        ("spf", "smtp.helo"): "none",
        ("spf", "smtp.mailfrom"): "fail",
        ("iprev", "policy.iprev"): "pass",
    }


def test_an_alias_is_told_with_its_target_and_each_answer_with_its_ttl(lab: Lab, tmp_path: Path) -> None:
    zones = {
        ".": f"""{ZONES["."]}
        alias.example. 120 TXT "v=spf1 a:www.alias.example -all"
        www.alias.example. 90 CNAME mail.honest.example.
        """
    }
    file = configure(tmp_path, lab.start(Nsd, zones).server)
    words = (behind(HONEST_ADDRESS), "--helo", "stranger.example", "--from", "a@alias.example", "--to", "u@lab.example")
    report = json.loads(explain(file, *words, "--json"))
    asked = {(row["type"], row["name"]): row for row in report["dns"] if row["check"] == "spf smtp.mailfrom"}
    record, host = asked["TXT", "alias.example"], asked["A", "www.alias.example"]
    assert (record["ttl"], record["alias"]) == (120, None)
    assert (host["ttl"], host["alias"], host["answer"]) == (90, "mail.honest.example", HONEST_ADDRESS)
    assert f"{HONEST_ADDRESS} (mail.honest.example, by CNAME)" in explain(file, *words)
    found = {finding["property"]: finding for finding in report["findings"]}
    assert 60 < found["smtp.mailfrom"]["remembered"] <= 90
    assert 240 < found["policy.iprev"]["remembered"] <= 300


def test_what_the_greylist_remembers_is_told_with_its_age(configuration: Path, tmp_path: Path) -> None:
    now = time.time()
    rows = {
        "net:192.31.196.0/24": Record(generation=0, first_seen=now - 3 * 3600, passed_at=now - 60),
        "spf:soft.example": Record(generation=0, first_seen=now - 2 * 86400),
    }
    with closing(open_store(f"sqlite:{tmp_path}/greylist.sqlite", RecordKind(Settings().greylist), print)) as store:
        store.merge(pair_key("a@soft.example", "u@lab.example"), rows)
    report = json.loads(explain(configuration, *SOFT, "--json"))

    def moment(seconds: float | None) -> str | None:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")

    assert report["rows"] == [
        {"group": group, "since": moment(row.first_seen), "passed": moment(row.passed_at)}
        for group, row in rows.items()
    ]
    assert (report["greylist"]["state"], report["verdict"]) == ("passed", "accept")
    lines = [line.strip() for line in explain(configuration, *SOFT).splitlines()]
    assert [line for line in lines if re.match(r"net:192.31.196.0/24 .* \(3:00:\d\d ago\) .* \(0:01:\d\d ago\)$", line)]
    assert [line for line in lines if re.match(r"spf:soft.example .* \(2 days, 0:00:\d\d ago\)  -$", line)]


def test_how_far_a_sender_is_from_being_waved_through_is_told(configuration: Path, tmp_path: Path) -> None:
    settings = replace(Settings().greylist, wave_through=3)
    seen = time.time() - 8 * 86400
    with closing(open_store(f"sqlite:{tmp_path}/greylist.sqlite", RecordKind(settings), print)) as store:
        for days, name in ((0, "ann"), (1, "bob")):
            group = "net:192.31.196.40/32"
            store.merge(group, credit(store.read(group), f"{name}@lab.example", seen + days * 86400, settings))

        def told() -> tuple[Any, str]:
            return json.loads(explain(configuration, *SOFT, "--json")), explain(configuration, *SOFT)

        until(lambda: told()[0]["groups"], "the rows to be written")
        report, text = told()
        [row] = report["groups"]
        assert (row["group"], row["recipients"], row["waved"]) == (group, 2, False)
        assert re.search(r"net:192.31.196.40/32 +2 +.*ago\)  not often enough to be waved through", text)
        assert report["verdict"] == "greylist"
        before = store.read(group)
        for key, rows in written(group, before, credit(before, "carla@lab.example", time.time(), settings), settings):
            store.merge(key, rows)
        until(lambda: told()[0]["groups"][0]["waved"], "the row to be written")
        report, text = told()
        assert (report["verdict"], report["greylist"]["state"], report["greylist"]["group"]) == (
            "accept",
            "waved",
            group,
        )
        assert re.search(r"net:192.31.196.40/32 +enough +.*ago\)  waved through", text)


INSIDE = "2001:db8:64::c01f:c428"
INVENTED = ("2001:db8:64::c000:aa", "2001:db8:64::c000:ab")
FORGED_INSIDE = (INSIDE, *FORGED[1:])


def test_what_the_resolver_invents_is_known_as_the_service_knows_it(lab: Lab, tmp_path: Path) -> None:
    unbound = lab.start(Unbound, lab.start(Nsd, ZONES), dns64="2001:db8:64::/96")
    report = json.loads(explain(configure(tmp_path, unbound.server), *FORGED_INSIDE, "--json"))
    assert (report["client"]["origin"], report["verdict"]) == ("undecoded", "accept")
    assert report["client"]["why"].startswith("in 2001:db8:64::/96, by which the resolver is a DNS64")
    assert report["dns64"] == [{"nameserver": unbound.server, "prefixes": ["2001:db8:64::/96"], "error": ""}]


def test_what_the_service_has_learned_is_known(tmp_path: Path) -> None:
    with DnsServer(RECORDS) as server:
        file = configure(tmp_path, server.address)
        server.faults[NAME] = Fault.SERVFAIL
        report = json.loads(explain(file, *FORGED_INSIDE, "--json"))
        assert (report["client"]["origin"], report["verdict"]) == ("ipv6", "reject")
        unknown = f"whether {server.address} is a DNS64 isn't known: SERVFAIL"
        assert report["trouble"] == [unknown]
        assert unknown in explain(file, *FORGED_INSIDE)
        learned = recorded_prefixes.Learned(began=1, dns64={server.address: INVENTED}, masked=frozenset({"172.17.0.1"}))
        recorded_prefixes.write(tmp_path / "greylist.sqlite.network.json", [], learned)
        report = json.loads(explain(file, *FORGED_INSIDE, "--json"))
        assert (report["client"]["origin"], report["verdict"], report["trouble"]) == ("undecoded", "accept", [])
        report = json.loads(explain(file, "172.17.0.1", "--to", "u@lab.example", "--json"))
        assert report["client"]["origin"] == "masked"
        shared = recorded_prefixes.Learned(began=2, shared=frozenset({FORGED[0]}))
        recorded_prefixes.write(tmp_path / "greylist.sqlite.network.json", [], shared)
        report = json.loads(explain(file, *FORGED, "--json"))
        assert report["verdict"] == "tempfail"
        assert report["rules"] == ['spf.actions.fail = "tempfail", no more: its address may be a gateway\'s']
        recorded_prefixes.write(tmp_path / "greylist.sqlite.network.json", [], replace(learned, began=3))
        server.faults.clear()  # what it says now goes before
        report = json.loads(explain(file, *FORGED_INSIDE, "--json"))
        assert (report["client"]["origin"], report["verdict"]) == ("ipv6", "reject")


def test_what_the_service_has_learned_and_is_not_to_be_read_is_told_of(configuration: Path, tmp_path: Path) -> None:
    (tmp_path / "greylist.sqlite.network.json").mkdir()
    (trouble,) = json.loads(explain(configuration, *HONEST, "--json"))["trouble"]
    assert trouble.startswith("what the service has learned isn't known: ")
    assert trouble.endswith("not readable: Is a directory")


def test_nothing_is_written(configuration: Path, tmp_path: Path) -> None:
    explain(configuration, *SOFT)
    assert [path.name for path in tmp_path.iterdir()] == ["milter64.toml"]
