"""A private Postfix: its own queue, configuration and ports, in the foreground, and nothing of /etc/postfix."""

import mailbox
import os
from collections.abc import Sequence
from contextlib import ExitStack
from email.message import Message
from pathlib import Path

from rig.network import HERE, Network
from rig.process import PATIENCE, Process, until
from rig.server import Server

DAEMONS = Path("/usr/lib/postfix/sbin")
LOOPBACK = ("127.0.0.1", "::1")
_MAILBOX_OWNER = 65534
_QUEUES = ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"]

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
maillog_file = /dev/stdout
multi_instance_name =
syslog_name = postfix
disable_dns_lookups = yes
enable_long_queue_ids = yes
smtpd_peername_lookup = no

myhostname = mx.lab.example
myorigin = lab.example
mydestination =
inet_interfaces = all
inet_protocols = all
alias_maps =
alias_database =

# All mail to lab.example is delivered to one Maildir; none leaves the machine.
virtual_mailbox_domains = lab.example
virtual_mailbox_maps = static:inbox/
virtual_mailbox_base = {folder}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
default_transport = discard:
relay_transport = discard:
local_transport = discard:

smtpd_authorized_xclient_hosts = 127.0.0.0/8 [::1]
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_junk_command_limit = 1000

milter_default_action = tempfail
milter_connect_timeout = 5s
milter_command_timeout = 20s
milter_content_timeout = 20s
"""

_MASTER = """
cleanup    unix       n - n - 0 cleanup
qmgr       unix       n - n 300 1 qmgr
rewrite    unix       - - n - - trivial-rewrite
bounce     unix       - - n - 0 bounce
defer      unix       - - n - 0 bounce
trace      unix       - - n - 0 bounce
verify     unix       - - n - 1 verify
proxymap   unix       - - n - - proxymap
proxywrite unix       - - n - 1 proxymap
error      unix       - - n - - error
retry      unix       - - n - - error
discard    unix       - - n - - discard
virtual    unix       - n n - - virtual
anvil      unix       - - n - 1 anvil
tlsmgr     unix       - - n 1000? 1 tlsmgr
postlog    unix-dgram n - n - 1 postlogd
"""


class Postfix(Server):
    """A Postfix that accepts all mail for lab.example.

    A client is believed to be whoever it says it is, by XCLIENT on `port` or by the PROXY protocol on `proxy_port`.
    """

    def __init__(
        self,
        folder: Path,
        /,
        *,
        milters: str = "",
        chroot: bool = False,
        tls: bool = False,
        network: Network = HERE,
        addresses: Sequence[str] = LOOPBACK,
        port: int = 0,
        services: Sequence[str] = (),
        root: Path | None = None,
        **settings: str,
    ) -> None:
        """Say how it is to be.

        `folder`: a new one for all of its files, which others than root can pass through; `milters`: smtpd_milters,
        such as "inet:127.0.0.1:8864"; `chroot`: smtpd runs chrooted into `queue`, as on Debian, and a milter's socket
        is relative to that; `tls`: STARTTLS is offered; `addresses`: where it listens in `network`, on `port` if one
        is given; `services`: lines to add to master.cf; `root`: another system, whose Postfix it is, in a folder;
        `settings`: of main.cf.
        """
        super().__init__(folder, network=network)
        self.queue = folder / "queue"
        self._addresses = addresses
        self._chroot = chroot
        self._tls = tls
        self._settings = {"smtpd_milters": milters, **settings}
        self._services = services
        self._root = root
        self._wanted_port = port
        self.port = self.proxy_port = 0

    def delivered(self, count: int = 1, seconds: float = PATIENCE) -> list[Message]:
        """Wait until `count` messages were delivered, one for each recipient, and return all, the oldest first."""
        inbox = self._folder / "mail" / "inbox" / "new"
        messages: list[Path] = []

        def arrived() -> bool:
            messages[:] = sorted(inbox.glob("*"), key=lambda path: path.stat().st_mtime_ns)
            return len(messages) >= count

        until(arrived, f"{count} delivered messages", seconds=seconds)
        return [mailbox.MaildirMessage(path.read_bytes()) for path in messages]

    def _start(self, stack: ExitStack) -> Process:
        wanted = (self._wanted_port, 0)
        ports = [stack.enter_context(self._network.reserve(*self._addresses, port=port)) for port in wanted]
        self.port, self.proxy_port = (reservation.port for reservation in ports)
        self._make_folders()
        self._configure()
        elsewhere = [*_ELSEWHERE, str(self._root), str(self._folder)] if self._root else []
        process = self._run(stack, *_GUARD, *elsewhere, str(DAEMONS / "master"), "-c", str(self._folder / "etc"), "-d")
        process.expect("daemon started")
        return process

    def _make_folders(self) -> None:
        """Make what `postfix check` would make, which takes it two seconds."""
        for name in ("etc", "queue", "queue/pid"):
            (self._folder / name).mkdir()
        for name in _QUEUES:
            self._make_folder(f"queue/{name}", 0o700)
        self._make_folder("queue/maildrop", 0o730, group="postdrop")
        self._make_folder("queue/public", 0o710, group="postdrop")
        self._make_folder("data", 0o700)
        self._make_folder("mail", 0o700, user=_MAILBOX_OWNER)

    def _make_folder(self, name: str, mode: int, user: str | int = "postfix", group: str | None = None) -> None:
        path = self._folder / name
        path.mkdir()
        path.chmod(mode)
        os.chown(path, self._number("passwd", user), self._number("group", group))

    def _number(self, file: str, name: str | int | None) -> int:
        """Return a user's or a group's number in the system whose Postfix it is, -1 for none."""
        if not isinstance(name, str):
            return -1 if name is None else name
        lines = (self._root or Path("/")).joinpath("etc", file).read_text().splitlines()
        return next(int(line.split(":")[2]) for line in lines if line.startswith(f"{name}:"))

    def _configure(self) -> None:
        settings = dict(self._settings)
        if self._tls:
            key = self._folder / "etc" / "key.pem"
            HERE.run(*_SELF_SIGNED, "-keyout", str(key), "-out", f"{key}.crt")
            settings |= {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": f"{key}, {key}.crt"}
        main = _MAIN.format(folder=self._folder, daemons=DAEMONS, owner=_MAILBOX_OWNER)
        kept = [line for line in main.splitlines() if line.partition(" =")[0] not in settings]
        self._write("main.cf", [*kept, *(f"{name} = {value}" for name, value in settings.items())])
        chroot = "y" if self._chroot else "n"
        smtpd = f"inet n - {chroot} - 300 smtpd"
        listeners = [f"[{address}]:{self.port} {smtpd}" for address in self._addresses]
        proxied = [
            f"[{address}]:{self.proxy_port} {smtpd} -o smtpd_upstream_proxy_protocol=haproxy"
            for address in self._addresses
        ]
        self._write("master.cf", [*listeners, *proxied, _MASTER, *self._services])
        # An error in main.cf kills master before it has a log; this asks for nothing, and says what is wrong.
        HERE.run("postmap", "-c", str(self._folder / "etc"), "-q", "key", "static:value")

    def _write(self, name: str, lines: Sequence[str]) -> None:
        path = self._folder / "etc" / name
        path.write_text("\n".join(lines) + "\n")
        os.utime(path, (0, 0))  # every daemon sleeps until the file is over a second old, lest it be half written


_GUARD = ("sh", "-c", 'trap "kill -KILL 0" TERM; "$@" & wait', "sh")
"""A shell that takes its process group along: master forgets whose end it was to share when it changes its user."""

_ELSEWHERE = (
    *("unshare", "--mount", "sh", "-euc"),
    'mkdir -p "$1$2"; for at in /dev /proc "$2"; do mount --rbind "$at" "$1$at"; done; cd "$1"; shift 2; chroot . "$@"',
    "sh",
)
"""Runs a command in another system, in which the folder has the same path."""

_SELF_SIGNED = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
    *("-days", "2", "-subj", "/CN=mx.lab.example"),
)
