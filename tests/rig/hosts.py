"""Hosts that share: services, each with a store of its own, and one real server for all."""

import sqlite3
from contextlib import closing
from pathlib import Path

from milter64.sharing.members import own_name
from rig.lab import Lab
from rig.network import HERE, Network
from rig.process import until
from rig.redis import Redis
from rig.service import Line, Milter64

DELAY = 2.0
"""Seconds of greylisting."""


class SharingHost(Milter64):
    """`milter64 run` with what it learns shared over `url`, all of it greylisted."""

    def __init__(
        self,
        folder: Path,
        url: str,
        more: str = "",
        *,
        greylist: str = "",
        network: Network = HERE,
        unix: Path | None = None,
        store: Path | None = None,
    ) -> None:
        """Add lines to the table [greylist], and `more` to the configuration; `store` is a file that there is."""
        self.store = store or folder / "own.sqlite"
        own = f'[greylist]\nstore = "{url}"\nlocal = "sqlite:{self.store}"\napply = "all"\ndelay = "{DELAY:g}s"\n'
        super().__init__(folder, f"{own}{greylist}\n{more}", network=network, unix=unix)

    @property
    def name(self) -> str:
        """What the others call it."""
        return own_name(f"sqlite:{self.store}")

    @property
    def pairs(self) -> set[str]:
        """The keys of the rows in its own store."""
        return {key for key, _ in self.rows}

    @property
    def rows(self) -> set[tuple[str, str]]:
        """The keys and groups of the rows in its own store."""
        try:
            with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as connection:
                return {*connection.execute("SELECT key, grp FROM rows")}
        except sqlite3.OperationalError:  # not there yet
            return set()

    @property
    def tries(self) -> list[Line]:
        """What it has logged of greylisting."""
        return [line for line in self.log if "greylist" in line and "session" in line]


def sharing(lab: Lab, redis: Redis, number: int, more: str = "") -> list[SharingHost]:
    """Start so many hosts, and return them when all share."""
    hosts = [lab.start(SharingHost, redis.url, more) for _ in range(number)]
    until(lambda: redis.ask("HLEN", "milter64:1:{s}:members") == str(number), "all to share")
    return hosts
