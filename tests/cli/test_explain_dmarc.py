"""`milter64 explain` of a fail of SPF that is left to DMARC."""

from pathlib import Path

import pytest

from milter64.cli.main import main
from rig.dnsserver import DnsServer
from rig.world import RECORDS, STRANGER

POLICY = {"_dmarc.honest.example": {"TXT": ["v=DMARC1; p=reject"]}}
REFUSED = "550 5.7.23 SPF fail: 192.31.196.40 is not permitted by honest.example (-all) (milter64 explain)"


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        (
            POLICY,
            [
                "accept",
                'by spf.actions.fail = "dmarc": honest.example publishes p=reject',
                "250, from the mail server",
                "smtp.mailfrom=honest.example;",
            ],
        ),
        ({}, ["reject", 'by spf.actions.fail = "dmarc"', REFUSED]),
    ],
    ids=["policy", "none"],
)
def test_what_dmarc_has_to_do_with_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: dict[str, dict[str, list[str]]], lines: list[str]
) -> None:
    with DnsServer({**RECORDS, **more}) as server:
        file = tmp_path / "milter64.toml"
        file.write_text(
            f'dns.nameservers = ["{server.address}"]\nspf.actions.fail = "dmarc"\ngreylist.store = "memory:"\n'
        )
        words = ["--helo", "stranger.example", "--from", "a@honest.example", "--to", "b@lab.example"]
        assert main(["explain", "--config", str(file), STRANGER, *words]) == 0
    told = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line not in told] == []
    assert [line for line in told if line.startswith("dmarc smtp.mailfrom  TXT ") and "_dmarc.honest.example" in line]
