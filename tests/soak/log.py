"""The service's log, read through a pipe as the journal would read it, and not read where that is to be tried."""

import json
import os
from collections import Counter
from threading import Event, Thread

from soak.findings import Findings

REFUSED = "reload refused, nothing has changed"
"""An error that is the admin's."""
_PIPE = 65_536


class Log:
    """Reads the lines of a pipe, and keeps counts: `descriptor` is where to write them.

    What no line should say, or be, is among the findings.
    """

    def __init__(self, wrong: Findings) -> None:
        self._wrong = wrong
        self._end, self.descriptor = os.pipe()
        self._reads = Event()
        self._reads.set()
        self.lines = 0
        self.lost = 0
        """Lines that the service says it had no room for."""
        self.events: Counter[str] = Counter()
        """By what they say, but for those about mail."""
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def stall(self) -> None:
        """Read nothing until `go_on`."""
        self._reads.clear()

    def go_on(self) -> None:
        """Read again."""
        self._reads.set()

    def close(self) -> None:
        """Read what is left; whoever else could write must be gone."""
        os.close(self.descriptor)
        self._thread.join()
        os.close(self._end)

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(self._end, _PIPE):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
            self._reads.wait()

    def _take(self, text: bytes) -> None:
        self.lines += 1
        try:
            line = json.loads(text)
            level, event = line["level"], line["event"]
        except (ValueError, KeyError, TypeError):
            self._wrong.add(f"no line of a log: {text[:300]!r}")
            return
        if level == "error" and event != REFUSED:
            self._wrong.add(f"{event}: {str(line.get('exception', line.get('reason', line)))[-600:]}")
        if "session" not in line:
            self.events[event] += 1
            self.lost += line.get("lines", 0) if event == "log lines lost" else 0
