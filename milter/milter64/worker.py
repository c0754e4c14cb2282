"""One process of the service: libmilter, its threads, and how it ends.

libmilter's own ways to end are all of them wrong here: they take up to five seconds, drop the connection that was
accepted last, and cut sessions off. So it is never told to stop. Its listening descriptor is made to point at a socket
that nobody knows, its sessions are waited for, and then the process is over.

No list of sessions is kept for that. The kernel has it: the connections whose own address is the listening socket's. It
holds those that have not said a word yet, and no callback can forget one.
"""

import gc
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Protocol

import Milter

from milter64.relief import HOLD_ON, Relief

Work = Callable[[Callable[[], None]], AbstractContextManager[Mapping[str, Callable[..., int]]]]
"""Opens in a worker what its sessions share, gives what libmilter is to call, and closes all in the end.

It is given what a callback must call before it waits (see `relief`).
"""

Duty = Callable[[socket.socket], int]
"""What a child of the supervisor does: given its channel to it, it returns the process's exit code."""


class Log(Protocol):
    """Where lines go that an admin should read."""

    def info(self, event: str, **fields: object) -> None:
        """Log something that is worth knowing."""

    def warning(self, event: str, **fields: object) -> None:
        """Log something that an admin should look at."""

    def error(self, event: str, **fields: object) -> None:
        """Log something that an admin must look at."""

    def exception(self, event: str, **fields: object) -> None:
        """Log our own fault, with the traceback of the exception that is being handled."""


READY = b"+"
"""What a worker says when it serves, and when it is asked."""

ASK = b"?"
"""What a worker is asked, to see that it isn't stuck."""

RETIRE = b"r"
STOP = b"s"
"""What a worker is told: take no new session, and end when the last is over."""

GRACE = {
    RETIRE: 3600.0,  # a session may last that long (Postfix's limits add up to less)
    STOP: 5.0,
    bytes([signal.SIGTERM]): 5.0,
    b"": 0.5,  # the supervisor is gone
}
"""Seconds that sessions are given to end in, for each way to be told."""

_SOCKET = "fd:{}"
"""What libmilter calls a socket that is open already; Debian's does, and few others."""

_ENDED = b"\0"
"""What the thread of libmilter says if it ever ends."""

_NUDGE = bytes([signal.SIGUSR2])
"""What a thread of libmilter is interrupted with; it means nothing else."""

_TICK = 0.02
"""Seconds between two looks at the sessions of a worker that ends."""

_GARBAGE = (20_000, 20, 20)
"""Objects between two looks for cycles, of which sessions leave none; the usual 700 are a dozen sessions' worth."""

_FILES = 8192
"""Open files that a worker may have: with the usual limit libmilter stops answering above about a thousand sessions."""

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def run(listener: socket.socket, channel: socket.socket, work: Work, log: Log, cpu: int | None) -> int:
    """Serve the sessions that come in over `listener` until told to end, and return the process's exit code.

    To be called on the main thread of a process of its own, with TERM, INT and HUP blocked. `channel` leads to the
    supervisor, `cpu` is the one to stay on.
    """
    _raise_file_limit()
    bell, ringer = socket.socketpair()
    _catch_signals(ringer)
    _pin(cpu, log)
    try:
        relief = Relief()
        with work(relief) as callbacks:
            gc.collect()
            gc.freeze()  # what was there at the start stays till the end, and need not be looked through again
            gc.set_threshold(*_GARBAGE)
            door = _door(listener)
            # A session of ours over the shared listener might end up in another worker.
            with _unknown() as own, listener.dup() as shared:
                os.dup2(own.fileno(), listener.fileno(), inheritable=False)
                libmilter = _start_libmilter(listener, callbacks, ringer)
                relief.open(own.getsockname())
                _replace(listener, shared, libmilter)
            channel.send(READY)
            return _serve(channel, bell, relief, door, partial(_shut, listener, libmilter))
    except Milter.error as error:
        remedy = f"milter64 hands it sockets as {_SOCKET.format('N')}: use Debian's libmilter, or one that can do so"
        log.error("this libmilter can't take over a socket", reason=str(error), remedy=remedy)  # noqa: TRY400  our words say more
        return os.EX_UNAVAILABLE
    except Exception:
        log.exception("worker failed")
        return os.EX_SOFTWARE


def _pin(cpu: int | None, log: Log) -> None:
    """Stay on one CPU: handing the GIL over between CPUs costs more than all our Python."""
    try:
        if cpu is None:
            log.info("not pinned", pid=os.getpid(), reason="one worker alone may go where it likes")
        else:
            os.sched_setaffinity(0, {cpu})
            # A thread that wakes must not interrupt the one that holds the GIL: it could only wait for it.
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError as error:  # slower, but no reason not to serve
        log.info("not pinned", pid=os.getpid(), reason=error.strerror)


