"""The Python floor: a pymilter service that accepts everything.

usage: acceptall.py SOCKET envelope|quiet [--processes N]

envelope replies to connect, helo, mail and rcpt, quiet to rcpt alone; no content either way. With --processes the
listening socket is opened once, and so many forked children accept from it, each pinned to a CPU of its own: that
spares the threads in it the hand-over of the GIL between CPUs.
"""

import argparse
import os
import signal
import stat
from pathlib import Path

import Milter

TIMEOUT = 300
BACKLOG = 512


class Envelope(Milter.Base):  # type: ignore[misc]  # pymilter has no types
    """Connect, helo, mail and rcpt reach Python, and all are replied to."""

    def connect(self, _name: str, _family: int, hostaddr: object) -> int:
        self.client = hostaddr
        return int(Milter.CONTINUE)

    def hello(self, _name: str) -> int:
        return int(Milter.CONTINUE)

    def envfrom(self, _sender: str, *_parameters: str) -> int:
        return int(Milter.CONTINUE)

    def envrcpt(self, _recipient: str, *_parameters: str) -> int:
        return int(Milter.CONTINUE)

    def eom(self) -> int:
        return int(Milter.ACCEPT)


class Quiet(Envelope):
    """The same, but only rcpt is replied to."""

    connect = Milter.noreply(Envelope.connect)
    hello = Milter.noreply(Envelope.hello)
    envfrom = Milter.noreply(Envelope.envfrom)


MODES = {"envelope": Envelope, "quiet": Quiet}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--processes", type=int)
    arguments = parser.parse_args()
    Milter.factory = MODES[arguments.mode]
    Milter.set_flags(Milter.ADDHDRS)
    Milter.setbacklog(BACKLOG)
    if arguments.processes:
        _prefork(arguments.socket, arguments.processes)
    else:
        Milter.runmilter("acceptall", arguments.socket, TIMEOUT)


def _prefork(socket: str, processes: int) -> None:
    _open_shared_socket(socket)
    cpus = sorted(os.sched_getaffinity(0))
    children = []
    for number in range(processes):
        if not (pid := os.fork()):
            os.sched_setaffinity(0, {cpus[number % len(cpus)]})
            Milter.runmilter("acceptall", socket, TIMEOUT, rmsock=False)
            os._exit(0)
        children.append(pid)

    def stop(*_: object) -> None:
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    for pid in children:
        os.waitpid(pid, 0)


def _open_shared_socket(name: str) -> None:
    """Open the listening socket that the children are to share.

    libmilter waits for it with poll() and then accepts. When two children wake up for one connection, the slower one
    would hang in accept(); a non-blocking socket sends it back to poll().
    """
    before = _descriptors()
    Milter.setconn(name)
    Milter.register("acceptall")
    Milter.opensocket(True)  # noqa: FBT003  pymilter's signature
    for descriptor in _descriptors() - before:
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            os.set_blocking(descriptor, False)


def _descriptors() -> set[int]:
    """Return the open descriptors, without the one that lists them."""
    return {int(entry.name) for entry in list(Path("/proc/self/fd").iterdir()) if entry.exists()}


if __name__ == "__main__":
    main()
