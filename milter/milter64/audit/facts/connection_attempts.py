"""What only an attempt shows: whether something answers on a port or a socket of this host."""

import grp
import os
import pwd
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path

from milter64.audit.facts.host import SMTP_PORT
from milter64.config.listen_address import Endpoint
from milter64.mail.clean_text import clean

_PATIENCE = 10.0
"""Seconds for each attempt; postscreen lets strangers wait for six (postscreen_greet_wait)."""
_LAST = 0.001
"""Seconds, where there are none left: a timeout of 0 would mean not to wait at all."""
_LONGEST_GREETING = 512


class Unreached(Exception):  # noqa: N818  it says what came of the attempt; nobody erred
    """Nobody answered; the text says why, in a few clean words."""


class Barred(Unreached):
    """We may not even try; who is root may."""


class Reach:
    """Attempts, each within seconds; tests put tables in its place."""

    def greeting(self, address: str) -> str:
        """Return the first line that port 25 of an address says.

        Raises:
            Unreached: it says nothing.
        """
        end, said = time.monotonic() + _PATIENCE, b""
        try:
            with socket.create_connection((address, SMTP_PORT), _PATIENCE) as connection:
                while b"\n" not in said and len(said) < _LONGEST_GREETING:
                    connection.settimeout(max(end - time.monotonic(), _LAST))
                    if not (part := connection.recv(_LONGEST_GREETING)):
                        break
                    said += part
        except OSError as error:
            raise Unreached(_why(error)) from error
        if not said:
            raise Unreached("the connection was closed without a word")
        return clean(said.partition(b"\n")[0].decode("ascii", "replace").strip())

    def milter(self, endpoint: Endpoint) -> None:
        """Connect to where milter64 listens, and say nothing.

        Raises:
            Unreached: nobody listens there.
            Barred: it is for others than us to connect to.
        """
        try:
            with socket.socket(endpoint.family) as connection:
                connection.settimeout(_PATIENCE)
                connection.connect(endpoint.address)
        except PermissionError as error:
            raise Barred(_why(error)) from error
        except OSError as error:
            raise Unreached(_why(error)) from error

    def barrier(self, path: Path, user: str) -> str:
        """Say what keeps a user from a unix socket: a file's mode or a folder's; empty if nothing is known to."""
        with suppress(KeyError, OSError):
            entry = pwd.getpwnam(user)
            groups = set(os.getgrouplist(user, entry.pw_gid))
            for folder in reversed(path.parents):
                if not _may(folder.stat(), entry.pw_uid, groups, stat.S_IXOTH):
                    return f"{user} may not pass through {folder} ({_mode(folder)})"
            if not _may(path.stat(), entry.pw_uid, groups, stat.S_IWOTH):
                return f"{user} may not write to {path} ({_mode(path)})"
        return ""


def _may(status: os.stat_result, user: int, groups: set[int], bit: int) -> bool:
    """Whether the mode allows it, whose class is the first that fits (path_resolution(7))."""
    shift = 6 if status.st_uid == user else 3 if status.st_gid in groups else 0
    return user == 0 or bool(status.st_mode & bit << shift)


def _mode(path: Path) -> str:
    status = path.stat()
    names = []
    for table, number in ((pwd.getpwuid, status.st_uid), (grp.getgrgid, status.st_gid)):
        try:
            names.append(table(number)[0])
        except KeyError:
            names.append(str(number))
    return f"{stat.filemode(status.st_mode)} {' '.join(names)}"


def _why(error: OSError) -> str:
    return clean((error.strerror or str(error) or "no answer in time").lower())
