"""The socket that the service listens on: how it is opened, and whose the file is that a unix socket leaves.

libmilter could open it as well, but not for several processes, not with a mode and a group, and not without taking the
path of a live daemon.
"""

import errno
import fcntl
import grp
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from milter64.config.listen_address import LOCALHOST, Endpoint
from milter64.config.on_this_host import made
from milter64.limits.own_user import own_user

_BACKLOG = 4096
"""Connections that may wait for a worker, where the system allows it (net.core.somaxconn, 4096 since Linux 5.4).

Python's own 128 would fail those who come all at once, as after a reload of the mail server: a unix socket that is full
is an error at once, and one of TCP a second's delay.
"""

_PATIENCE = 5.0
"""Seconds that another start may keep us waiting."""
_RETRY = 0.02


class ListenError(Exception):
    """There is no listening on a socket; the message says why, and `code` is what sysexits(3) has for it."""

    def __init__(self, reason: str, code: int = os.EX_UNAVAILABLE) -> None:
        super().__init__(reason)
        self.code = code


class Listener:
    """A socket that listens and doesn't block, to be shared by processes, and its file if it is a unix socket."""

    def __init__(self, endpoint: Endpoint, mode: int, group: str) -> None:
        """Listen on `endpoint`. `mode` and `group` are the file's, as for `permit`; a stale file is replaced.

        Raises:
            ListenError: someone else listens there, something else has that path, or the system refuses.
        """
        self.endpoint = endpoint
        self._file: tuple[int, int] | None = None
        try:
            self.socket = socket.socket(socket.AF_UNIX) if endpoint.family == socket.AF_UNIX else at_port(endpoint)
            self.socket.setblocking(False)  # noqa: FBT003  it takes no keyword
            with _closed_on_error(self.socket):
                if isinstance(endpoint.address, str):
                    self._listen_on_path(endpoint.address, mode, group)
                else:
                    self.socket.listen(_BACKLOG)
        except OSError as error:
            raise ListenError(f"can't listen on {endpoint}: {error.strerror}{_remedy(endpoint, error)}") from error

    @property
    def bound(self) -> Endpoint:
        """Where it listens: the endpoint with the port that it has got, or 127.0.0.1 where there is no IPv6."""
        name = self.socket.getsockname()
        if isinstance(name, str):
            return self.endpoint
        host = LOCALHOST if name[0] == "::" and self.endpoint.address[0] == LOCALHOST else name[0]
        return Endpoint(family=self.socket.family, address=(host, name[1]))

    @property
    def in_place(self) -> bool:
        """Whether who looks for it finds it: the file of a unix socket may be deleted or replaced by anybody."""
        return self._file is None or _identity(Path(str(self.endpoint.address))) == self._file

    def permit(self, mode: int, group: str) -> None:
        """Give a unix socket's file a mode and a group; an empty group leaves it the one that it has.

        Raises:
            ListenError: there is no such group, or the file can't be given to it.
        """
        if not isinstance(self.endpoint.address, str):
            return
        path = Path(self.endpoint.address)
        try:
            if group:
                os.chown(path, -1, grp.getgrnam(group).gr_gid)
            path.chmod(mode)
        except KeyError:
            reason = f"socket_group: there is no group {group!r}; write one that `getent group` shows"
            raise ListenError(reason, os.EX_CONFIG) from None
        except OSError as error:
            wish = f"mode {mode:04o}" + (f" and group {group}" if group else "")
            remedy = f"; run `usermod -a -G {group} {own_user()}`" if group else ""
            raise ListenError(f"can't give {path} {wish}: {error.strerror}{remedy}") from error

    def close(self) -> None:
        """Stop listening in this process, and remove the file unless another has taken its place, or its folder."""
        if self._file and self.in_place:
            with suppress(OSError):
                Path(str(self.endpoint.address)).unlink()
        self.socket.close()  # not before: while it is open, no other file can have its inode number

    def _listen_on_path(self, name: str, mode: int, group: str) -> None:
        path = Path(name)
        with _locked(path):
            _make_way(path)
            self.socket.bind(name)
            try:
                self.permit(mode, group)
                self.socket.listen(_BACKLOG)  # last: nobody can connect before it, whatever mode the file had
            except (OSError, ListenError):
                path.unlink()
                raise
            self._file = _identity(path)


