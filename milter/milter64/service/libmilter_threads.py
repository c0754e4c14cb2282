"""Makes libmilter look for a free thread while a callback waits.

libmilter's pool gives all sessions that have something to say at once to one idle thread. If that one then waits for
DNS, the others wait too, with nobody to serve them, until something else happens. So something happens: a session of
our own says a word whenever a verdict begins to wait. libmilter starts a thread for it if none is idle, and that thread
looks for forgotten sessions next.
"""

import socket
from contextlib import suppress
from struct import pack

from milter64.service import milter_probe

_WORD = pack("!I", 2) + b"DC"
"""SMFIC_MACRO with no macro for CONNECT, which nobody answers and no callback hears of."""
_PATIENCE = 10.0
"""Seconds in which libmilter answers, unless it is broken."""

HOLD_ON = 600.0
"""Seconds after which to call again at the latest: libmilter ends a session that has been silent for two hours."""


class LibmilterThreads:
    """To be called by whoever is about to wait; from any thread."""

    def __init__(self) -> None:
        """Do nothing yet: libmilter doesn't run."""
        self._session: socket.socket | None = None

    def __call__(self) -> None:
        """Have a thread started, unless one is idle."""
        if self._session:
            with suppress(OSError):  # full: words enough
                self._session.send(_WORD)

    def open(self, address: str | bytes) -> None:
        """Begin our session at the unix socket that libmilter listens on.

        Raises:
            OSError: libmilter doesn't answer.
        """
        session = milter_probe.begin(socket.AF_UNIX, address, _PATIENCE)
        milter_probe.finish(session)
        session.settimeout(0)
        self._session = session
