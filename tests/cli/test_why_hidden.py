"""`milter64 why` where the log has pseudonyms in the place of people."""

import os
from pathlib import Path

import pytest

from milter64.cli.main import main
from milter64.telemetry.pseudonyms import Pseudonyms
from rig.greylists import NET, SPF

LINE = (
    "time=2026-11-28T10:00:00.500Z level=info event=accepted session=d26eb094 client=192.31.196.40 "
    "wire=192.31.196.40 port=40000 origin=ipv4 helo=x from=<{}> to=<{}> ms=1\n"
)


@pytest.mark.parametrize(
    ("sender", "recipient", "rows"),
    [
        (
            "joe@honest.example",
            "you@lab.example",
            [f"  <joe@honest.example> to <you@lab.example>, {group}: passed last" for group in (NET, SPF)],
        ),
        (
            "",
            "me@other.example",
            [
                "  <> to <me@other.example>, net:198.51.100.0/24: may pass from",
                "  <> to <me@other.example>, rdns:honest.example: may pass from",
            ],
        ),
        ("joe@honest.example", "me@other.example", []),
    ],
)
def test_rows_are_found_by_the_pseudonyms_that_the_log_has(
    greylist_file: Path, capsys: pytest.CaptureFixture[str], sender: str, recipient: str, rows: list[str]
) -> None:
    configuration, log = greylist_file.with_name("milter64.toml"), greylist_file.with_name("log")
    configuration.write_text(f'log.privacy = "hash"\n{configuration.read_text()}')
    greylist_file.with_name("rows.key").write_bytes(bytes(32))
    of = Pseudonyms(bytes(32)).of
    log.write_text(LINE.format(sender and of(sender), of(recipient)))
    assert main(["why", "d26eb094", "--config", str(configuration), "--log", str(log)]) == os.EX_OK
    lines = [line for line in capsys.readouterr().out.splitlines() if "> to <" in line]
    assert [line[: len(row)] for line, row in zip(lines, rows, strict=True)] == rows
