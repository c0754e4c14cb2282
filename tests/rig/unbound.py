"""A real recursive resolver before a name server of the story."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rig.network import HERE, Network
from rig.nsd import Nsd
from rig.process import Process
from rig.recursors import Recursor

_CONFIGURATION = """
server:
    interface: {address}@{port}
    num-threads: 1
    chroot: ""
    username: ""
    directory: "{folder}"
    pidfile: ""
    use-syslog: no
    verbosity: 1
    do-not-query-localhost: no
    unblock-lan-zones: yes
    insecure-lan-zones: yes
    module-config: "{modules}"
    {dns64}
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {nameserver}
"""


class Unbound(Recursor):
    """An unbound that asks `upstream` alone."""

    def __init__(
        self,
        folder: Path,
        upstream: Nsd | str,
        *,
        dns64: str = "",
        silent: Sequence[str] = (),
        stripped: str = "",
        network: Network = HERE,
    ) -> None:
        """`dns64`: the prefix to synthesise AAAA records with (RFC 6147); `silent`: zones that get no answer at all.

        Addresses in the network `stripped` are left out of answers.
        """
        super().__init__(folder, upstream, dns64=dns64, network=network)
        self._more = [f'local-zone: "{zone}" deny' for zone in silent]
        self._more += [f"private-address: {stripped}"] if stripped else []

    def _serve(self, stack: ExitStack) -> Process:
        configuration = self._folder / "unbound.conf"
        configuration.write_text(self._configuration())
        process = self._run(stack, "unbound", "-d", "-c", str(configuration))
        process.expect("start of service")
        return process

    def _configuration(self) -> str:
        return _CONFIGURATION.format(
            address=self.address,
            port=self.port,
            folder=self._folder,
            modules="dns64 iterator" if self._dns64 else "iterator",
            dns64=f"dns64-prefix: {self._dns64}" if self._dns64 else "",
            nameserver=f"{self._upstream}@{self._upstream_port}",
        ) + "".join(f"server:\n    {each}\n" for each in self._more)
