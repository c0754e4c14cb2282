"""What is told of servers that are gone: that they are, each reason once, and that they are back."""

from collections.abc import Callable
from functools import partial
from threading import Lock
from time import monotonic

Tell = Callable[[str], None]
_LASTING = 5.0
"""Seconds of an outage after which another reason is told too: a server that was restarted may want a password."""
_MOST = 5
"""Reasons that are told of an outage, about."""


class Outage:
    """An outage of servers: it begins with the first that is gone, and ends with the last that is back."""

    def __init__(self, shown: str, warn: Tell, told: Tell) -> None:
        """Tell of the servers by the name `shown`; `warn` and `told` may be called from any thread."""
        self._shown = shown
        self._warn = warn
        self._told = told
        self._lock = Lock()
        self._gone: set[str] = set()
        self._out = False
        self._since = 0.0
        self._reasons = set[str]()
        self.edition = 0

    def up(self, name: str) -> None:
        """Count a new line to one of the servers, which works."""
        with self._lock:
            self.edition += 1
        self.forget(name)

    def down(self, name: str, why: str) -> None:
        """Note that one of them is gone."""
        now, why = monotonic(), f"{name}: {why}" if name else why
        with self._lock:
            self._gone.add(name)
            out, self._out = self._out, True
            if not out:
                self._since, self._reasons = now, {why}
            elif now - self._since < _LASTING or why in self._reasons or len(self._reasons) > _MOST:
                return
            self._reasons.add(why)
        self._warn(f"{self._shown} is {'still ' if out else ''}gone: {why}")

    def forget(self, name: str) -> None:
        """Note that one of them is back, or is none any more."""
        with self._lock:
            self._gone.discard(name)
            back = self._out and not self._gone
            self._out = self._out and not back
        if back:
            self._told(f"{self._shown} is back")


class OneOfThem:
    """Who watches the link to one of the servers."""

    def __init__(self, outage: Outage, name: str = "", elsewhere: Callable[[], None] = lambda: None) -> None:
        """Call `elsewhere` where another server is to be looked for."""
        self.up = partial(outage.up, name)
        self._down = partial(outage.down, name)
        self.elsewhere = elsewhere

    def down(self, why: str) -> None:
        """Tell of it, and have others looked for."""
        self._down(why)
        self.elsewhere()