def cpus(workers: int | None) -> list[int | None]:
    """Return the CPU for each of so many workers, None for one on each. One alone may go where it likes."""
    usable = sorted(os.sched_getaffinity(0))
    count = len(usable) if workers is None else workers
    return [None] if count == 1 else [usable[number % len(usable)] for number in range(count)]


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _catch_signals(ringer: socket.socket) -> None:
    """Have TERM ring the bell; INT and HUP are the supervisor's business, also if they reach the process group.

    libmilter waits for all three on a thread of its own, but the kernel prefers a main thread that doesn't block them.
    """
    ringer.settimeout(0)
    signal.set_wakeup_fd(ringer.fileno())
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    signal.signal(signal.SIGUSR2, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _start_libmilter(
    listener: socket.socket, callbacks: Mapping[str, Callable[..., int]], ringer: socket.socket
) -> Thread:
    # Milter.runmilter would do all this on libmilter's thread, where nobody would hear that the socket can't be used.
    # The answer where pymilter can't decode what a callback is to be given, such as the name of a header field. After
    # any other, libmilter would take the message for ended, and leave its end without a reply.
    Milter.set_exception_policy(Milter.CONTINUE)
    for event, callback in callbacks.items():
        if event != "negotiate":
            getattr(Milter, f"set_{event}_callback")(callback)
    Milter.setconn(_SOCKET.format(listener.fileno()))
    Milter.register("milter64", negotiate=callbacks["negotiate"])
    Milter.opensocket(False)  # noqa: FBT003  pymilter's C code has no keyword for: remove the file

    def main() -> None:
        try:
            Milter.main()
        finally:
            ringer.send(_ENDED)

    thread = Thread(target=main, daemon=True)
    thread.start()
    return thread


Door = tuple[int, str | int]
"""What a listening socket has in common with the connections that come in over it."""


def _serve(channel: socket.socket, bell: socket.socket, relief: Relief, door: Door, shut: Callable[[], None]) -> int:
    """Wait for the word to end, then for the sessions, as long as the word allows."""
    sources = [channel, bell]
    deadline: float | None = None
    quiet = 0
    while deadline is None or (time.monotonic() < deadline and quiet < 2):  # noqa: PLR2004  see below
        readable, _, _ = select.select(sources, [], [], HOLD_ON if deadline is None else _TICK)
        relief()
        for source in readable:
            word = source.recv(1)
            if word == _ENDED:
                return os.EX_SOFTWARE
            if word == _NUDGE:
                continue
            if word == ASK:
                with suppress(OSError):  # the supervisor is gone, as the next look will show
                    channel.send(READY)
                continue
            if not word:
                sources.remove(source)
            if deadline is None:
                shut()
            deadline = min(deadline or float("inf"), time.monotonic() + GRACE[word])
        # One look could miss a connection that libmilter was accepting while the listener was shut.
        quiet = 0 if readable or _has_sessions(door) else quiet + 1
    return os.EX_OK


def _shut(listener: socket.socket, libmilter: Thread) -> None:
    """Let no new session in: put a socket that nobody knows in the listener's place, under libmilter's eyes."""
    with _unknown() as unknown:
        _replace(listener, unknown, libmilter)


def _unknown() -> socket.socket:
    """Return a listening socket with a name that the kernel makes up, unix(7)."""
    unknown = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    unknown.bind("")
    unknown.listen()
    return unknown


def _replace(listener: socket.socket, by: socket.socket, libmilter: Thread) -> None:
    """Have libmilter listen at another socket, and at once: its poll(), up to five seconds long, is interrupted."""
    os.dup2(by.fileno(), listener.fileno(), inheritable=False)
    if libmilter.is_alive() and libmilter.ident:
        signal.pthread_kill(libmilter.ident, signal.SIGUSR2)


def _door(end: socket.socket) -> Door:
    """Return what a listening socket has in common with the connections that come in over it."""
    name = end.getsockname()
    return end.family, name if isinstance(name, str) else name[1]


def _has_sessions(door: Door) -> bool:
    """Whether a connection is open that came in by that door."""
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            end = socket.socket(fileno=int(descriptor.name))
        except OSError:  # no socket, or closed by now
            continue
        try:
            if end.type == socket.SOCK_STREAM and _door(end) == door:
                return True
        except OSError:  # closed by now
            pass
        finally:
            end.detach()
    return False
