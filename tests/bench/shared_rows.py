"""What a row takes on a shared server: `python -m bench.shared_rows [ROWS]`, from the folder `tests`.

It has milter64's own commands put rows there, ten million by default, one of each pair, and prints how much memory a
row takes on this system's redis-server and on Debian 13's valkey-server. A quarter of the networks are of IPv6, and
half of the rows have passed.
"""

import random
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from milter64.cli.terminal_layout import Screen
from milter64.greylist.row import Record
from milter64.sharing.merging import merge
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import KIND, Reached
from rig.valkey import valkey_server

SCREEN = Screen(sys.stdout)
_AT_ONCE = 50


def filled(socket: Path, count: int) -> float:
    """Put that many rows on a server that has none, and return how many octets of its memory each takes."""
    server = Reached(socket)
    before = used(server)
    now = time.time()
    rows = pairs(count, now)
    for _ in range(0, count, _AT_ONCE):
        server.run(*merge(islice(rows, _AT_ONCE), KIND, now, 0.0))
    number, after = server.run("DBSIZE"), used(server)
    server.close()
    assert number >= 0.999 * count, f"{number} of {count} pairs are there"
    return (after - before) / int(number)


def pairs(count: int, now: float) -> Iterator[tuple[str, dict[str, Record]]]:
    """Yield pairs, each with its row by group."""
    chance = random.Random(64)
    for number in range(count):
        key = f"<{number:x}@sender{number % 997}.example> <{chance.randrange(1000)}@example.org>"
        first = now - chance.uniform(0, 30_000)
        passed = first + chance.uniform(300, 3000) if number % 2 else None
        yield key, {network(chance): Record(generation=0, first_seen=first, passed_at=passed)}


def network(chance: random.Random) -> str:
    """Return a group of clients."""
    if chance.random() < 0.25:
        return f"net:2001:db8:{chance.randrange(0x10000):x}:{chance.randrange(0x10000):x}::/64"
    return f"net:{chance.randrange(1, 224)}.{chance.randrange(256)}.{chance.randrange(256)}.0/24"


def used(server: Reached) -> int:
    """Return how many octets of memory a server uses."""
    lines: bytes = server.run("INFO", "memory")
    return int(lines.split(b"used_memory:")[1].split()[0])


def main() -> None:
    """Fill one server after the other."""
    count = int(sys.argv[1]) if sys.argv[1:] else 10_000_000
    with Lab() as lab:
        for program in ("redis-server", str(valkey_server(lab.folder / "valkey"))):
            redis = lab.start(Redis, program=program)
            octets = filled(redis.path, count)
            each = redis.cpu_seconds / count * 1e6
            SCREEN.line(f"{redis.version}: {octets:.1f} octets a row of {count:,}, {each:.1f} us of CPU to merge it")
            redis.kill()


if __name__ == "__main__":
    main()
