"""`milter64 page`: an address is printed, behind which there are pages until Ctrl-C; and who wants a page in a file."""

import http.client
import json
import os
import signal
import socket
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from milter64.cli import audit
from milter64.cli.main import main
from milter64.cli.page import PAGES
from rig.greylists import Run
from rig.process import Process
from rig.reported import line
from rig.scene import Scene

ADDRESS = r"^http://127\.0\.0\.1:([0-9]+)(/[-_A-Za-z0-9]{43}/)$"


def _page(*words: str) -> Process:
    return Process(sys.executable, "-m", "milter64", "page", *words)


def test_the_report_is_what_the_bare_address_shows() -> None:
    assert list(PAGES) == ["report", "greylist", "audit"]


def test_there_are_pages_at_the_address_that_is_printed_until_ctrl_c() -> None:
    with _page() as process:
        port, path = process.expect(ADDRESS).groups()
        process.expect(r"^Whoever has this address may read all\. Ctrl-C ends it\.$")
        with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=90)) as connection:
            connection.request("GET", f"{path}audit")
            answer = connection.getresponse()
            assert (answer.status, b"<h1>Audit</h1>" in answer.read()) == (200, True)
        process.send(signal.SIGINT)
        assert process.wait() == 0
        assert "Traceback" not in process.output


def test_the_report_may_be_of_files(tmp_path: Path) -> None:
    log = tmp_path / "milter64.log"
    log.write_text(f"{line(at=f'{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z')}\n")
    with _page("--log", str(log)) as process:
        port, path = process.expect(ADDRESS).groups()
        with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=90)) as connection:
            connection.request("GET", f"{path}report")
            page = connection.getresponse().read().decode()
    assert str(log) in page
    assert "1, 100.0%" in page


def test_standard_input_makes_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["page", "--log", "-"])
    assert end.value.code == os.EX_USAGE
    assert "standard input can't be read anew" in capsys.readouterr().err


def test_the_port_may_be_chosen_and_one_in_use_is_said() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        with _page("--port", port) as process:
            assert process.wait() == os.EX_UNAVAILABLE
            assert process.output == f"milter64 page: nothing can be served at port {port}: Address already in use\n"
    with _page("--port", port) as process:
        assert process.expect(ADDRESS)[1] == port


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "\u0663", "9" * 5000])
def test_what_is_no_port_is_said(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["page", f"--port={port}"])
    assert end.value.code == os.EX_USAGE
    assert "is no port: it is a number from 1 to 65535" in capsys.readouterr().err


def test_a_wrong_configuration_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text("colour = 7\n")
    assert main(["page", "--config", str(file)]) == os.EX_CONFIG
    assert "colour" in capsys.readouterr().err


WARNED = Scene(main={"milter_default_action": "accept"})


@pytest.mark.parametrize(("trouble", "code"), [("", 0), ("postconf is not installed here", 1)])
def test_an_audit_is_written_as_a_page_with_the_same_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, trouble: str, code: int
) -> None:
    monkeypatch.setattr(audit, "gather", lambda *_: (WARNED.facts(), trouble))
    assert main(["audit", "--html", str(tmp_path / "audit.html")]) == code
    assert capsys.readouterr().out == ""
    page = (tmp_path / "audit.html").read_text()
    main(["audit", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [page.count(f'<li class="{level}">') for level in ("good", "warning", "problem")] == list(
        told["counts"].values()
    )
    for each in told["lines"]:
        assert each["subject"].replace("'", "&#x27;").replace("<", "&lt;").replace(">", "&gt;") in page


@pytest.mark.usefixtures("greylist_file")
def test_the_greylist_is_counted_on_a_page(greylist: Run, tmp_path: Path) -> None:
    code, out, _ = greylist("stats", "--html", str(tmp_path / "page.html"))
    assert (code, out) == (0, "")
    page = (tmp_path / "page.html").read_text()
    assert "<h1>The greylist</h1>" in page
    assert "192.31.196.0/24" in page


def test_of_the_greylist_there_is_no_other_page(greylist: Run, tmp_path: Path) -> None:
    code, _, said = greylist("list", "--html", str(tmp_path / "page.html"))
    assert (code, said) == (os.EX_USAGE, "milter64 greylist list: it takes no --html\n")


def test_a_page_and_json_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["audit", "--json", "--html", str(tmp_path / "x")])
    assert end.value.code == os.EX_USAGE
