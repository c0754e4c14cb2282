"""One process of the service: libmilter, its threads, and how it ends.

libmilter's own ways to end are all of them wrong here: they take up to five seconds, drop the connection that was
accepted last, and cut sessions off. So it is never told to stop. Its door is shut (libmilter_socket.py), its sessions
are waited for, and then the process is over.
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
from threading import Thread

import Milter

from milter64.service.channel import ASK, GRACE, OPEN, READY, SHUT, Log
from milter64.service.libmilter_socket import Door
from milter64.service.libmilter_threads import HOLD_ON, LibmilterThreads
from milter64.service.malloc_arenas import give_back

Work = Callable[[int, Callable[[], None]], AbstractContextManager[Mapping[str, Callable[..., int]]]]
"""Opens in a worker what its sessions share, gives what libmilter is to call, and closes all in the end.

It is given its slot, a number that no other living child of the supervisor has, and what a callback must call before
it waits (see `libmilter_threads`).
"""

_SILENCE = 10 * 366 * 86400
"""Seconds of silence after which libmilter ends a session, by the wall clock: a step of it would end every one."""
_SOCKET = "fd:{}"
"""What libmilter calls a socket that is open already; Debian's does, and few others."""

_ENDED = b"\0"
"""What the thread of libmilter says if it ever ends."""

_NUDGE = bytes([signal.SIGUSR2])
"""What a thread of libmilter is interrupted with; it means nothing else."""

_GOES_ON = frozenset({_NUDGE, OPEN, ASK})
"""Words that don't end a worker."""

_TICK = 0.02
"""Seconds between two looks at the sessions of a worker that ends."""

_GARBAGE = (20_000, 20, 20)
"""Objects between two looks for cycles, of which sessions leave none; the usual 700 are a dozen sessions' worth."""

_GIVE_BACK = 60.0
"""Seconds, about, after which memory is given back that was wanted for a moment."""

_FILES = 8192
"""Open files that a worker may have: with the usual limit libmilter stops answering above about a thousand sessions."""

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def run(  # noqa: PLR0913, PLR0917  all that the supervisor hands to a worker
    listener: socket.socket, channel: socket.socket, slot: int, work: Work, log: Log, cpu: int | None
) -> int:
    """Serve the sessions that come in over `listener` from when told to until told to end; return the exit code.

    To be called on the main thread of a process of its own, with TERM, INT and HUP blocked. `channel` leads to the
    supervisor, `slot` is for `work`, `cpu` is the one to stay on.
    """
    _raise_file_limit()
    bell, ringer = socket.socketpair()
    _catch_signals(ringer)
    _pin(cpu, log)
    try:
        threads = LibmilterThreads()
        with work(slot, threads) as callbacks:
            gc.collect()
            gc.freeze()  # what was there at the start stays till the end, and need not be looked through again
            gc.set_threshold(*_GARBAGE)
            door = Door(listener)  # a session of ours over the shared listener might end up in another worker
            libmilter = _start_libmilter(listener, callbacks, ringer)
            threads.open(door.address)
            door.belong(libmilter)
            channel.send(READY)
            return _serve(channel, bell, threads, door)
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
    Milter.settimeout(_SILENCE)
    Milter.opensocket(False)  # noqa: FBT003  pymilter's C code has no keyword for: remove the file

    def main() -> None:
        try:
            Milter.main()
        finally:
            ringer.send(_ENDED)

    thread = Thread(target=main, daemon=True)
    thread.start()
    return thread


def _serve(channel: socket.socket, bell: socket.socket, threads: LibmilterThreads, door: Door) -> int:
    """Wait for the word to end, then for the sessions, as long as the word allows."""
    sources = [channel, bell]
    deadline: float | None = None
    quiet, tidy = 0, _every(_GIVE_BACK, give_back)
    while deadline is None or (time.monotonic() < deadline and quiet < 2):  # noqa: PLR2004  see below
        readable = _readable([*sources, *door.visitors], (door.wait or HOLD_ON) if deadline is None else _TICK)
        threads()
        tidy()
        if door.answered():
            _answer(channel)
        for source in readable:
            if source not in sources:
                continue
            word = _word(source)
            if word == _ENDED:
                return os.EX_SOFTWARE
            if word in _GOES_ON:
                _heed(word, channel, door)
                continue
            if not word:
                sources.remove(source)
            if deadline is None:
                door.shut()
                _answer(channel, SHUT)  # who was sent to see whether we serve sees nothing any more
            deadline = min(deadline or float("inf"), time.monotonic() + GRACE[word])
        # One look could miss a connection that libmilter was accepting while the listener was shut.
        quiet = 0 if readable or door.has_sessions else quiet + 1
    return os.EX_OK


def _heed(word: bytes, channel: socket.socket, door: Door) -> None:
    """Do what was said to a worker that goes on."""
    if word == OPEN:
        door.open()
    elif word == ASK:
        door.ask() if door.is_open else _answer(channel)


def _every(seconds: float, do: Callable[[], None]) -> Callable[[], None]:
    """Return what does something when it is called, if that many seconds have passed since the last time."""
    done = time.monotonic()

    def when_due() -> None:
        nonlocal done
        if time.monotonic() - done >= seconds:
            do()
            done = time.monotonic()

    return when_due


def _word(source: socket.socket) -> bytes:
    """Return what is said next, nothing where nobody is there any more."""
    try:
        return source.recv(1)
    except ConnectionError:  # it is gone, and has not read all that we had said
        return b""


def _answer(channel: socket.socket, word: bytes = READY) -> None:
    with suppress(OSError):  # the supervisor is gone, as the next look will show
        channel.send(word)


def _readable(sources: list[socket.socket], seconds: float) -> list[socket.socket]:
    waiting = select.poll()  # select() knows no descriptors above 1023
    for source in sources:
        waiting.register(source, select.POLLIN)
    ready = {descriptor for descriptor, _ in waiting.poll(seconds * 1000)}
    return [source for source in sources if source.fileno() in ready]
