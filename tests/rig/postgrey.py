"""postgrey, as Debian has it, but for its socket, user and folder."""

import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import AF_UNIX, socket

from rig.process import Process, alive, until
from rig.server import Server


class Postgrey(Server):
    """postgrey with its usual delay of five minutes; tests tell it the time."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder)
        self._options = options
        self.rows = folder / "rows" / "postgrey.db"
        self.clients = folder / "rows" / "postgrey_clients.db"

    def _start(self, stack: ExitStack) -> Process:
        self.rows.parent.mkdir()
        self._socket = self._folder / "socket"
        where = ("--unix", str(self._socket), "--dbdir", str(self.rows.parent))
        process = self._run(stack, "postgrey", *where, "--user", "root", "--group", "root", *self._options)
        until(self._listens, "postgrey to listen")
        return process

    def ask(self, at: float, client: str, sender: str, recipient: str, name: str = "unknown") -> str:
        """Return what it answers to an attempt at a time."""
        request = {
            "request": "smtpd_access_policy",
            "client_address": client,
            "client_name": name,
            "sender": sender,
            "recipient": recipient,
            "policy_test_time": f"{at:.0f}",
        }
        with socket(AF_UNIX) as connection:
            connection.connect(str(self._socket))
            connection.sendall("".join(f"{key}={value}\n" for key, value in request.items()).encode() + b"\n")
            return connection.recv(4096).decode().partition("\n")[0].removeprefix("action=").split(" ")[0]

    def stop(self) -> None:
        """Stop it as systemd does; all is in its files then.

        A signal that comes just before it begins to wait is looked at when something else wakes it.
        """
        self._process.send(signal.SIGTERM)
        until(self._has_ended, "postgrey's end")

    def _listens(self) -> bool:
        with suppress(OSError), socket(AF_UNIX) as connection:
            connection.connect(str(self._socket))
            return True
        return False

    def _has_ended(self) -> bool:
        self._listens()
        return not alive(self.pid)
