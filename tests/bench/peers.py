"""What admins use today, from Debian, and configured as Debian does but for what each class says."""

import os
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

from bench.systems import Floor
from rig.network import Namespace, Network
from rig.nsd import Nsd
from rig.process import Process

LOGGING = ("sh", "-c", 'exec "$@" >"$0" 2>&1')
"""Runs a program whose output goes to the file that is named next, as a service's does."""


class Peer(Floor):
    """A program that logs to a file."""

    def __init__(self, folder: Path, *command: str | Path) -> None:
        self._log = folder / "log"
        super().__init__(folder, *LOGGING, self._log, *command)

    @property
    def output(self) -> str:
        """What it has logged so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


class PySpfMilter(Peer):
    """pyspf-milter, but for its socket, user and nameserver."""

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


class Rspamd(Peer):
    """rspamd, as a milter that scans by itself, with a process per CPU; and a Redis of its own.

    Of its modules those that are compared are on, and its classifier is off, which has learned nothing here.
    """

    _DEBIAN = Path("/etc/rspamd")
    _MODULES = ("spf", "greylist", "rbl", "redis")
    _WORKERS = ("normal", "controller", "fuzzy")
    _OVERRIDES = """
        options.inc: filters = ""; dns {{ nameserver = ["127.0.0.1:{dns}"]; }}
        worker-proxy.inc: bind_socket = "{path} mode=0666"; count = {cpus}; upstream "local" {{ self_scan = yes; }}
        redis.conf: servers = "{folder}/redis";
        greylist.conf: timeout = 1s;
        logging.inc: type = "console";
        """
    # Redis becomes a child of rspamd, and so its CPU time counts, as the store of milter64's greylist does.
    _BOTH = """redis-server --port 0 --unixsocket "$0/redis" --save "" --appendonly no --dir "$0" &
        exec rspamd --no-fork --insecure --config="$0/rspamd.conf" \
            --var=LOCAL_CONFDIR="$0" --var=DBDIR="$0" --var=RUNDIR="$0" --var=LOGDIR="$0"
        """

    def __init__(self, folder: Path, port: int) -> None:
        """Ask the nameserver on this port of 127.0.0.1."""
        super().__init__(folder, "sh", "-c", self._BOTH, folder)
        self._port = port

    def _start(self, stack: ExitStack) -> Process:
        overrides = self._folder / "override.d"
        overrides.mkdir()
        cpus = len(os.sched_getaffinity(0))
        text = dedent(self._OVERRIDES).format(folder=self._folder, path=self._path, dns=self._port, cpus=cpus)
        for line in text.strip().splitlines():
            name, _, override = line.partition(": ")
            (overrides / name).write_text(override)
        modules = [path.stem for path in (self._DEBIAN / "modules.d").glob("*.conf") if path.stem not in self._MODULES]
        for name in (*(f"{module}.conf" for module in modules), *(f"worker-{each}.inc" for each in self._WORKERS)):
            (overrides / name).write_text("enabled = false;\n")
        common = [line for line in (self._DEBIAN / "common.conf").read_text().splitlines() if "statistic" not in line]
        (self._folder / "common.conf").write_text("\n".join(common))
        whole = (self._DEBIAN / "rspamd.conf").read_text()
        (self._folder / "rspamd.conf").write_text(whole.replace("$CONFDIR/common", f"{self._folder}/common"))
        return super()._start(stack)


class DmarcDns(Nsd):
    """A nameserver on port 53 of a network of its own, which knows the DMARC record of milterload's From headers."""

    _ZONES = {".": '_dmarc.example.test. TXT "v=DMARC1; p=none"\n'}  # noqa: RUF012  never changed

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, self._ZONES, port=53)

    @property
    def network(self) -> Network:
        """Where it listens."""
        return self._network

    def _start(self, stack: ExitStack) -> Process:
        self._network = stack.enter_context(Namespace())
        return super()._start(stack)


class OpenDmarc(Peer):
    """opendmarc, but for its socket, user and log.

    It asks the nameserver of /etc/resolv.conf, on port 53 and no other: so it lives in a network where one listens
    there, and sees another such file.
    """

    _CONFIGURATION = """
        PidFile {folder}/pid
        PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat
        Socket local:{path}
        Syslog false
        UMask 0002
        UserID root
        """
    _ELSEWHERE = (
        *("unshare", "--mount", "--propagation", "private", "sh", "-c"),
        'mount --bind "$0/resolv.conf" /etc/resolv.conf && exec opendmarc -f -c "$0/opendmarc.conf"',
    )

    def __init__(self, folder: Path, network: Network) -> None:
        super().__init__(folder, *self._ELSEWHERE, folder)
        self._network = network

    def _start(self, stack: ExitStack) -> Process:
        text = dedent(self._CONFIGURATION).format(path=self._path, folder=self._folder)
        (self._folder / "opendmarc.conf").write_text(text.lstrip())
        (self._folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        return super()._start(stack)


class Postgrey(Peer):
    """postgrey, but for its socket, user, delay and log. It is no milter: it speaks Postfix's policy protocol."""

    options = ("--policy",)

    def __init__(self, folder: Path) -> None:
        rows = ("--dbdir", folder / "rows", "--user", "root", "--group", "root", "--delay", "1")
        super().__init__(folder, "postgrey", "--unix", folder / "sock", *rows)

    def _start(self, stack: ExitStack) -> Process:
        (self._folder / "rows").mkdir()
        return super()._start(stack)
