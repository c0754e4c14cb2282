"""A real authoritative name server."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

from rig.network import HERE, Network
from rig.process import Process
from rig.server import Server

_CONFIGURATION = """
server:
    ip-address: {address}@{port}
    server-count: 1
    username: ""
    pidfile: ""
    database: ""
    xfrdfile: "{folder}/xfrd.state"
    zonelistfile: "{folder}/zone.list"
    xfrdir: "{folder}"
    zonesdir: "{folder}"
    rrl-ratelimit: 0
remote-control:
    control-enable: no
"""

_HEAD = """$ORIGIN {zone}
$TTL 300
@ SOA ns.lab.example. hostmaster.lab.example. 1 3600 600 86400 60
@ NS ns.lab.example.
"""

Zones = Mapping[str, str | None]
"""Zones by name, each with its records as in a zone file, SOA and NS left out; a zone of None has no file, and every
question in it gets SERVFAIL. A root zone, ".", spares the listing of reverse zones."""


class Nsd(Server):
    """An nsd that serves `zones` by UDP and TCP."""

    def __init__(
        self, folder: Path, zones: Zones, *, network: Network = HERE, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Listen on `port`, for those who know no other than 53, else on one that is free."""
        super().__init__(folder, network=network)
        self._zones = zones
        self.address = address
        self.port = port

    @property
    def server(self) -> str:
        """The server as milter64's configuration names it."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def _start(self, stack: ExitStack) -> Process:
        if not self.port:
            self.port = stack.enter_context(self._network.reserve(self.address)).port
        configuration = self._folder / "nsd.conf"
        configuration.write_text(self._configuration())
        process = self._run(stack, "nsd", "-d", "-c", str(configuration))
        process.expect("nsd started")
        if "read with" in process.output:
            raise ValueError(f"nsd can't read a zone:\n{process.output}")
        return process

    def _configuration(self) -> str:
        text = _CONFIGURATION.format(folder=self._folder, address=self.address, port=self.port)
        for number, (zone, records) in enumerate(self._zones.items()):
            name = zone.rstrip(".") + "."
            file = self._folder / f"{number}.zone"
            if records is not None:
                file.write_text(_HEAD.format(zone=name) + dedent(records) + "\n")
            text += f'zone:\n    name: "{name}"\n    zonefile: "{file}"\n'
        return text
