"""Signals as something to read: they ring a bell, so that one loop can handle them like all else that happens."""

import signal
import socket

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Those that mean something to the supervisor."""


class SignalBell:
    """Rung by the supervisor's signals from the moment it is there. Whoever is forked should let go of its `ends`."""

    def __init__(self) -> None:
        """Catch them all. Who has started us may ignore or block some, which we would inherit."""
        self.ends = socket.socketpair()
        self.ends[1].settimeout(0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would have the system bury our children
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.set_wakeup_fd(self.ends[1].fileno())
        for number in SIGNALS:
            signal.signal(number, lambda _number, _frame: None)

    def rung(self) -> bytes:
        """Return the numbers of the signals that came."""
        return self.ends[0].recv(64)
