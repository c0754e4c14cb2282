"""Debian's OpenDKIM and OpenDMARC, as milters beside milter64."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from socket import AF_UNIX, socket

from rig.network import Network
from rig.nsd import Nsd
from rig.process import Process, alive, until
from rig.server import Server

ADDRESS = "192.0.2.53"
"""Where DNS is in a namespace of theirs. It isn't loopback, where OpenDKIM's resolver asks nobody."""


def give_dns_address(network: Network) -> None:
    network.run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")


class Dns(Nsd):
    """An nsd on port 53: these two can be told of no other."""

    def __init__(self, folder: Path, zones: Mapping[str, str | None], *, network: Network) -> None:
        super().__init__(folder, zones, network=network, address=ADDRESS)

    def _configuration(self) -> str:
        self.port = 53
        return super()._configuration()


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
        file, resolv = self._folder / "conf", self._folder / "resolv.conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        resolv.write_text(f"nameserver {ADDRESS}\n")
        process = self._run(
            stack,
            *("unshare", "--mount", "sh", "-c", 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"', "sh"),
            *(str(resolv), self.program, "-f", self.option, str(file)),
        )
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
