"""Opening and leaving a listening socket, against the real kernel."""

import errno
import grp
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from milter64.listener import Endpoint, endpoint
from milter64.sockets import Listener, ListenError
from rig.network import HERE, Namespace, Network
from rig.process import Process

LOCALHOST = endpoint("inet:0@localhost")


def at(path: Path) -> Endpoint:
    return Endpoint(family=socket.AF_UNIX, address=str(path))


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


def connects(endpoint: Endpoint) -> bool:
    with socket.socket(endpoint.family) as client:
        return client.connect_ex(endpoint.address) == 0


@pytest.mark.parametrize(
    ("family", "host", "text"), [(socket.AF_INET, "127.0.0.1", "@127.0.0.1"), (socket.AF_INET6, "::1", "@[::1]")]
)
def test_port_0_is_any_that_is_free(family: socket.AddressFamily, host: str, text: str) -> None:
    listener = Listener(Endpoint(family=family, address=(host, 0)), 0o660, "")
    assert connects(listener.bound)
    assert str(listener.bound).endswith(text)
    assert ":0@" not in str(listener.bound)
    listener.close()


def reached(port: int, host: str, network: Network = HERE) -> bool:
    try:
        network.connect(host, port).close()
    except ConnectionRefusedError:
        return False
    return True


def port(listener: Listener) -> int:
    return int(listener.bound.address[1])


def test_localhost_is_the_loopback_of_both_families_on_one_socket() -> None:
    listener = Listener(LOCALHOST, 0o660, "")
    assert [reached(port(listener), host) for host in ("127.0.0.1", "::1")] == [True, True]
    assert str(listener.bound) == f"inet:{port(listener)}@localhost"
    listener.close()


def test_localhost_can_be_had_without_any_privilege() -> None:
    program = "from milter64.listener import endpoint; from milter64.sockets import at_port"
    asked = f'{program}; print(at_port(endpoint("inet:0@localhost")).getsockname()[0])'
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all")
    assert HERE.run(*nobody, "--no-new-privs", sys.executable, "-c", asked) == "::\n"


def test_localhost_is_reached_by_no_other_host() -> None:
    hosts = {"192.0.2.1": "192.0.2.2", "fd00::1": "fd00::2"}
    with Namespace() as ours, Namespace() as theirs:
        ours.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", theirs.path)
        for mine, their in hosts.items():
            length = "64" if ":" in mine else "24"
            options = ["nodad"] if ":" in mine else []
            ours.run("ip", "address", "add", f"{mine}/{length}", "dev", "wire", *options)
            theirs.run("ip", "address", "add", f"{their}/{length}", "dev", "wire", *options)
        for network in (ours, theirs):
            network.run("ip", "link", "set", "wire", "up")
        for open_to_others in (True, False):
            asked = endpoint("inet6:0") if open_to_others else LOCALHOST
            listener = ours.call(partial(Listener, asked, 0o660, ""))
            assert [reached(port(listener), mine, theirs) for mine in hosts] == [open_to_others] * len(hosts)
            assert reached(port(listener), "::1", ours)
            listener.close()


class Unwilling(socket.socket):
    """As a kernel without IPv6 has it, or one before 5.7, which binds sockets of root alone to a device."""

    has_ipv6 = True

    def __init__(self, family: int = socket.AF_INET, *rest: int, **words: int) -> None:
        if family == socket.AF_INET6 and not self.has_ipv6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        super().__init__(family, *rest, **words)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:  # type: ignore[override]
        if option == socket.SO_BINDTODEVICE:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        super().setsockopt(level, option, value)


@pytest.mark.parametrize("has_ipv6", [False, True])
def test_localhost_is_127_0_0_1_where_more_is_not_to_be_had_and_never_the_world(
    monkeypatch: pytest.MonkeyPatch, *, has_ipv6: bool
) -> None:
    monkeypatch.setattr(Unwilling, "has_ipv6", has_ipv6)
    monkeypatch.setattr(socket, "socket", Unwilling)
    listener = Listener(LOCALHOST, 0o660, "")
    assert str(listener.bound) == f"inet:{port(listener)}@127.0.0.1"
    listener.close()


@pytest.mark.parametrize("taken", ["inet:0@127.0.0.1", "inet6:0@[::1]"])
def test_localhost_is_not_had_by_halves_where_another_has_its_port(taken: str) -> None:
    first = Listener(endpoint(taken), 0o660, "")
    with pytest.raises(ListenError, match="Address already in use"):
        Listener(endpoint(f"inet:{port(first)}@localhost"), 0o660, "")
    first.close()


def test_all_addresses_of_ipv6_are_those_of_ipv4_too() -> None:
    with Namespace() as network:
        network.run("sysctl", "-q", "net.ipv6.bindv6only=1")
        listener = network.call(lambda: Listener(endpoint("inet6:0"), 0o660, ""))
        assert reached(port(listener), "127.0.0.1", network)
        listener.close()


@pytest.mark.parametrize("kind", ["unix", "inet"])
def test_six_hundred_may_wait_for_a_worker(path: Path, kind: str) -> None:
    listener = Listener(at(path) if kind == "unix" else LOCALHOST, 0o660, "")
    with ExitStack() as stack:
        for _ in range(600):
            client = stack.enter_context(socket.socket(listener.bound.family))
            client.settimeout(20)
            client.connect(str(path) if kind == "unix" else ("::1", port(listener)))
    listener.close()


def test_accepting_never_blocks_since_another_worker_may_have_been_faster(path: Path) -> None:
    listener = Listener(at(path), 0o660, "")
    with pytest.raises(BlockingIOError):
        listener.socket.accept()
    listener.close()


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

    monkeypatch.setattr("milter64.sockets._PATIENCE", 0.1)
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


def test_a_port_in_use_is_refused() -> None:
    first = Listener(Endpoint(family=socket.AF_INET, address=("127.0.0.1", 0)), 0o660, "")
    with pytest.raises(ListenError, match=rf"can't listen on {first.bound}: Address already in use") as caught:
        Listener(first.bound, 0o660, "")
    assert caught.value.code == os.EX_UNAVAILABLE
    first.close()


def test_a_port_is_free_again_at_once_though_the_kernel_still_waits_for_late_packets() -> None:
    first = Listener(Endpoint(family=socket.AF_INET, address=("127.0.0.1", 0)), 0o660, "")
    endpoint = first.bound
    with socket.socket() as client:
        client.connect(endpoint.address)
        first.socket.accept()[0].close()
        assert client.recv(1) == b""
    first.close()
    Listener(endpoint, 0o660, "").close()


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match=r"can't listen on unix:.*/missing/socket: No such file or directory"):
        Listener(at(tmp_path / "missing" / "socket"), 0o660, "")


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
