"""Commands as people type them, on a host whose network, /etc and DNS are its own."""

import sys
from collections.abc import Mapping

from rig.lab import Lab
from rig.network import Network
from rig.port53 import ADDRESS, Dns, give_dns_address
from rig.process import Process

_ENTER = 'mount -t overlay overlay -o "lowerdir=$1:/etc" /etc && cd "$2" && PATH="$3:$PATH" exec sh -c "$4"'


class Host:
    """Runs command lines in a shell, in a folder of its own; `milter64` there is the one that is tested."""

    def __init__(self, lab: Lab, network: Network, zones: Mapping[str, str | None], etc: Mapping[str, str]) -> None:
        """Serve `zones` to it, and lay the files `etc`, by their paths below /etc, over this machine's."""
        self._network = network
        self._etc, self.folder, self._programs = (lab.folder / name for name in ("etc", "typed", "bin"))
        for folder in (self.folder, self._programs):
            folder.mkdir()
        for name, text in {**etc, "resolv.conf": f"nameserver {ADDRESS}\n"}.items():
            file = self._etc / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        program = self._programs / "milter64"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m milter64 "$@"\n')
        program.chmod(0o755)
        give_dns_address(network)
        lab.start(Dns, zones, network=network)

    def start(self, line: str) -> Process:
        """Start a command line; the process is to be entered."""
        folders = map(str, (self._etc, self.folder, self._programs))
        command = self._network.command("unshare", "--mount", "sh", "-c", _ENTER, "sh", *folders, line)
        return Process(*command)

    def run(self, line: str) -> tuple[int, str]:
        """Return the exit code of a command line and all that it has written."""
        with self.start(line) as process:
            return process.wait(), process.output