def _remedy(endpoint: Endpoint, error: OSError) -> str:
    """Return what helps against an error, with a semicolon before it; nothing where that is anybody's guess."""
    if isinstance(endpoint.address, str):
        folder = Path(endpoint.address).parent
        remedies = {
            errno.ENOENT: f"run `{made(folder, own_user())}`",
            errno.ENOTDIR: "write a path in a folder",
            errno.EACCES: f"name a folder in which the user {own_user()} may make files",
            errno.EROFS: f"name {folder} in ReadWritePaths= of milter64's unit",
        }
    else:
        port = endpoint.address[1]
        remedies = {
            errno.EADDRINUSE: f"`ss -ltnp sport = :{port}` shows who listens there: end that, or write another port",
            errno.EADDRNOTAVAIL: "write an address that `ip address` shows",
            errno.EACCES: "write a port above 1023",
            errno.EAFNOSUPPORT: f'this system has no IPv6: write "inet:{port}@127.0.0.1"',
        }
    remedy = remedies.get(error.errno or 0, "")
    return remedy and f"; {remedy}"


def at_port(endpoint: Endpoint) -> socket.socket:
    """Return a TCP socket that is bound to an endpoint, and doesn't listen yet.

    LOCALHOST is one socket for both families, as libmilter takes but one. It is bound to all addresses, of the loopback
    interface alone; where that can't be had, for want of IPv6 or of Linux 5.7, to 127.0.0.1.

    Raises:
        OSError: the system refuses.
    """
    assert isinstance(endpoint.address, tuple)
    host, port = endpoint.address
    if host != LOCALHOST:
        return _bound(endpoint.family, host, port)
    try:
        return _bound(socket.AF_INET6, "::", port, device=b"lo")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise
        return _bound(socket.AF_INET, "127.0.0.1", port)


def _bound(family: socket.AddressFamily, host: str, port: int, device: bytes = b"") -> socket.socket:
    bound = socket.socket(family)
    with _closed_on_error(bound):
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if device:  # before it is bound: at no time may others reach it
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
        if host == "::":  # IPv4 too, whatever net.ipv6.bindv6only says
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # All who connect inherit what follows. libmilter answers a message's end with several writes, of which each
        # would wait for the last one's acknowledgement: 40 ms for nothing. And a host that is gone leaves no session.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        bound.bind((host, port))
    return bound


@contextmanager
def _closed_on_error(opened: socket.socket) -> Iterator[None]:
    try:
        yield
    except (OSError, ListenError):
        opened.close()
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep others that start at this moment from taking a socket that doesn't listen yet for a stale one.

    The lock is a file that nobody else may open, for whoever can read a file, or a folder, can lock it.
    """
    file = path.with_name(f".{path.name}.lock")
    deadline = time.monotonic() + _PATIENCE
    while (descriptor := _lock(file)) is None:
        if time.monotonic() > deadline:
            raise ListenError(f"another process has held {file} for {_PATIENCE:g} s: it is about to listen there")
        time.sleep(_RETRY)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        os.close(descriptor)


def _lock(file: Path) -> int | None:
    """Return the descriptor of a file that is ours now, None if it is another's or has just been removed by him."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) == _identity(file):
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another that got its path later, or None if there is none, or none to be seen."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_way(path: Path) -> None:
    """Remove a socket that nobody listens on."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"{path} is no socket and is left as it is; remove it, or name another path", os.EX_CONFIG)
    if process := _listening_process(path):
        raise ListenError(f"{process} listens on {path} already")
    path.unlink()


def _listening_process(path: Path) -> str:
    """Return who listens on a unix socket, or the empty string for a stale one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return ""
        except BlockingIOError:
            return "a process whose queue is full"
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
    pid, _, _ = struct.unpack("iII", credentials)
    with suppress(OSError):
        return f"process {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    return f"process {pid}"
