"""Real recursive resolvers, each of which may be a DNS64 (RFC 6147), before a name server that they ask alone."""

from abc import abstractmethod
from contextlib import ExitStack
from pathlib import Path

from rig.network import HERE, Network
from rig.nsd import Nsd
from rig.process import Process, until
from rig.server import Server


class Recursor(Server):
    """A resolver that asks `upstream` alone, a server or its "address:port"; `dns64` is the prefix that it uses."""

    def __init__(self, folder: Path, upstream: Nsd | str, *, dns64: str = "", network: Network = HERE) -> None:
        super().__init__(folder, network=network)
        text = upstream if isinstance(upstream, str) else upstream.server
        self._upstream, _, self._upstream_port = text.rpartition(":")
        self._dns64 = dns64
        self.address = "127.0.0.1"
        self.port = 0

    @property
    def server(self) -> str:
        """The server as milter64's configuration names it."""
        return f"{self.address}:{self.port}"

    def _start(self, stack: ExitStack) -> Process:
        self.port = stack.enter_context(self._network.reserve(self.address)).port
        return self._serve(stack)

    @abstractmethod
    def _serve(self, stack: ExitStack) -> Process:
        """Configure it, start it in the foreground, and wait until it serves."""


class Bind(Recursor):
    """BIND's named; `suffix` is what it writes behind the IPv4 address, as an IPv6 address."""

    def __init__(
        self, folder: Path, upstream: Nsd | str, *, dns64: str = "", suffix: str = "::", network: Network = HERE
    ) -> None:
        super().__init__(folder, upstream, dns64=dns64, network=network)
        self._suffix = suffix

    def _serve(self, stack: ExitStack) -> Process:
        configuration = self._folder / "named.conf"
        suffix = "" if self._suffix == "::" else f"suffix {self._suffix};"
        configuration.write_text(f"""
            options {{
                directory "{self._folder}";
                listen-on port {self.port} {{ {self.address}; }};
                listen-on-v6 {{ none; }};
                pid-file none;
                session-keyfile none;
                forward only;  # or it would answer for ipv4only.arpa itself
                forwarders {{ {self._upstream} port {self._upstream_port}; }};
                dnssec-validation no;
                {f"dns64 {self._dns64} {{ {suffix} }};" if self._dns64 else ""}
            }};
            controls {{}};
            """)
        process = self._run(stack, "named", "-g", "-n", "1", "-c", str(configuration))
        process.expect(r" running$")
        return process


class Knot(Recursor):
    """Knot Resolver, whose prefixes are all of 96 bits."""

    def _serve(self, stack: ExitStack) -> Process:
        configuration = self._folder / "kresd.conf"
        dns64 = self._dns64.removesuffix("/96")
        configuration.write_text(f"""
            net.listen('{self.address}', {self.port}, {{ kind = 'dns' }})
            cache.open(10 * MB, 'lmdb://{self._folder}/cache')
            trust_anchors.remove('.')
            modules = {{ 'policy', {f"dns64 = '{dns64}'" if dns64 else ""} }}
            policy.add(policy.all(policy.FORWARD('{self._upstream}@{self._upstream_port}')))
            """)
        process = self._run(stack, "kresd", "-n", "-c", str(configuration), str(self._folder))
        until(self._listens, "kresd to listen")
        return process

    def _listens(self) -> bool:
        try:
            self._network.connect(self.address, self.port).close()
        except ConnectionRefusedError:
            return False
        return True


class PowerDns(Recursor):
    """PowerDNS Recursor, whose prefixes are all of 96 bits.

    Without `root-nx-trust=no` one NXDOMAIN of the tests' root zone would hide all that is below the same top-level
    domain.
    """

    def _serve(self, stack: ExitStack) -> Process:
        (self._folder / "recursor.conf").write_text(f"""
local-address={self.address}
local-port={self.port}
forward-zones-recurse=.={self._upstream}:{self._upstream_port}
dont-query=
dnssec=off
root-nx-trust=no
security-poll-suffix=
socket-dir={self._folder}
write-pid=no
setuid=
setgid=
threads=1
{f"dns64-prefix={self._dns64}" if self._dns64 else ""}
""")
        words = ["pdns_recursor", f"--config-dir={self._folder}", "--daemon=no"]
        if "--enable-old-settings" in self._network.run("pdns_recursor", "--help"):  # from 5.0 on; 4.8 knows no others
            words.append("--enable-old-settings")
        process = self._run(stack, *words)
        process.expect("Enabled multiplexer")
        return process
