"""Debian's SpamAssassin: Postfix delivers through spamc, and spamd judges by the Received fields."""

import shutil
from contextlib import ExitStack
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from rig.network import Network
from rig.process import Process, until
from rig.server import Server

_NOBODY = 65534
_SETTINGS = """
dns_server 127.0.0.1:{dns}
dns_available yes
use_bayes 0
report_safe 0
clear_headers
add_header all Status _YESNO_, score=_SCORE_ required=_REQD_ tests=_TESTSSCORES(,)_
"""
_DELIVER = """#!/bin/sh -eu
file="$(mktemp "{folder}/tmp/XXXXXX")"
spamc -d 127.0.0.1 -p {port} -x >"$file"
mv "$file" "{folder}/new/"
"""


class SpamAssassin(Server):
    """spamd with Debian's rules and scores, and a way for Postfix to deliver through it."""

    def __init__(self, folder: Path, /, *, network: Network, dns: int, plugin: str = "", settings: str = "") -> None:
        """Ask the nameserver on this port; `plugin` is Perl, `settings` are further lines of local.cf."""
        super().__init__(folder, network=network)
        self._dns, self._plugin, self._settings = dns, plugin, settings
        self.port = 0

    @property
    def service(self) -> str:
        """The line of master.cf for the transport `spamassassin`."""
        return f"spamassassin unix - n n - - pipe flags=DORX user=nobody argv={self._folder}/deliver"

    def delivered(self, number: int) -> Message:
        """Wait for the message with this number, counted from 0."""
        new = self._folder / "new"
        until(lambda: len(list(new.iterdir())) > number, f"message {number} to come through SpamAssassin", seconds=60)
        latest = sorted(new.iterdir(), key=lambda path: path.stat().st_mtime_ns)[number]
        return message_from_bytes(latest.read_bytes())

    def _start(self, stack: ExitStack) -> Process:
        self.port = stack.enter_context(self._network.reserve("127.0.0.1")).port
        for name in ("new", "tmp"):
            (self._folder / name).mkdir()
            shutil.chown(self._folder / name, _NOBODY)
        deliver = self._folder / "deliver"
        deliver.write_text(_DELIVER.format(folder=self._folder, port=self.port))
        deliver.chmod(0o755)
        etc = self._folder / "etc"
        shutil.copytree("/etc/spamassassin", etc, symlinks=True)
        with (etc / "local.cf").open("a") as file:
            file.write(_SETTINGS.format(dns=self._dns) + self._settings)
        if self._plugin:
            (etc / "Milter64.pm").write_text(self._plugin)
            (etc / "milter64.pre").write_text(f"loadplugin Milter64 {etc}/Milter64.pm\n")
        # Without --siteconfigpath's own updates it has the rules of the package.
        listen = ("--listen", f"127.0.0.1:{self.port}", "--nouser-config", "--username", "nobody", "--syslog", "stderr")
        paths = ("--configpath", "/usr/share/spamassassin", "--siteconfigpath", str(etc))
        process = self._run(stack, "/usr/sbin/spamd", *listen, *paths, "--min-children", "1", "--max-children", "1")
        process.expect("server started on")
        return process


class SpamassMilter(Server):
    """spamass-milter, which has spamd judge while Postfix receives, by a Received field that it makes up."""

    def __init__(self, folder: Path, spamassassin: SpamAssassin, /, *, network: Network) -> None:
        super().__init__(folder, network=network)
        self._spamd = spamassassin
        self._socket = folder / "socket"

    @property
    def milters(self) -> str:
        """The socket as Postfix names it."""
        return f"unix:{self._socket}"

    def _start(self, stack: ExitStack) -> Process:
        spamc = ("--", "-d", "127.0.0.1", "-p", str(self._spamd.port))
        process = self._run(stack, "/usr/sbin/spamass-milter", "-p", str(self._socket), *spamc)
        until(self._socket.exists, "spamass-milter's socket")
        self._socket.chmod(0o777)
        return process
