"""Who asks shared servers all the time, as decisions do, and notes how long that takes."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread
from typing import Self

from milter64.sharing.interface import Servers, ServersGone
from milter64.sharing.server_url import ServerUrl, parse
from milter64.sharing.servers import open_servers
from rig.process import until

_AT_MOST = 0.5 + 0.1
"""Seconds that an answer may take, and the usual."""
_WAITED = 0.3
"""Seconds from which on somebody has waited for a server that doesn't answer."""
_AGAIN = 2.0
"""Seconds from a fault's end until all is as before."""


class Asker:
    """Asks a hundred times a second, for keys in turn; a context manager."""

    def __init__(self, servers: Servers, lines: list[str], *keys: str) -> None:
        """`lines` is what the servers tell."""
        self.servers = servers
        self.lines = lines
        self.refused = 0
        self._keys = keys
        self._times: list[float] = []
        self._answered = dict.fromkeys(keys, 0)
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def whole(self) -> None:
        """Wait until each key has an answer again."""
        before = dict(self._answered)
        until(lambda: all(self._answered[key] > before[key] for key in self._keys), "answers about all keys")

    def holds(self, begin: Callable[[], object], end: Callable[[], object], told: str) -> None:
        """Have a fault begin and end, and see that it costs one half a second, and is over when it is.

        What is told of it, when it has begun, has a match for `told`.
        """
        self._times.clear()
        begin()
        until(lambda: self.lines, "the outage to be told")
        refused = self.refused
        until(lambda: self.refused > refused + 10, "some who are refused")
        end()
        ended = time.monotonic()
        self.whole()
        until(lambda: len(self.lines) > 1, "the outage's end to be told")
        assert time.monotonic() - ended < _AGAIN
        self.had_to_wait(at_most=1)
        gone, back = self.lines
        assert re.search(f"is gone: .*(?:{told})", gone)
        assert back.endswith("is back")

    def had_to_wait(self, *, at_most: int, seconds: float = _WAITED) -> None:
        """See that no more than these have waited so long, and nobody longer than half a second."""
        times = list(self._times)
        assert max(times) < _AT_MOST
        assert sum(each > seconds for each in times) <= at_most

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            for key in self._keys:
                if self._over.wait(0.01):
                    return
                begun = time.monotonic()
                try:
                    (count,) = self.servers.ask(key, [("INCR", key)])
                    assert count > 0
                    self._answered[key] += 1
                except ServersGone:
                    self.refused += 1
                self._times.append(time.monotonic() - begun)


@contextmanager
def opened(url: str | ServerUrl, lines: list[str] | None = None) -> Iterator[Servers]:
    """Open servers; `lines` gets what they tell."""
    tell = (lambda _: None) if lines is None else lines.append
    with closing(open_servers(parse(url) if isinstance(url, str) else url, tell, tell)) as servers:
        yield servers


@contextmanager
def asked(url: str | ServerUrl, *keys: str) -> Iterator[Asker]:
    """Open servers and ask them, once they answer."""
    lines: list[str] = []
    with opened(url, lines) as servers, Asker(servers, lines, *(keys or ("asked",))) as asker:
        asker.whole()
        yield asker
