"""What admins use today, from Debian, and configured as Debian does but for what each class says."""

import os
from contextlib import ExitStack
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket
from textwrap import dedent

from bench import listed
from bench.systems import Floor
from rig.network import Namespace, Network
from rig.nsd import Nsd
from rig.process import Process, until
from rig.server import Server

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
    """rspamd in Debian's layout: a proxy speaks milter, and hands each message to a worker.

    Its Redis is Debian's too, but for its port and folder. Of its modules those that are compared are on, and its
    classifier is off, which has learned nothing here.
    """

    patience = 90.0  # it compiles a list of domains for ten seconds, and on a busy machine for longer
    workers: tuple[str, ...] = ("proxy", "normal")
    layout: tuple[str, ...] = (
        'worker-proxy.inc: bind_socket = "{path} mode=0666"; upstream "local" {{ default = yes; hosts = "{worker}"; }}',
        'worker-normal.inc: bind_socket = "{worker} mode=0666";',
    )
    files: tuple[tuple[str, str], ...] = ()
    """Further files that override Debian's."""
    _DEBIAN = Path("/etc/rspamd")
    _MODULES = ("spf", "greylist", "rbl", "redis")
    _WORKERS = ("proxy", "normal", "controller", "fuzzy")
    _OVERRIDES = (
        'options.inc: filters = ""; dns {{ nameserver = ["127.0.0.1:{dns}"]; }}',
        'redis.conf: servers = "127.0.0.1:{redis}";',
        "greylist.conf: timeout = 1s;",
        'logging.inc: type = "console";',
    )
    # Redis becomes a child of rspamd, and so its CPU time counts, as the store of milter64's greylist does.
    _REDIS = """redis-server /etc/redis/redis.conf --port "$1" --dir "$0" \
            --daemonize no --supervised no --logfile "" --pidfile "$0/redis.pid" &
        """
    _RSPAMD = """exec rspamd --no-fork --insecure --config="$0/rspamd.conf" \
            --var=LOCAL_CONFDIR="$0" --var=DBDIR="$0" --var=RUNDIR="$0" --var=LOGDIR="$0"
        """

    def __init__(self, folder: Path, port: int, redis: int = 0) -> None:
        """Ask the nameserver on this port of 127.0.0.1, and the Redis on another, or else one of its own."""
        with socket(AF_INET, SOCK_STREAM) as free:
            free.bind(("127.0.0.1", 0))
            self._redis = redis or free.getsockname()[1]
        super().__init__(folder, "sh", "-c", f"{'' if redis else self._REDIS}{self._RSPAMD}", folder, str(self._redis))
        self._port = port

    def _start(self, stack: ExitStack) -> Process:
        overrides = self._folder / "override.d"
        overrides.mkdir()
        cpus = len(os.sched_getaffinity(0))
        for line in (*self._OVERRIDES, *self.layout):
            worker = self._folder / "worker"
            text = line.format(path=self._path, worker=worker, redis=self._redis, dns=self._port, cpus=cpus)
            name, _, override = text.partition(": ")
            (overrides / name).write_text(override)
        for name, text in self.files:
            (overrides / name).write_text(text)
        modules = [path.stem for path in (self._DEBIAN / "modules.d").glob("*.conf") if path.stem not in self._MODULES]
        unused = [each for each in self._WORKERS if each not in self.workers]
        for name in (*(f"{module}.conf" for module in modules), *(f"worker-{each}.inc" for each in unused)):
            (overrides / name).write_text("enabled = false;\n")
        common = [line for line in (self._DEBIAN / "common.conf").read_text().splitlines() if "statistic" not in line]
        (self._folder / "common.conf").write_text("\n".join(common))
        whole = (self._DEBIAN / "rspamd.conf").read_text()
        (self._folder / "rspamd.conf").write_text(whole.replace("$CONFDIR/common", f"{self._folder}/common"))
        return super()._start(stack)


class TunedRspamd(Rspamd):
    """rspamd at its fastest: a process per CPU, each of which speaks milter and scans by itself."""

    workers = ("proxy",)
    layout = (
        'worker-proxy.inc: bind_socket = "{path} mode=0666"; count = {cpus}; upstream "local" {{ self_scan = yes; }}',
    )


class ListedRspamd(Rspamd):
    """rspamd in Debian's layout, which asks the lists of listed.py, and none of those that Debian configures."""

    files = (("rbl.conf", f"rbls {{ {listed.RBLS} }}"), ("rbl_group.conf", f"symbols {{ {listed.SCORES} }}"))


class SharedRspamd(Rspamd):
    """rspamd in Debian's layout, which greylists all whom it doesn't know."""

    files = (("actions.conf", "greylist = -100;"),)


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


class Syslog(Server):
    """A syslog that writes to a file what it is told, and does nothing else: real ones take longer."""

    @property
    def folder(self) -> Path:
        """What has its socket, `log`, as /dev does."""
        return self._folder / "dev"

    def _start(self, stack: ExitStack) -> Process:
        self.folder.mkdir()
        log = self.folder / "log"
        process = self._run(stack, "socat", "-u", f"UNIX-RECV:{log}", f"CREATE:{self._folder / 'lines'}")
        until(log.exists, "the syslog's socket")
        return process


class OpenDmarc(Peer):
    """opendmarc, but for its socket and user.

    It asks the nameserver of /etc/resolv.conf, on port 53 and no other, and logs to /dev/log: so it lives in a network
    where such a nameserver listens, and sees another such file, and a /dev with little else.
    """

    _CONFIGURATION = """
        PidFile {folder}/pid
        PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat
        Socket local:{path}
        Syslog true
        UMask 0002
        UserID root
        """
    _ELSEWHERE = (
        *("unshare", "--mount", "--propagation", "private", "sh", "-c"),
        """
        set -e
        mount --bind "$0/resolv.conf" /etc/resolv.conf
        for device in null urandom; do
            touch "$1/$device"
            mount --bind "/dev/$device" "$1/$device"
        done
        mount --rbind "$1" /dev
        exec opendmarc -f -c "$0/opendmarc.conf"
        """,
    )

    def __init__(self, folder: Path, network: Network, syslog: Syslog) -> None:
        super().__init__(folder, *self._ELSEWHERE, folder, syslog.folder)
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
