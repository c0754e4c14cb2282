"""A private fail2ban: Debian's program with Debian's configuration, beside which milter64's own files are laid."""

import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from rig.network import HERE, Network
from rig.process import Process, until
from rig.server import Server
from rig.service import Milter64

CONTRIB = Path(__file__).parents[2] / "contrib" / "fail2ban"
FILTER = CONTRIB / "filter.d" / "milter64.conf"


def banned(log: Path | str, *, filters: Path = FILTER) -> list[str]:
    """Return what fail2ban would ban for the lines of a log, in their order."""
    done = subprocess.run(
        ["fail2ban-regex", "--out", "ip", str(log), str(filters)], capture_output=True, text=True, check=False
    )
    assert not done.stderr, done.stderr
    return done.stdout.split()


class Fail2ban(Server):
    """fail2ban with the jail of contrib/, in the foreground, with socket, database and log in its own folder."""

    def __init__(self, folder: Path, settings: str, *, network: Network = HERE) -> None:
        """Start with what `settings` change in the jail: lines of jail.local."""
        super().__init__(folder, network=network)
        self._settings = settings

    def client(self, *words: str) -> str:
        """Return what fail2ban-client answers."""
        return self._network.run("fail2ban-client", *self._files, *words)

    def _start(self, stack: ExitStack) -> Process:
        etc = self._folder / "etc"
        shutil.copytree("/etc/fail2ban", etc, ignore=shutil.ignore_patterns("jail.d"))
        shutil.copytree(CONTRIB, etc, dirs_exist_ok=True)
        (etc / "jail.local").write_text(f"[milter64]\n{self._settings}\n")
        socket = self._folder / "socket"
        self._files = ("-c", str(etc), "-s", str(socket), "-p", str(self._folder / "pid"))
        database = f"[Definition]\ndbfile = {self._folder / 'database'}\n"
        (etc / "fail2ban.local").write_text(f"{database}logtarget = stdout\nsyslogsocket = none\n")
        process = self._run(stack, "fail2ban-server", *self._files, "-f", "start")
        until(lambda: "Jail 'milter64' started" in process.output, "the jail to start")
        return process


class WritingMilter64(Milter64):
    """milter64 that writes its log into a file, for programs that read it there."""

    def __init__(self, folder: Path, configuration: str = "", *, network: Network = HERE) -> None:
        super().__init__(folder, configuration, network=network)
        self.lines = folder / "log"
        self.program = (
            "sh",
            "-c",
            'exec "$1" -m milter64 run --config "$3" 2>"$2"',
            "sh",
            sys.executable,
            str(self.lines),
        )
