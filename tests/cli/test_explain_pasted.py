"""`milter64 explain` of what people have at hand, by whoever they are."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from milter64.cli.main import main
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.process import Process
from rig.world import RECORDS

CLIENT = "64:ff9b::c01f:c428"
ADDRESSES = [CLIENT, f"unknown[{CLIENT}]:40000", f"[IPv6:{CLIENT}]", f"mail.x.example [{CLIENT}]"]
POSTFIXS = (
    f"postfix/smtpd[1]: NOQUEUE: milter-reject: RCPT from unknown[{CLIENT}]: 550 5.7.23 SPF fail (milter64 1);"
    " from=<a@honest.example> to=<u@lab.example> proto=ESMTP helo=<stranger.example>"
)
OURS = (
    f"time=2026-11-21T00:53:07.644Z level=info event=rejected ban={CLIENT} session=1 client=192.31.196.40"
    f" wire={CLIENT} port=1 origin=translated helo=stranger.example from=<a@honest.example>"
    ' to=<u@lab.example>,<v@lab.example> spf=fail because="spf fail: no" reply="550 5.7.23" ms=1'
)
FORGED = {"helo": "stranger.example", "from": "a@honest.example", "to": "u@lab.example"}


@pytest.fixture
def configuration(lab: Lab) -> Iterator[Path]:
    """A file that others may read, in a folder of theirs."""
    file = lab.folder / "milter64.toml"
    (lab.folder / "store").mkdir()
    with DnsServer(RECORDS) as server:
        file.write_text(
            f'dns.nameservers = ["{server.address}"]\n'
            f'greylist.store = "sqlite:{lab.folder}/store/greylist.sqlite"\n'
            'milter.authserv_id = "mx.lab.example"\n'
        )
        yield file


def explained(configuration: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:  # noqa: ANN401  JSON
    assert main(["explain", *words, "--config", str(configuration), "--json"]) == os.EX_OK
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_may_be_written_as_logs_have_it(
    configuration: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    report = explained(configuration, capsys, address, "--to", "u@lab.example")
    assert (report["client"]["wire"], report["client"]["address"]) == (CLIENT, "192.31.196.40")


@pytest.mark.parametrize("words", [[POSTFIXS], POSTFIXS.split(), [OURS], [f"mx milter64[9]: {OURS}"]])
def test_from_a_line_of_a_log_all_is_taken_that_it_says(
    configuration: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    report = explained(configuration, capsys, *words)
    assert (report["client"]["wire"], report["envelope"], report["reply"][:10]) == (CLIENT, FORGED, "550 5.7.23")
    of_several = ["the line has 2 recipients, and this is about the first"]
    assert report["trouble"] == (of_several if OURS in words[0] else [])


def test_a_line_is_read_from_standard_input_too(configuration: Path) -> None:
    command = [sys.executable, "-m", "milter64", "explain", "--config", str(configuration), "--json"]
    for line in (
        f"{POSTFIXS}\n".encode(),
        POSTFIXS.replace("; ", ";\n  ").encode(),
        POSTFIXS.encode() + b" sasl_x=\xff",
    ):
        done = subprocess.run(command, input=line, capture_output=True, check=True)
        assert json.loads(done.stdout)["envelope"] == FORGED


def test_what_an_option_says_counts_for_more_than_the_line(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--helo", "x.example", "--from", "", "--to", "y@lab.example")
    report = explained(configuration, capsys, OURS, *words)
    assert report["envelope"] == {"helo": "x.example", "from": "", "to": "y@lab.example"}
    assert report["trouble"] == []


def test_that_a_line_has_pseudonyms_is_told(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configuration.write_text(f'{configuration.read_text()}log.privacy = "hash"\n')
    told = "the line has pseudonyms, which are judged as if they were people: give --from and --to"
    assert told in explained(configuration, capsys, OURS)["trouble"]
    assert told not in explained(configuration, capsys, POSTFIXS)["trouble"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("mx", "--to", "u@lab.example"), "'mx' is not an IP address, nor a line of a log that names a client"),
        ((CLIENT,), "no recipient: name one with --to"),
        ((f"connect from unknown[{CLIENT}]",), "no recipient: name one with --to"),
        ((CLIENT, "--to", "u"), "'u' is not an address such as user@example.org (RFC 5321 4.1.2)"),
        ((CLIENT, "--from", "a b", "--to", "u@x"), "'a b' is not an address such as user@example.org (RFC 5321 4.1.2)"),
    ],
)
def test_what_cannot_be_told_is_asked_for(
    configuration: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], why: str
) -> None:
    assert main(["explain", *words, "--config", str(configuration)]) == os.EX_USAGE
    assert capsys.readouterr().err == f"milter64 explain: {why}\n"


def test_an_empty_standard_input_names_no_client(
    configuration: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"\n")))
    assert main(["explain", "--config", str(configuration)]) == os.EX_USAGE
    assert capsys.readouterr().err == (
        "milter64 explain: no client: name one, or give a line of the log on standard input\n"
    )


def test_in_observe_mode_it_says_that_nothing_would_be_refused_and_what_would_be_otherwise(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enforced = explained(configuration, capsys, POSTFIXS)
    assert (enforced["observe"], enforced["authentication_results"]) == (False, [])
    configuration.write_text(f'mode = "observe"\n{configuration.read_text()}')
    observed = explained(configuration, capsys, POSTFIXS)
    assert (observed["observe"], observed["verdict"], observed["reply"]) == (True, "reject", enforced["reply"])
    assert any("spf=fail" in field for field in observed["authentication_results"])
    assert main(["explain", POSTFIXS, "--config", str(configuration)]) == os.EX_OK
    printed = capsys.readouterr().out
    refuses = '  250, from the mail server: mode = "observe" refuses nothing; without it\n'
    assert f"The client would see\n{refuses}  {enforced['reply']}\nThe message would get\n" in printed
    assert explained(configuration, capsys, CLIENT, "--to", "u@lab.example")["reply"] is None
    assert main(["explain", CLIENT, "--to", "u@lab.example", "--config", str(configuration)]) == os.EX_OK
    assert "The client would see\n  250, from the mail server\n" in capsys.readouterr().out


# Rights

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


@pytest.mark.parametrize("closed", ["folder", "file"])
def test_who_has_no_rights_on_the_store_is_told_what_was_not_read_and_all_else(
    configuration: Path, closed: str
) -> None:
    folder = configuration.parent / "store"
    file = folder / "greylist.sqlite"
    for path in (file, *(file.with_name(f"{file.name}.{end}") for end in ("allow", "block", "network.json"))):
        path.write_text("")
        path.chmod(0o600 if closed != "folder" else 0o644)
    file.chmod(0o644 if closed == "folder" else 0o600)
    folder.chmod(0o700 if closed == "folder" else 0o755)
    with Process(*NOBODY, sys.executable, "-m", "milter64", "explain", POSTFIXS, "--config", configuration) as process:
        assert process.wait() == os.EX_OK, process.output
    assert "  550 5.7.23 SPF fail: 192.31.196.40 is not permitted" in process.output
    _, minded = process.output.split("\nMind that\n")
    lines = [line.strip() for line in minded.splitlines()]
    assert f"greylist: {file}: Permission denied: judged as if it were empty; try it as root" in lines
    assert f"lists: {file}.block: Permission denied: nothing in it counts" in lines
    assert len(lines) == 4
    assert all("Permission denied" in line for line in lines)


def test_what_is_not_known_stands_under_a_heading_of_its_own(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = configuration.read_text()
    configuration.write_text(text.replace("greylist.sqlite", "x" * 300))
    (unread, *_) = explained(configuration, capsys, POSTFIXS)["trouble"]
    assert main(["explain", POSTFIXS, "--config", str(configuration)]) == os.EX_OK
    assert f"(milter64 explain)\nMind that\n  {unread}\n" in capsys.readouterr().out
