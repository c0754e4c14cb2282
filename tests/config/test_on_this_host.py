"""What `milter64 check-config` finds that a host lacks; what it prints as a remedy is run as it stands."""

import os
import pwd
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from milter64.cli import service_user
from milter64.cli.main import main
from milter64.cli.service_user import its_rights
from milter64.config import on_this_host
from milter64.config.load_file import parse
from milter64.config.on_this_host import host_problems
from milter64.config.problems import Problem
from rig.process import Process

SERVER = "nobody"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that everybody can pass through, on a host where the package's user is nobody."""
    monkeypatch.setattr(service_user, "_PACKAGES", SERVER)
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def found(
    socket: str = "inet:8864@localhost", store: str = "memory:", group: str = "", local: str = ""
) -> list[Problem]:
    """Return what this host lacks; `local` is its own store, beside one that others share."""
    grey = f'store = "redis://h"\nlocal = "{local}"' if local else f'store = "{store}"'
    settings, problems = parse(f'[milter]\nsocket = "{socket}"\nsocket_group = "{group}"\n[greylist]\n{grey}\n')
    assert not problems
    with its_rights(settings) as user:
        return list(host_problems(settings, user))


def run(remedy: str) -> None:
    """Do what a remedy says."""
    command = re.search(r"run `(.*)`", remedy)
    assert command
    subprocess.run(command[1], shell=True, check=True)


KEYS = [
    ("milter.socket", "unix:{}/socket"),
    ("greylist.store", "sqlite:{}/rows.sqlite"),
    ("greylist.local", "sqlite:{}/rows.sqlite"),
]


@pytest.mark.parametrize(("key", "form"), KEYS)
def test_a_missing_folder_is_found_and_made_by_its_remedy(folder: Path, key: str, form: str) -> None:
    place = folder / "new"
    what = {key.partition(".")[2]: form.format(place)}
    [problem] = found(**what)
    assert (problem.key, problem.what) == (key, f"there is no folder {place}")
    run(problem.remedy)
    assert place.owner() == SERVER
    assert found(**what) == []


def test_the_folder_of_a_socket_in_postfixs_queue_is_made_so_that_postfix_can_use_the_socket(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_this_host, "_QUEUE", folder)
    place, door = folder / "new", folder / "new" / "socket"
    [problem] = found(f"unix:{door}")
    run(problem.remedy)
    assert (place.owner(), place.group(), place.stat().st_mode & 0o7777) == (SERVER, "postfix", 0o2750)
    assert found(f"unix:{door}") == []
    subprocess.run(["touch", door], user=SERVER, group="nogroup", extra_groups=(), check=True)
    assert door.group() == "postfix"


@pytest.mark.parametrize(("key", "form"), KEYS)
def test_a_folder_without_rights_for_the_service_is_found(folder: Path, key: str, form: str) -> None:
    place = folder / "closed"
    place.mkdir(mode=0o700)
    [problem] = found(**{key.partition(".")[2]: form.format(place)})
    assert (problem.key, problem.what) == (key, f"the user {SERVER} may not make files in {place}")
    assert "`chown`" in problem.remedy
    os.chown(place, pwd.getpwnam(SERVER).pw_uid, -1)
    assert found(**{key.partition(".")[2]: form.format(place)}) == []
    place.rmdir()
    place.write_text("")
    [problem] = found(**{key.partition(".")[2]: form.format(place)})
    assert problem.what == f"{place} is no folder"


def test_a_store_that_the_service_may_not_write_is_found_and_given_to_it_by_the_remedy(folder: Path) -> None:
    os.chown(folder, pwd.getpwnam(SERVER).pw_uid, -1)
    store = folder / "rows.sqlite"
    for path in (store, folder / "rows.sqlite-wal"):
        path.touch(mode=0o600)
    [problem] = found(store=f"sqlite:{store}")
    assert (problem.key, problem.what) == ("greylist.store", f"the user {SERVER} may not read and write {store}")
    run(problem.remedy)
    assert found(store=f"sqlite:{store}") == []
    assert (folder / "rows.sqlite-wal").owner() == SERVER


def test_a_group_that_is_not_there_or_that_the_service_is_not_in_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(folder, pwd.getpwnam(SERVER).pw_uid, -1)
    socket = f"unix:{folder}/socket"
    [problem] = found(socket, group="no-such-group")
    assert (problem.key, problem.what) == ("milter.socket_group", "there is no group no-such-group")
    [problem] = found(socket, group="postfix")
    assert problem.what == f"the user {SERVER} is not in the group postfix, and can't give it the socket"
    assert problem.remedy == f"run `usermod -a -G postfix {SERVER}`, and restart milter64"
    assert found(socket, group="nogroup") == []
    subprocess.run(["chgrp", "postfix", folder], check=True)
    assert len(found(socket, group="postfix")) == 1
    folder.chmod(0o2755)  # whose group its files have
    assert found(socket, group="postfix") == []
    folder.chmod(0o755)
    monkeypatch.setattr(service_user, "_PACKAGES", "no-such-user")
    assert found(socket, group="postfix") == [], "nobody knows who serves"


def test_what_the_unit_makes_need_not_be_there_yet_where_systemd_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "run"
    monkeypatch.setattr(on_this_host, "_BY_UNIT", frozenset({str(made)}))
    for booted, problems in ((tmp_path / "none", 1), (tmp_path, 0)):
        monkeypatch.setattr(on_this_host, "_SYSTEMD", booted)
        assert len(found(f"unix:{made}/socket")) == problems
    assert len(found(f"unix:{made}/more/socket")) == 1


def test_who_is_neither_root_nor_the_service_is_told_of_no_rights(folder: Path) -> None:
    file, place = folder / "milter64.toml", folder / "closed"
    place.mkdir(mode=0o700)
    file.write_text(f'milter.socket = "unix:{place}/in/socket"\ngreylist.store = "sqlite:{folder}/rows.sqlite"\n')
    somebody = ("setpriv", "--reuid=4242", "--regid=4242", "--clear-groups", "--")
    with Process(*somebody, sys.executable, "-m", "milter64", "check-config", file) as process:
        assert (process.wait(), process.output) == (os.EX_OK, f"{file} is valid\n")


def test_what_the_host_lacks_is_told_beside_what_is_wrong_in_lists(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "milter64.toml"
    text = f'milter.socket = "unix:{folder}/none/socket"\ngreylist.store = "memory:"\n'
    file.write_text(text)
    assert main(["check-config", str(file)]) == os.EX_UNAVAILABLE
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        f"{file}: 1 error",
        "LINE KEY WHAT IS WRONG, AND ITS REMEDY",
        f"1 milter.socket there is no folder {folder}/none",
        f"run `install -d -o {SERVER} {folder}/none`",
    ]
    file.write_text(f'{text}block.files = ["{folder}/block"]\n')
    assert main(["check-config", str(file)]) == os.EX_CONFIG
    assert "2 errors" in capsys.readouterr().out
