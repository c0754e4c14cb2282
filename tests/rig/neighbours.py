"""Debian's OpenDKIM and OpenDMARC, as milters beside milter64."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from socket import AF_UNIX, socket

from rig.network import Network
from rig.port53 import ADDRESS, with_resolver
from rig.process import Process, alive, until
from rig.server import Server


class _Neighbour(Server):
    """A milter on a unix socket, with a resolv.conf of its own."""

    program: str
    option: str
    """What names its configuration file."""
    defaults: Mapping[str, str] = {}

    def __init__(self, folder: Path, /, *, network: Network, **settings: str) -> None:
        """`settings` are of its own configuration file."""
        super().__init__(folder, network=network)
        self._settings = settings
        self._socket = folder / "socket"

    @property
    def milters(self) -> str:
        """The socket as Postfix names it."""
        return f"unix:{self._socket}"

    def _start(self, stack: ExitStack) -> Process:
        settings = {"Socket": f"local:{self._socket}", "UMask": "000", **self.defaults, **self._settings}
        file = self._folder / "conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        command = (self.program, "-f", self.option, str(file))
        process = self._run(stack, *with_resolver(self._folder, *command))
        until(lambda: self._accepts() or not alive(process.pid), f"{self.program} to accept connections")
        assert alive(process.pid), f"{self.program} has ended: {process.output}"
        return process

    def _accepts(self) -> bool:
        try:
            with socket(AF_UNIX) as connection:
                connection.connect(str(self._socket))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


class OpenDkim(_Neighbour):
    """OpenDKIM. Debian's asks the root servers unless it is told of a name server."""

    program, option = "/usr/sbin/opendkim", "-x"
    defaults = {"RequireSafeKeys": "no", "Nameservers": ADDRESS}  # noqa: RUF012  nobody writes to it


class OpenDmarc(_Neighbour):
    """OpenDMARC; without settings it reports and refuses nothing."""

    program, option = "/usr/sbin/opendmarc", "-c"
