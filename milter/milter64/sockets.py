"""The socket that the service listens on: how it is opened, and whose the file is that a unix socket leaves.

libmilter could open it as well, but not for several processes, not with a mode and a group, and not without taking the
path of a live daemon.
"""

import fcntl
import grp
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from milter64.listener import Endpoint


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
        self.socket = socket.socket(endpoint.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            if isinstance(endpoint.address, str):
                self._listen_on_path(endpoint.address, mode, group)
            else:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind(endpoint.address)
                self.socket.listen()
        except OSError as error:
            self.socket.close()
            raise ListenError(f"can't listen on {endpoint}: {error.strerror}") from error
        except ListenError:
            self.socket.close()
            raise

    @property
    def bound(self) -> Endpoint:
        """The endpoint with the port that it has got, where the port asked for was 0."""
        name = self.socket.getsockname()
        return Endpoint(family=self.endpoint.family, address=name if isinstance(name, str) else name[:2])

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
            raise ListenError(f"socket_group: there is no group {group!r}", os.EX_CONFIG) from None
        except OSError as error:
            wish = f"mode {mode:04o}" + (f" and group {group}" if group else "")
            raise ListenError(f"can't give {path} {wish}: {error.strerror}") from error

    def close(self) -> None:
        """Stop listening in this process, and remove the file unless another has taken its place."""
        if self._file:
            path = Path(str(self.endpoint.address))
            if _identity(path) == self._file:
                path.unlink()
        self.socket.close()  # not before: while it is open, no other file can have its inode number

    def _listen_on_path(self, name: str, mode: int, group: str) -> None:
        path = Path(name)
        with _locked(path.parent):
            _make_way(path)
            self.socket.bind(name)
            try:
                self.permit(mode, group)
                self.socket.listen()  # last: nobody can connect before it, whatever mode the file had
            except (OSError, ListenError):
                path.unlink()
                raise
            self._file = _identity(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep others that start at this moment from taking a socket that doesn't listen yet for a stale one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another that got its path later, or None if there is none."""
    try:
        status = path.lstat()
    except FileNotFoundError:
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
