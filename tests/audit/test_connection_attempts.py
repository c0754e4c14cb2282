"""Attempts at real ports and sockets, and what keeps Postfix's user from a file."""

import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path
from socket import AF_INET, AF_UNIX, socket
from tempfile import TemporaryDirectory
from threading import Thread

import pytest

from milter64.audit.facts.connection_attempts import Barred, Reach, Unreached
from milter64.config.listen_address import Endpoint
from rig.network import Namespace


@pytest.fixture
def network() -> Iterator[Namespace]:
    with Namespace() as network:
        yield network


def says(network: Namespace, words: bytes) -> str:
    """Ask a server on port 25 that says something and hangs up."""

    def listen() -> socket:
        sock = socket()
        sock.bind(("127.0.0.1", 25))
        sock.listen()
        return sock

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(words)

    with network.call(listen) as server:
        thread = Thread(target=serve)
        thread.start()
        try:
            return network.call(lambda: Reach().greeting("127.0.0.1"))
        finally:
            thread.join()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (b"220 mx.example.org ESMTP\r\n", "220 mx.example.org ESMTP"),
        (b"220-first\r\n220 second\r\n", "220-first"),
        (b"220 \x1b[31m\xff\r\n", "220 ?[31m?"),
        (b"x" * 2000, "x" * 252 + "..."),
    ],
)
def test_a_greeting(network: Namespace, words: bytes, line: str) -> None:
    assert says(network, words) == line


def test_a_server_without_a_word(network: Namespace) -> None:
    with pytest.raises(Unreached, match="closed without a word"):
        says(network, b"")


def test_nobody_there(network: Namespace) -> None:
    with pytest.raises(Unreached, match="connection refused"):
        network.call(lambda: Reach().greeting("127.0.0.1"))
    with pytest.raises(Unreached, match="network is unreachable"):
        network.call(lambda: Reach().greeting("2001:db8::25"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may pass through."""
    with TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def test_a_socket_of_milter64(folder: Path) -> None:
    endpoint = Endpoint(family=AF_UNIX, address=str(folder / "sock"))
    with pytest.raises(Unreached, match="no such file"):
        Reach().milter(endpoint)
    with socket(AF_UNIX) as server:
        server.bind(str(folder / "sock"))
        server.listen()
        Reach().milter(endpoint)
    with pytest.raises(Unreached, match="connection refused"):
        Reach().milter(endpoint)
    with socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        Reach().milter(Endpoint(family=AF_INET, address=server.getsockname()))


def test_a_socket_that_is_for_others_is_not_one_that_is_dead(folder: Path) -> None:
    endpoint = Endpoint(family=AF_UNIX, address=str(folder / "sock"))
    folder.chmod(0o700)
    os.seteuid(pwd.getpwnam(USER).pw_uid)
    try:
        with pytest.raises(Barred, match="permission denied"):
            Reach().milter(endpoint)
    finally:
        os.seteuid(0)


USER = "postfix"


@pytest.mark.parametrize(
    ("mode", "owners", "folder_mode", "barrier"),
    [
        (0o660, ("root", USER), 0o755, ""),
        (0o660, (USER, "root"), 0o755, ""),
        (0o666, ("root", "root"), 0o755, ""),
        (0o660, ("root", "root"), 0o755, "may not write to"),
        (0o606, ("root", USER), 0o755, "may not write to"),  # the group's class fits first
        (0o066, (USER, USER), 0o755, "may not write to"),
        (0o666, ("root", "root"), 0o700, "may not pass through"),
    ],
)
def test_what_keeps_a_user_from_a_socket(
    folder: Path, mode: int, owners: tuple[str, str], folder_mode: int, barrier: str
) -> None:
    path = folder / "sock"
    path.touch()
    shutil.chown(path, *owners)
    path.chmod(mode)
    folder.chmod(folder_mode)
    said = Reach().barrier(path, USER)
    assert bool(said) is bool(barrier)
    if barrier:
        where = folder if "pass" in barrier else path
        assert said.startswith(f"{USER} {barrier} {where} (")


def test_the_modes_and_owners_are_evidence(folder: Path) -> None:
    path = folder / "sock"
    path.touch()
    path.chmod(0o600)
    shutil.chown(path, 54321, "root")
    assert f"{path} (-rw------- 54321 root)" in Reach().barrier(path, USER)


def test_root_passes_and_an_unknown_user_is_not_judged(folder: Path) -> None:
    path = folder / "sock"
    path.touch()
    path.chmod(0)
    assert Reach().barrier(path, pwd.getpwuid(0).pw_name) == ""
    assert Reach().barrier(path, "nobody-has-this-name") == ""
    assert Reach().barrier(folder / "gone", USER) == ""
