"""The demo runs to its end, shows what it should, and leaves nothing behind."""

import os
import pty
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rig.process import Process, alive, until

DEMO = Path(__file__).with_name("demo.py")
COMMAND = (sys.executable, str(DEMO))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo's servers have their files; all users may pass through it, as not in `tmp_path`."""
    with TemporaryDirectory(prefix="milter64-demo-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_the_demo_shows_what_a_server_believes_of_the_address_as_it_comes_and_what_milter64_does(folder: Path) -> None:
    with Process(*COMMAND, env={"TMPDIR": str(folder)}) as demo:
        assert demo.wait() == os.EX_OK
    lines = demo.output.split("\n")
    table = [re.split(" {2,}", line.strip()) for line in lines if "undecoded  " in line or "milter64  " in line]
    assert table == [
        ["honest, native IPv6", "undecoded", "3fff:4::10", "pass", "pass", "3fff:4::/64", "accepted, right"],
        ["3fff:4::10", "milter64", "3fff:4::10", "pass", "pass", "3fff:4::/64", "250 2.0.0, right"],
        ["forged, native IPv6", "undecoded", "3fff:66::66", "fail", "pass", "3fff:66::/64", "refused, right"],
        ["3fff:66::66", "milter64", "3fff:66::66", "fail", "pass", "3fff:66::/64", "550 5.7.23, right"],
        ["honest, IPv4 by NAT64", "undecoded", "64:ff9b::c01f:c40a", "fail", "fail", "64:ff9b::/64", "refused, WRONG"],
        ["192.31.196.10", "milter64", "192.31.196.10", "pass", "pass", "192.31.196.0/24", "250 2.0.0, right"],
        ["forged, IPv4 by NAT64", "undecoded", "64:ff9b::c0af:3042", "pass", "pass", "64:ff9b::/64", "accepted, WRONG"],
        ["192.175.48.66", "milter64", "192.175.48.66", "fail", "pass", "192.175.48.0/24", "550 5.7.23, right"],
    ]
    text = " ".join(demo.output.split())
    assert "Wrong replies: 2 of 4 undecoded, where all of IPv4 is one greylist bucket; 0 of 4 with milter64." in text
    for shown in (
        "starting the translator: tayga, 64:ff9b::/96 ... done",
        "sending: forged, IPv4 by NAT64, a@post.example from 192.175.48.66 ... 550 5.7.23",
        "spf=pass (ip4:192.31.196.10 of bank.example) smtp.mailfrom=bank.example;",
        "event=accepted queue=",
        "client=192.31.196.10 wire=64:ff9b::c01f:c40a",
        "550 5.7.23 SPF fail: 192.175.48.66 is not permitted by post.example",
    ):
        assert shown in text
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in text
    assert left_behind(folder) == []


def test_on_a_terminal_wrong_replies_are_red_and_right_ones_green() -> None:
    terminal, end = pty.openpty()
    coloured = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    pid = os.posix_spawn(sys.executable, COMMAND, coloured, file_actions=[(os.POSIX_SPAWN_DUP2, end, 1)])
    os.close(end)
    text = b""
    try:
        while chunk := os.read(terminal, 65536):
            text += chunk
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    finally:
        os.close(terminal)
        assert os.waitpid(pid, 0)[1] == 0
    assert text.count(b"WRONG\x1b[0m") == text.count(b"\x1b[31m") == 2
    assert text.count(b", right\x1b[0m") == text.count(b"\x1b[32m") == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [r"tayga, .* \.\.\. done", r"Postfix \.\.\. done"])
def test_a_demo_that_is_interrupted_however_often_leaves_nothing_behind(
    folder: Path, number: signal.Signals, moment: str
) -> None:
    with Process(*COMMAND, env={"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}) as demo:
        demo.expect(moment)
        assert left_behind(folder)

        def ends() -> bool:
            demo.send(number)
            return not alive(demo.pid)

        until(ends, "the demo to end")
        assert demo.wait() == 130
        assert demo.output.endswith("\nInterrupted; all that was started is stopped.\n")
    until(lambda: not left_behind(folder), "everything to be gone")


NO_ROOT = ("--reuid=65534", "--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
"""Nobody, who may read this folder wherever it is."""
NO_NAMESPACES = ("--bounding-set=-all", "--inh-caps=-all")


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (NO_ROOT, "that needs root"),
        (NO_NAMESPACES, r"none can be made: \[Errno 1\] unshare: network namespaces need root"),
    ],
    ids=["root", "namespaces"],
)
def test_the_demo_says_in_one_sentence_what_it_lacks(limits: tuple[str, ...], why: str) -> None:
    with Process("setpriv", *limits, "--", *COMMAND) as demo:
        assert demo.wait() == os.EX_UNAVAILABLE
    assert re.fullmatch(rf"The demo runs real servers in network namespaces, and {why}\.\n", demo.output)


def left_behind(folder: Path) -> list[str]:
    """Return the demo's files, and the ids of its processes."""
    processes = (each for each in Path("/proc").glob("[0-9]*") if str(folder) in whereabouts(each))
    return [*map(str, folder.iterdir()), *(process.name for process in processes)]


def whereabouts(process: Path) -> str:
    """Return a process's working folder and arguments: each of the demo's servers has its files in one of them."""
    try:
        return f"{(process / 'cwd').readlink()} {(process / 'cmdline').read_text(errors='replace')}"
    except OSError:  # it has ended meanwhile
        return ""
