"""Opening and leaving a listening socket, against the real kernel."""

import errno
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from milter64.config.listen_address import Endpoint, endpoint
from milter64.service.listening_socket import Listener, ListenError
from rig.listening import LOCALHOST, at, connects
from rig.network import HERE, Namespace, Network
from rig.process import Process


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "socket"


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
    program = (
        "from milter64.config.listen_address import endpoint; from milter64.service.listening_socket import at_port"
    )
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


def test_who_has_the_port_is_shown_by_the_command_in_the_remedy() -> None:
    first = Listener(Endpoint(family=socket.AF_INET, address=("127.0.0.1", 0)), 0o660, "")
    with pytest.raises(ListenError, match=r"; `ss .*` shows who listens there: end that, or write another") as caught:
        Listener(first.bound, 0o660, "")
    command = str(caught.value).split("`")[1]
    shown = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
    assert f"127.0.0.1:{port(first)}" in shown
    assert f"pid={os.getpid()}," in shown
    first.close()


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
LISTEN = """
import subprocess
import sys
from milter64.config.listen_address import endpoint
from milter64.service.listening_socket import Listener, ListenError
try:
    Listener(endpoint(sys.argv[1]), 0o660, sys.argv[2])
except ListenError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("where", "group", "why"),
    [
        ("inet:0@192.0.2.1", "", "Cannot assign requested address; write an address that `ip address` shows"),
        ("inet:25@127.0.0.1", "", "Permission denied; write a port above 1023"),
        ("unix:/usr/socket", "", "Permission denied; name a folder in which the user nobody may make files"),
        ("unix:/etc/passwd/socket", "", "Not a directory; write a path in a folder"),
        ("unix:/no/such/socket", "", "No such file or directory; run `install -d -o nobody /no/such`"),
        (
            "unix:/var/spool/postfix/no/such",
            "",
            "No such file or directory; run `install -d -o nobody -g postfix -m 2750 /var/spool/postfix/no`",
        ),
        ("unix:/tmp/milter64-for-postfix", "postfix", "Operation not permitted; run `usermod -a -G postfix nobody`"),
        ("unix:/tmp/milter64-for-none", "no-such", "there is no group 'no-such'; write one that `getent group` shows"),
    ],
)
def test_why_there_is_no_listening_is_told_with_its_remedy(where: str, group: str, why: str) -> None:
    with Namespace() as network:
        network.run("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=1024")
        with Process(*network.command(*NOBODY, sys.executable, "-c", LISTEN, where, group)) as process:
            assert process.wait() == 0
            assert process.output.strip().endswith(why)
