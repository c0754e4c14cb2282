"""DNS on port 53 of a namespace, for servers that can be told of no other."""

from collections.abc import Mapping
from pathlib import Path

from rig.network import Network
from rig.nsd import Nsd

ADDRESS = "192.0.2.53"
"""Where it is. No loopback address: libunbound, which is OpenDKIM's resolver, asks nobody there."""


def give_dns_address(network: Network) -> None:
    network.run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")


class Dns(Nsd):
    """An nsd on port 53."""

    def __init__(self, folder: Path, zones: Mapping[str, str | None], *, network: Network) -> None:
        super().__init__(folder, zones, network=network, address=ADDRESS)

    def _configuration(self) -> str:
        self.port = 53
        return super()._configuration()


def with_resolver(folder: Path, *command: str, hosts: bytes = b"") -> tuple[str, ...]:
    """Return what to execute for a command to find that server in /etc/resolv.conf, on a host mx.lab.example.

    `folder` is for its resolv.conf, and for its /etc/hosts, with lines of one's own. Sendmail waits for a minute where
    the host's name has no dot.
    """
    (folder / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    (folder / "hosts").write_bytes(Path("/etc/hosts").read_bytes() + hosts)
    mounts = "".join(f'mount --bind "$1/{name}" /etc/{name} && ' for name in ("resolv.conf", "hosts"))
    script = f'hostname mx.lab.example && {mounts} shift && exec "$@"'
    return ("unshare", "--mount", "--uts", "sh", "-c", script, "sh", str(folder), *command)
