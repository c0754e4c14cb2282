"""Hosts whose entries by command are shared over a real server, in a time that a story tells."""

import os
from pathlib import Path

from milter64.lists import commanded
from milter64.lists.entry import made, moment
from milter64.lists.index import reader
from milter64.lists.listed import ALLOW, BLOCK
from milter64.lists.mistakes import Mistakes, NoMistakes
from milter64.lists.who import parse
from milter64.sharing.host_state import HostState
from milter64.sharing.keys import LISTS_EDITION
from milter64.sharing.shared_lists import SharedLists
from rig.redis import Redis
from rig.sharing import Reached

BEGIN = moment("2026-11-28")


class Story:
    """The server's time: as many seconds after the beginning as the story has it."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.dated = 0
        """How many files were dated: no two are dated the same."""


class Commanding:
    """A host of a story: commands are given here, and a look is taken when it is told to."""

    def __init__(
        self,
        name: str,
        folder: Path,
        socket: Path,
        story: Story,
        *,
        ahead: float = 0.0,
        mistakes: Mistakes | None = None,
    ) -> None:
        """`ahead` is by how many seconds its clock is ahead, and `mistakes` what can't be meant there."""
        folder.mkdir(exist_ok=True)
        self.name, self.folder, self.servers = name, folder, Reached(socket)
        self.told: list[str] = []
        self.mistakes = mistakes or Mistakes()
        self._story, self._ahead = story, ahead
        self.start(booted=True)

    def start(self, *, booted: bool = False) -> None:
        """Begin as a worker does, or as a service that knows nothing of the servers yet."""
        if booted:
            self._state = HostState()
        self.lists = SharedLists(
            self.servers,
            self._state,
            {check: self.path(check) for check in (BLOCK, ALLOW)},
            {check: reader(self.mistakes, blocks=check == BLOCK) for check in (BLOCK, ALLOW)},
            journal=self.journal,
            host=self.name,
            clock=self._clock,
            warn=self.told.append,
            wall=self._clock,
        )

    @property
    def journal(self) -> Path:
        """Where it is noted what was agreed."""
        return self.folder / "rows.lists"

    def path(self, check: str) -> Path:
        """The file of a list."""
        return self.folder / f"rows.{check}"

    def allow(self, who: str, **also: str) -> None:
        """Give the command."""
        self.put(ALLOW, who, **also)

    def block(self, who: str, **also: str) -> None:
        """Give the command."""
        self.put(BLOCK, who, **also)

    def put(self, check: str, who: str, **also: str) -> None:
        """Put an entry into a list."""
        entry = made(who, NoMistakes(), blocks=check == BLOCK, **also)
        commanded.change(self.path(check), entry.who, entry, self._clock())
        self.date(check)

    def forget(self, who: str) -> list[str]:
        """Give the command, and return the lists that had it."""
        had = [
            check
            for check in (BLOCK, ALLOW)
            if commanded.change(self.path(check), parse(who, NoMistakes()), None, self._clock())
        ]
        for check in had:
            self.date(check)
        return had

    def date(self, check: str) -> None:
        """Have a list's file be changed now, in the story's time."""
        self._story.dated += 1
        os.utime(self.path(check), ns=(int(self._clock() * 1e9) + self._story.dated,) * 2)

    def look(self) -> None:
        """Do what the worker with the role does."""
        if not self.servers.reached:
            self.lists.step(None)
            return
        self._state.measured(self._ahead)
        self._state.found(whole=True, hosts=2, lag=0.0)
        self.lists.step(self.servers.run("GET", LISTS_EDITION) or b"")

    @property
    def entries(self) -> set[str]:
        """All that is in its files: each with its list."""
        return {
            f"{check} {line}"
            for check in (BLOCK, ALLOW)
            if self.path(check).exists()
            for line in self.path(check).read_text().splitlines()
        }

    def _clock(self) -> float:
        return self._story.now + self._ahead


class Scene:
    """Two hosts, a and b, b's clock being four minutes ahead."""

    def __init__(self, folder: Path, redis: Redis) -> None:
        self.redis = redis
        self.story = Story()
        self.a = Commanding("a", folder / "a", redis.path, self.story)
        self.b = Commanding("b", folder / "b", redis.path, self.story, ahead=240)

    def close(self) -> None:
        """Let go of the server."""
        self.a.servers.close()
        self.b.servers.close()

    def look(self) -> None:
        """Have both look until all is told."""
        for _ in range(2):
            self.a.look()
            self.b.look()

    def later(self, seconds: float = 60) -> None:
        """Have time go by."""
        self.story.now += seconds

    def apart(self, *, apart: bool = True) -> None:
        """Have b not reach the server, or reach it again."""
        self.b.servers.reached = not apart

    def same(self) -> set[str]:
        """Look, and return what both have."""
        self.look()
        assert self.a.entries == self.b.entries
        assert self.a.lists.waiting == self.b.lists.waiting == 0
        return self.a.entries
