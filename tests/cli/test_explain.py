import json
import sys
from pathlib import Path

import pytest

from rig.lab import Lab
from rig.nsd import Nsd
from rig.process import Process
from rig.world import ZONES, behind


@pytest.fixture
def configuration(lab: Lab, tmp_path: Path) -> Path:
    nsd = lab.start(Nsd, ZONES)
    file = tmp_path / "milter64.toml"
    file.write_text(
        f'[milter]\nauthserv_id = "mx.lab.example"\n[dns]\nnameservers = ["{nsd.server}"]\n'
        f'[greylist]\nstore = "sqlite:{tmp_path}/greylist.sqlite"\n'
    )
    return file


def explain(configuration: Path, *words: str) -> str:
    with Process(sys.executable, "-m", "milter64", "explain", "--config", configuration, *words) as process:
        assert process.wait() == 0, process.output
        return process.output


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


def test_nothing_is_written(configuration: Path, tmp_path: Path) -> None:
    explain(configuration, *SOFT)
    assert [path.name for path in tmp_path.iterdir()] == ["milter64.toml"]


def test_what_is_no_address_is_refused(configuration: Path) -> None:
    with Process(sys.executable, "-m", "milter64", "explain", "--config", configuration, "mx", "--to", "u") as process:
        assert process.wait() == 64
        assert "'mx' is not an IP address" in process.output
