"""The systems that are measured: milter64, the floors under any milter, and peers from Debian."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from socket import AF_INET, AF_UNIX, SOCK_DGRAM, socket
from textwrap import dedent

import dns.exception
import dns.message
import dns.query

from rig import service
from rig.process import Process, alive, until
from rig.server import Server

HERE = Path(__file__).parent


class Floor(Server):
    """A milter that does as little as can be: accepts everything."""

    def __init__(self, folder: Path, *command: str | Path) -> None:
        """Run `command`, in which the word SOCKET stands for where to listen."""
        super().__init__(folder)
        self._path = folder / "sock"
        self._command = [self.socket if word == "SOCKET" else str(word) for word in command]

    @property
    def socket(self) -> str:
        """The socket as milterload names it."""
        return f"unix:{self._path}"

    def _start(self, stack: ExitStack) -> Process:
        process = self._run(stack, *self._command)
        until(lambda: self._accepts() or not alive(process.pid), f"{self._command[0]} to accept connections")
        assert alive(process.pid), process.output
        return process

    def _accepts(self) -> bool:
        try:
            with socket(AF_UNIX) as connection:
                connection.connect(str(self._path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


class Plain(Floor):
    """pymilter, as everyone writes it: one process, and each event is replied to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, sys.executable, HERE / "acceptall.py", "SOCKET", "envelope")


class Prefork(Floor):
    """pymilter at its fastest: a pinned process per CPU, and RCPT alone is replied to."""

    def __init__(self, folder: Path) -> None:
        cpus = str(len(os.sched_getaffinity(0)))
        super().__init__(folder, sys.executable, HERE / "acceptall.py", "SOCKET", "quiet", "--processes", cpus)


class InC(Floor):
    """libmilter itself, without Python; each event is replied to."""

    def __init__(self, folder: Path, tools: Path) -> None:
        super().__init__(folder, tools / "acceptall", "SOCKET", "envelope")


class PySpfMilter(Floor):
    """Debian's pyspf-milter as Debian configures it, but for its socket, user and nameserver."""

    # TestOnly = 1 is Debian's, and enforces: 0 is what only tests, and makes it fail at end of message.
    _CONFIGURATION = """
        debugLevel = 1
        TestOnly = 1
        HELO_reject = Fail
        Mail_From_reject = Fail
        PermError_reject = False
        TempError_Defer = False
        skip_addresses = 127.0.0.0/8,::ffff:127.0.0.0/104,::1
        Socket = {socket}
        PidFile = {folder}/pid
        UserID = root
        InternalHosts = 127.0.0.1
        """
    # It has no setting for the nameserver, so whichever of the two DNS libraries pyspf has found is told.
    _PROGRAM = """
        import sys, spf, spf_engine.milter_spf
        port = int(sys.argv.pop())
        if spf.DNSLookup is spf.DNSLookup_dnspython:
            resolver = spf.dns.resolver.default_resolver = spf.dns.resolver.Resolver(configure=False)
            resolver.nameservers, resolver.port = ["127.0.0.1"], port
        else:
            spf.DNS.defaults.update(server=["127.0.0.1"], port=port)
        spf_engine.milter_spf.main()
        """

    def __init__(self, folder: Path, port: int) -> None:
        """Ask the nameserver on this port of 127.0.0.1."""
        self._file = folder / "pyspf-milter.conf"
        super().__init__(folder, "/usr/bin/python3", "-c", dedent(self._PROGRAM), self._file, str(port))

    def _start(self, stack: ExitStack) -> Process:
        text = dedent(self._CONFIGURATION).format(socket=self.socket, folder=self._folder)
        self._file.write_text(text.lstrip())
        return super()._start(stack)


class Milter64(service.Milter64):
    """milter64, which logs to a file, as a service does: a line per session is too much for the rig to collect."""

    program = ("sh", "-c", 'exec "$0" -m milter64 run --config "$1" 2>"$1.log"', sys.executable)

    def __init__(self, folder: Path, configuration: str) -> None:
        super().__init__(folder, configuration, unix=folder / "sock")

    @property
    def output(self) -> str:
        """What it has logged so far."""
        return self.file.with_name(f"{self.file.name}.log").read_text()


System = Floor | Milter64


class DelayedDns(Server):
    """A nameserver as if it were some milliseconds away."""

    def __init__(self, folder: Path, tools: Path, server: int, milliseconds: int) -> None:
        """Stand before the one that listens on the port `server` of 127.0.0.1."""
        super().__init__(folder)
        with socket(AF_INET, SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        listen, ask = ("127.0.0.1", str(self.port)), ("127.0.0.1", str(server))
        self._command = (str(tools / "dnsdelay"), *listen, *ask, str(milliseconds))

    def _start(self, stack: ExitStack) -> Process:
        process = self._run(stack, *self._command)
        until(self._answers, "dnsdelay to answer")
        return process

    def _answers(self) -> bool:
        try:
            dns.query.udp(dns.message.make_query("world.test.", "SOA"), "127.0.0.1", timeout=1, port=self.port)
        except (dns.exception.Timeout, OSError):
            return False
        return True
