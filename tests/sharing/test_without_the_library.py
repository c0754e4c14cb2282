"""A host that is told to share, and lacks the library that speaks with servers."""

import sys
from pathlib import Path

from rig.direct import Message
from rig.hosts import SharingHost
from rig.lab import Lab
from rig.process import until
from rig.redis import Redis
from rig.world import STRANGER, behind

_PROGRAM = """
import sys
from pathlib import Path
from milter64.cli.main import main

class Installed:
    def find_spec(name, *_):
        if name == "redis" and not Path("{}").exists():
            raise ModuleNotFoundError("No module named 'redis'", name="redis")

sys.meta_path.insert(0, Installed)
sys.exit(main())
"""


def test_a_host_without_the_library_goes_on_alone_and_shares_once_it_is_there(lab: Lab, tmp_path: Path) -> None:
    installed = tmp_path / "installed"

    class Bare(SharingHost):
        program = (sys.executable, "-c", _PROGRAM.format(installed), "run", "--config")

    redis = lab.start(Redis)
    host, message = lab.start(Bare, redis.url), Message(address=behind(STRANGER))
    line = host.wait_log(lambda line: line["event"] == "sharing")
    assert line["level"] == "warning"
    assert line["trouble"] == "redis-py can't be used: No module named 'redis'"
    assert line["effect"] == "this host goes on by its own store"
    assert line["remedy"] == "run `apt install python3-redis`, then `systemctl reload milter64`"
    assert message.offer(host).action == "tempfail"
    until(lambda: message.offer(host).action == "continue", "the retry to pass")
    installed.touch()
    host.reload()
    until(lambda: redis.ask("HLEN", "milter64:1:{s}:members") == "1", "it to share")
    assert message.offer(host).action == "continue"
    until(lambda: redis.ask("KEYS", "milter64:1r*"), "what it has learned alone to reach the server")
