"""What is told of servers that are gone: once that they are, and once that they are back."""

from collections.abc import Callable
from functools import partial
from threading import Lock

Tell = Callable[[str], None]


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
        self.edition = 0

    def up(self, name: str) -> None:
        """Count a new line to one of the servers, which works."""
        with self._lock:
            self.edition += 1
        self.forget(name)

    def down(self, name: str, why: str) -> None:
        """Note that one of them is gone."""
        with self._lock:
            self._gone.add(name)
            out, self._out = self._out, True
        if not out:
            which = f"{self._shown}: {name}" if name else self._shown
            self._warn(f"{which} is gone, and this host goes on alone: {why}")

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
