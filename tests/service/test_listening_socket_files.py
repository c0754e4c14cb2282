"""The file that a unix socket leaves: whose it is, and who may take its place."""

import grp
import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from milter64.service.listening_socket import Listener, ListenError
from rig.listening import LOCALHOST, at, connects
from rig.process import Process


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "socket"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach, which those of pytest are not."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
@pytest.mark.usefixtures("strict_umask")
def test_the_file_has_its_mode_whatever_the_umask(path: Path, mode: int) -> None:
    listener = Listener(at(path), mode, "")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    listener.close()


def test_the_file_has_its_group(path: Path) -> None:
    group = next(entry for entry in grp.getgrall() if entry.gr_gid != os.getegid())
    listener = Listener(at(path), 0o660, group.gr_name)
    assert path.stat().st_gid == group.gr_gid
    listener.close()


def test_nobody_can_connect_before_mode_and_group_are_set(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chances = []
    monkeypatch.setattr(Listener, "permit", lambda *_: chances.append(connects(at(path))))
    Listener(at(path), 0o600, "").close()
    assert chances == [False]


def test_nobody_else_looks_for_stale_sockets_while_one_does_not_listen_yet(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    permit, chances = Listener.permit, []

    def try_too(*_: object) -> None:
        monkeypatch.setattr(Listener, "permit", permit)
        with pytest.raises(ListenError, match="is about to listen there") as caught:
            Listener(at(path), 0o600, "")
        chances.append(caught.value.code)

    monkeypatch.setattr("milter64.service.listening_socket._PATIENCE", 0.1)
    monkeypatch.setattr(Listener, "permit", try_too)
    Listener(at(path), 0o600, "").close()
    monkeypatch.setattr(Listener, "permit", try_too)
    Listener(at(path), 0o600, "").close()
    assert chances == [os.EX_UNAVAILABLE] * 2
    assert list(path.parent.iterdir()) == []


def test_a_lock_that_a_killed_one_has_left_is_taken(path: Path) -> None:
    path.with_name(".socket.lock").touch(0o600)
    Listener(at(path), 0o600, "").close()
    assert list(path.parent.iterdir()) == []


def test_another_user_who_locks_what_he_can_holds_nobody_up(open_folder: Path) -> None:
    path = open_folder / "socket"
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    with Process(*nobody, "flock", open_folder, "sh", "-c", "echo locked; exec sleep infinity") as other:
        other.expect("^locked$")
        Listener(at(path), 0o600, "").close()


def test_an_unknown_group_is_an_error_of_the_configuration_and_leaves_no_file(path: Path) -> None:
    with pytest.raises(ListenError, match="there is no group 'no-such-group'") as caught:
        Listener(at(path), 0o660, "no-such-group")
    assert caught.value.code == os.EX_CONFIG
    assert not path.exists()


def test_a_stale_socket_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    listener = Listener(at(path), 0o660, "")
    assert connects(at(path))
    listener.close()


def test_a_live_socket_is_left_to_its_process_which_is_named(path: Path) -> None:
    first = Listener(at(path), 0o660, "")
    with pytest.raises(ListenError, match=rf"process {os.getpid()} \(.+\) listens on {path} already") as caught:
        Listener(at(path), 0o660, "")
    assert caught.value.code == os.EX_UNAVAILABLE
    assert connects(at(path))
    first.close()


def test_a_socket_with_a_full_queue_is_alive(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(ListenError, match="a process whose queue is full"):
            Listener(at(path), 0o660, "")


@pytest.mark.parametrize(
    "put",
    [Path.touch, Path.mkdir, os.mkfifo, lambda path: path.symlink_to("elsewhere")],
    ids=["file", "folder", "fifo", "link"],
)
def test_what_is_no_socket_is_never_touched(path: Path, put: Callable[[Path], None]) -> None:
    put(path)
    before = path.lstat()
    with pytest.raises(ListenError, match="is no socket and is left as it is") as caught:
        Listener(at(path), 0o660, "")
    assert caught.value.code == os.EX_CONFIG
    assert path.lstat() == before


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "socket"
    with pytest.raises(ListenError, match=r"can't listen on unix:.*/missing/socket: No such file") as caught:
        Listener(at(path), 0o660, "")
    _, remedy = str(caught.value).split("; run ")
    subprocess.run(remedy.strip("`"), shell=True, check=True)
    Listener(at(path), 0o660, "").close()


def test_closing_removes_the_file(path: Path) -> None:
    Listener(at(path), 0o660, "").close()
    assert not path.exists()


def test_closing_where_the_folder_is_another_users_now_leaves_the_file(open_folder: Path) -> None:
    for mode in (0o755, 0o700):
        os.chown(open_folder, 65534, -1)
        os.seteuid(65534)
        try:
            listener = Listener(at(open_folder / f"{mode:o}"), 0o660, "")
            os.seteuid(0)
            os.chown(open_folder, 0, -1)
            open_folder.chmod(mode)
            os.seteuid(65534)
            listener.close()
        finally:
            os.seteuid(0)
    assert sorted(each.name for each in open_folder.iterdir()) == ["700", "755"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda _: None, True),
        (Path.unlink, False),
        (lambda path: (path.unlink(), path.touch()), False),
        (lambda path: path.parent.rename(path.parent.with_name("elsewhere")), False),
    ],
    ids=["untouched", "deleted", "replaced", "folder"],
)
def test_a_file_that_was_deleted_or_replaced_is_noticed(
    tmp_path: Path, change: Callable[[Path], object], *, found: bool
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    listener = Listener(at(folder / "socket"), 0o660, "")
    change(folder / "socket")
    assert listener.in_place is found
    listener.close()


def test_who_connects_over_tcp_gets_each_answer_at_once_and_is_gone_with_its_host() -> None:
    listener = Listener(LOCALHOST, 0o660, "")
    with socket.create_connection(("localhost", listener.bound.address[1])):
        accepted, _ = listener.socket.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    listener.close()


def test_a_port_is_always_in_place() -> None:
    listener = Listener(LOCALHOST, 0o660, "")
    assert listener.in_place
    listener.close()


def test_closing_leaves_a_file_that_has_taken_its_place(path: Path) -> None:
    first = Listener(at(path), 0o660, "")
    path.unlink()
    second = Listener(at(path), 0o660, "")
    first.close()
    assert connects(at(path))
    second.close()
