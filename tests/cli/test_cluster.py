"""What `milter64 cluster` says of hosts and of their servers."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from milter64 import sharing
from milter64.cli.main import main
from milter64.sharing.keys import FORMAT_KEY, MEMBERS
from milter64.sharing.members import own_name
from rig.lab import Lab
from rig.redis import Redis


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Lab() as lab:
        yield lab.start(Redis)


@pytest.fixture
def file(redis: Redis, tmp_path: Path) -> Path:
    """Of a host that shares through an empty server."""
    redis.ask("FLUSHALL")
    return configure(tmp_path, redis.url)


def configure(folder: Path, url: str) -> Path:
    file = folder / "milter64.toml"
    file.write_text(f'[greylist]\nstore = "{url}"\nlocal = "sqlite:{folder}/greylist.sqlite"\n')
    return file


def here(file: Path) -> str:
    return own_name(f"sqlite:{file.parent}/greylist.sqlite")


def tell(redis: Redis, host: str, *, offset: float = 0.0, ago: float = 0.0, state: str = "whole") -> None:
    """Say of a host what it would say of itself."""
    at = time.time() - ago
    said = {"version": "0.2", "at": at, "offset": offset, "state": state, "lag": 0.2}
    redis.ask("HSET", MEMBERS, host, json.dumps(said | {"rows": 12, "lists": 1, "limits": 40, "waiting": 3}))
    redis.ask("SET", FORMAT_KEY, "1")


def shown(file: Path, capsys: pytest.CaptureFixture[str], code: int) -> list[str]:
    assert main(["cluster", "--config", str(file)]) == code
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def report(file: Path, capsys: pytest.CaptureFixture[str], code: int) -> dict[str, Any]:
    assert main(["cluster", "--json", "--config", str(file)]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["well"] == (code == os.EX_OK)
    return found


def test_hosts_that_share_are_shown_and_all_is_well(
    redis: Redis, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(redis, here(file), offset=0.01)
    tell(redis, "mx2#0002", offset=-1.5)
    lines = shown(file, capsys, os.EX_OK)
    assert lines[0] == f"Servers, by {redis.url}"
    assert lines[2].startswith(f"127.0.0.1:{redis.port} master Redis ")
    assert f"{here(file)} (here) 0.2 whole 0 s ago +0.01 s 0.2 s 12 1 40 3" in lines
    assert "mx2#0002 0.2 whole 0 s ago -1.50 s 0.2 s 12 1 40 3" in lines
    assert "Not as it should be" not in lines


def test_programs_are_told_the_same(redis: Redis, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell(redis, here(file))
    found = report(file, capsys, os.EX_OK)
    (server,), (host,) = found["servers"], found["hosts"]
    assert (found["url"], found["format"], server["role"], server["keys"]) == (redis.url, "1", "master", 2)
    assert (host["host"], host["here"], host["rows"], host["state"]) == (here(file), True, 12, "whole")


@pytest.mark.parametrize(
    ("how", "state", "trouble"),
    [
        ({"ago": 7200.0}, "gone", "mx2#0002 was heard of last 2 h ago"),
        ({"state": "loading"}, "loading", "mx2#0002 lacks some of what others know, and is loading"),
        ({"state": "behind"}, "behind", "mx2#0002 lacks some of what others know, and is behind"),
        ({"offset": 301.0}, "whole", "the clock of mx2#0002 is 301 s ahead of that of the server, this host"),
    ],
)
def test_a_host_that_is_not_as_it_should_be_is_named(
    redis: Redis, file: Path, *, how: dict[str, Any], state: str, trouble: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(redis, here(file))
    tell(redis, "mx2#0002", **how)
    found = report(file, capsys, 1)
    assert {host["host"]: host["state"] for host in found["hosts"]}["mx2#0002"] == state
    (said,) = found["troubles"]
    assert said.startswith(trouble)


def test_a_host_that_was_heard_of_last_a_day_ago_is_forgotten(
    redis: Redis, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(redis, here(file))
    tell(redis, "mx2#0002", ago=86500.0)
    assert [host["host"] for host in report(file, capsys, os.EX_OK)["hosts"]] == [here(file)]


def test_a_host_that_is_not_among_them_itself_is_told_so(
    redis: Redis, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = f"{here(file)}, this host, doesn't share: "
    (trouble,) = report(file, capsys, 1)["troubles"]
    assert trouble.startswith(said)
    tell(redis, here(file), ago=61.0)
    troubles = report(file, capsys, 1)["troubles"]
    assert [each.startswith(said) for each in troubles] == [False, True]


def test_another_format_is_told(redis: Redis, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell(redis, here(file))
    redis.ask("SET", FORMAT_KEY, "2")
    (trouble,) = report(file, capsys, 1)["troubles"]
    assert "by format 2 there, and this milter64 by 1" in trouble


def test_what_stands_there_cannot_paint_the_screen(
    redis: Redis, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(redis, here(file))
    tell(redis, "mx2\x1b[31m", state="\x1b[32mwhole")
    assert "\x1b" not in "".join(shown(file, capsys, os.EX_OK))


class Terminal:
    """Standard output as a terminal."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_clocks_that_are_off_stand_out(redis: Redis, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    for host, offset in ((here(file), 60.0), ("mx2#0002", -61.0), ("mx3#0003", 301.0)):
        tell(redis, host, offset=offset)
    main(["cluster", "--config", str(file)])
    assert " +60.00 s" in terminal.text
    assert "\x1b[33m-61.00 s\x1b[0m" in terminal.text
    assert "\x1b[31m+301.00 s\x1b[0m" in terminal.text


# Where nobody can be asked


def refused(file: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["cluster", "--config", str(file)]) == os.EX_UNAVAILABLE
    return capsys.readouterr().err


def test_a_server_that_is_not_there_is_named_without_the_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(configure(tmp_path, "redis://milter64:s3cret@127.0.0.1:1"), capsys)
    assert "milter64 cluster: redis://milter64:***@127.0.0.1:1 can't be asked: Connection refused\n" in said
    assert "  start the server, have it listen for this host, or mend greylist.store; each host goes on alone" in said


def test_a_server_that_hangs_holds_nobody_up(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    redis = lab.start(Redis)
    redis.stop()
    began = time.monotonic()
    assert "no answer in time" in refused(configure(tmp_path, redis.url), capsys)
    assert time.monotonic() - began < 5
    redis.go_on()


def test_a_host_without_a_shared_store_is_told_how_to_get_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "milter64.toml").write_text("")
    said = refused(tmp_path / "milter64.toml", capsys)
    assert "no shared store is configured" in said
    assert 'greylist.store, such as "redis://192.0.2.1"' in said


def test_a_host_without_the_library_is_told_which_package_has_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    for name in [name for name in sys.modules if name.startswith("milter64.sharing.")]:
        monkeypatch.setattr(sharing, name.rpartition(".")[2], sys.modules[name])  # which is what it is again afterwards
        monkeypatch.delitem(sys.modules, name)
    assert "run `apt install python3-redis`" in refused(file, capsys)
