"""Debian's rspamd and its Redis, as a milter beside milter64."""

import re
from contextlib import ExitStack
from pathlib import Path

from rig.network import Network
from rig.process import Process, until
from rig.server import Server

_LOCAL = {
    "options.inc": 'dns {{ nameserver = ["{dns}"]; }} disable_monitoring = true; control_socket = "{folder}/control";',
    "logging.inc": 'type = "console"; level = "info";',
    "redis.conf": 'servers = "127.0.0.1:{redis}";',
    "worker-proxy.inc": 'bind_socket = "127.0.0.1:{port}"; upstream "local" {{ default = yes; self_scan = yes; }}',
    **dict.fromkeys(("worker-normal.inc", "worker-controller.inc", "worker-fuzzy.inc"), "enabled = false;"),
    **dict.fromkeys(("fuzzy_check.conf", "phishing.conf", "rspamd_update.conf"), "enabled = false;"),
}
"""What differs from Debian's: ports, and no modules that fetch lists from their makers, or ask these about messages."""

_BOTH = """redis-server --port "$1" --dir "$0" --save "" --daemonize no --logfile "$0/redis.log" &
    exec rspamd --no-fork --insecure --config=/etc/rspamd/rspamd.conf \
        --var=LOCAL_CONFDIR="$0" --var=DBDIR="$0" --var=RUNDIR="$0" --var=LOGDIR="$0"
    """
"""Redis is in the same process group, and ends with it."""

_RESULT = re.compile(
    r"rspamd_task_write_log: .* ip: (?P<ip>\S+), .*\(default: . \((?P<action>[^)]*)\): "
    r"\[(?P<points>\S+)/\S+\] \[(?P<symbols>.*?)\]\), len"
)


class Rspamd(Server):
    """rspamd with Debian's modules and scores."""

    def __init__(self, folder: Path, /, *, network: Network, dns: str, rules: str = "", **files: str) -> None:
        """Ask the nameserver `dns`; `rules` are Lua, and `files` what is said in local.d, by the name of a module."""
        super().__init__(folder, network=network)
        self._dns, self._rules, self._files = dns, rules, files
        self.port = self._redis = 0

    @property
    def milters(self) -> str:
        """The socket as Postfix names it."""
        return f"inet:127.0.0.1:{self.port}"

    @property
    def results(self) -> list[dict[str, str]]:
        """What it has said of each message so far: ip, action, points and symbols."""
        return [found.groupdict() for found in _RESULT.finditer(self.output)]

    def result(self, number: int) -> dict[str, str]:
        """Wait for what it says of the message with this number, counted from 0."""
        return until(lambda: self.results[number:], f"what rspamd finds about message {number}")[0]

    def forget(self) -> set[str]:
        """Empty Redis, and return what keys the greylist had in it."""
        keys = self._ask_redis("KEYS", "rg*").split()
        self._ask_redis("FLUSHALL")
        return set(keys)

    def _ask_redis(self, *words: str) -> str:
        return self._network.run("redis-cli", "-p", str(self._redis), *words)

    def _start(self, stack: ExitStack) -> Process:
        self.port, self._redis = (stack.enter_context(self._network.reserve("127.0.0.1")).port for _ in range(2))
        values = {"dns": self._dns, "folder": self._folder, "redis": self._redis, "port": self.port}
        local = self._folder / "local.d"
        local.mkdir()
        for name, text in _LOCAL.items():
            (local / name).write_text(text.format_map(values))
        for name, text in self._files.items():
            (local / f"{name}.conf").write_text(text)
        (self._folder / "milter64.lua").write_text(self._rules)
        (self._folder / "rspamd.local.lua").write_text(f'dofile("{self._folder}/milter64.lua")\n')
        process = self._run(stack, "sh", "-c", _BOTH, str(self._folder), str(self._redis))
        until(self._accepts, "rspamd to accept connections", seconds=90)  # it compiles patterns first
        return process

    def _accepts(self) -> bool:
        try:
            self._network.connect("127.0.0.1", self.port).close()
        except ConnectionRefusedError:
            return False
        return True
