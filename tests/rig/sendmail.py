"""A private Sendmail: Debian's, unpacked and not installed, with its own configuration and queue."""

import re
from contextlib import ExitStack
from email import message_from_string
from email.message import Message
from pathlib import Path
from textwrap import dedent

from rig.network import HERE, Network
from rig.port53 import with_resolver
from rig.process import Process, until
from rig.server import Server

_ROOT = Path(__file__).parents[2]
_UNPACKED = _ROOT / "build" / "sendmail"
_PROGRAM = _UNPACKED / "usr" / "libexec" / "sendmail" / "sendmail"
_CF = _UNPACKED / "usr" / "share" / "sendmail" / "cf"

_CONFIGURATION = """
    define(`_CF_DIR_', `{cf}/')dnl
    include(`{cf}/m4/cf.m4')dnl
    OSTYPE(`linux')dnl
    define(`confDOMAIN_NAME', `mx.lab.example')dnl
    define(`confPID_FILE', `{folder}/pid')dnl
    define(`confDONT_PROBE_INTERFACES', `True')dnl
    define(`confDELIVERY_MODE', `queueonly')dnl
    define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')dnl
    define(`QUEUE_DIR', `{folder}/queue')dnl
    define(`STATUS_FILE', `{folder}/status')dnl
    undefine(`ALIAS_FILE')dnl
    FEATURE(`nocanonify')dnl
    FEATURE(`no_default_msa')dnl
    FEATURE(`accept_unresolvable_domains')dnl
    RELAY_DOMAIN(`lab.example')dnl
    DAEMON_OPTIONS(`Name=IPv4, Family=inet, Address=127.0.0.1, Port={port}')dnl
    DAEMON_OPTIONS(`Name=IPv6, Family=inet6, Address=::1, Port={port}')dnl
    DAEMON_OPTIONS(`Name=MSA, Family=inet6, Address=::1, Port={submission}, InputMailFilters=')dnl
    {milter}
    MAILER(`smtp')dnl
"""


class Sendmail(Server):
    """A Sendmail that takes mail for lab.example into its queue, and lets it lie there till it is to be delivered."""

    def __init__(self, folder: Path, /, *, milter: str, hosts: bytes = b"", network: Network = HERE) -> None:
        """`milter`: the line of its mc file that names the filter; `hosts`: lines of its /etc/hosts."""
        super().__init__(folder, network=network)
        self._milter = milter
        self._hosts = hosts
        self.port = self.submission_port = 0

    def queued(self, recipient: str) -> Message:
        """Wait for a message to `recipient`, and return its header."""

        def arrived() -> str | None:
            texts = (file.read_bytes().decode(errors="replace") for file in (self._folder / "queue").glob("qf*"))
            return next((text for text in texts if f"<{recipient}>\n" in text and text.endswith("\n.\n")), None)

        # A header line is an H, conditions between question marks, and the field; "." ends the file.
        lines = until(arrived, f"a message for {recipient}").split("\nH", 1)[1].removesuffix(".\n")
        return message_from_string(re.sub(r"^H?\?[^?]*\?", "", lines, flags=re.MULTILINE))

    def deliver(self) -> None:
        """Try to deliver all that is in the queue, once."""
        self._network.run(*with_resolver(self._folder, *self._command, "-qf"))

    def _start(self, stack: ExitStack) -> Process:
        HERE.run(str(_ROOT / "tests" / "setup" / "sendmail"), str(_UNPACKED))  # `make test` has done it
        ports = [stack.enter_context(self._network.reserve("127.0.0.1", "::1")).port for _ in range(2)]
        self.port, self.submission_port = ports
        queue = self._folder / "queue"
        queue.mkdir(0o700)
        named = {"port": self.port, "submission": self.submission_port}
        mc = dedent(_CONFIGURATION).format(cf=_CF, folder=self._folder, milter=self._milter, **named)
        cf = self._folder / "sendmail.cf"
        cf.write_text(HERE.run("m4", stdin=mc))
        self._command = (str(_PROGRAM), "-C", str(cf))
        process = self._run(stack, *with_resolver(self._folder, *self._command, "-bD", hosts=self._hosts))
        until(self._accepts, "Sendmail to accept connections")
        return process

    def _accepts(self) -> bool:
        try:
            self._network.connect("::1", self.port).close()
        except ConnectionRefusedError:
            return False
        return True
