"""Says how far the bench is."""

import sys


class Progress:
    """Says on a terminal what is being done, on one line; elsewhere a line for each load."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._what = ""

    def begin(self, what: str) -> None:
        """Announce a part of the whole."""
        self._what = what
        sys.stdout.write(what if self._live else f"{what}\n")
        sys.stdout.flush()

    def now(self, detail: str) -> None:
        """Say where in it we are."""
        if self._live:
            sys.stdout.write(f"\r\x1b[K{self._what}: {detail}")
            sys.stdout.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            sys.stdout.write("\r\x1b[K")
