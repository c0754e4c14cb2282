"""The process that starts first and ends last: it owns the listening socket, the signals and the workers.

It starts no thread and opens no store, so that it can always fork. Everything that it waits for, a signal, a worker's
word, a worker's end, arrives on a socket, or is a timer; all of them are handled one after another by one loop.

Workers come in crews, one for each configuration. A crew rises until all its workers are ready, then it serves and the
one before retires, and that is a reload. A crew that doesn't rise is dismissed, and nothing has changed.
"""

import os
import sched
import selectors
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from milter64 import worker
from milter64.crew import Crew, Plan, Worker, backoff
from milter64.listener import Settings
from milter64.notify import Notifier
from milter64.sockets import Listener, ListenError
from milter64.worker import Duty

__all__ = ["Plan", "run"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_STEADY = 60.0
"""Seconds of life after which a worker's death is the first one again."""
_RISE = 30.0
"""Seconds that a crew has to get ready."""
_PATIENCE = 3
"""How many times within the watchdog's time systemd is told that all is well."""
_STOP = worker.GRACE[worker.STOP] + 0.75
"""Seconds after which workers that were told to stop are killed."""


def run(plan: Plan, reload: Callable[[], Plan]) -> int:
    """Serve until TERM or INT, and return the exit code. HUP puts what `reload` returns in the place of `plan`.

    `reload` raises ValueError or OSError for a configuration that is no good; the message is for the log.
    """
    return _Supervisor(reload).run(plan)


class _Supervisor:
    def __init__(self, reload: Callable[[], Plan]) -> None:
        self._load = reload
        self._rising: Crew | None = None
        self._serving: Crew | None = None
        self._workers: set[Worker] = set()
        self._timers = sched.scheduler(time.monotonic)
        self._selector = selectors.PollSelector()
        self._bell, self._ringer = socket.socketpair()
        self._reload_again = False
        self._exit_code: int | None = None
        self._notify = Notifier(os.environ)

    def run(self, plan: Plan) -> int:
        self._catch_signals()
        self._log = plan.log
        try:
            self._raise(plan, self._open(plan.settings))
        except ListenError as error:
            self._log.error("cannot start", reason=str(error))
            return error.code
        if self._notify.watchdog:
            self._watch(self._notify.watchdog / _PATIENCE)
        while self._exit_code is None or self._workers:
            for key, _ in self._selector.select(self._timers.run(blocking=False)):
                key.data()
        self._log.info("stopped")
        return self._exit_code

    def _catch_signals(self) -> None:
        self._ringer.settimeout(0)
        signal.set_wakeup_fd(self._ringer.fileno())
        for number in _SIGNALS:
            signal.signal(number, lambda _number, _frame: None)
        self._selector.register(self._bell, selectors.EVENT_READ, self._handle_signals)

    def _handle_signals(self) -> None:
        for number in self._bell.recv(64):
            if self._exit_code is not None:
                continue
            if number == signal.SIGHUP:
                self._reload()
            else:
                self._log.info("stopping", signal=signal.Signals(number).name)
                self._stop(os.EX_OK)

    # Crews

    def _open(self, settings: Settings) -> Listener:
        if self._serving and self._serving.listener.endpoint == settings.socket:
            return self._serving.listener
        return Listener(settings.socket, settings.socket_mode, settings.socket_group)

    def _raise(self, plan: Plan, listener: Listener) -> None:
        crew = self._rising = Crew(plan=plan, listener=listener)
        try:
            for cpu in worker.cpus(plan.settings.workers):
                self._hire(crew, partial(worker.run, listener.socket, work=plan.work, log=plan.log, cpu=cpu))
        except OSError as error:
            self._dismiss(f"can't start a worker: {error.strerror}")
        else:
            self._timers.enter(_RISE, 0, self._check_rise, (crew,))

    def _check_rise(self, crew: Crew) -> None:
        if crew is self._rising:
            self._dismiss(f"the workers are not ready after {_RISE:g} s")

    def _reload(self) -> None:
        if self._rising:
            self._reload_again = True
            return
        self._notify.reloading()
        try:
            plan = self._load()
            listener = self._open(plan.settings)
        except (ValueError, OSError, ListenError) as error:
            self._refuse(str(error))
        else:
            self._raise(plan, listener)

    def _take_over(self, crew: Crew) -> None:
        """Let the crew that has risen serve, and the one before retire."""
        settings, before = crew.plan.settings, self._serving
        try:
            crew.listener.permit(settings.socket_mode, settings.socket_group)
        except ListenError as error:
            self._dismiss(str(error))
            return
        self._rising, self._serving, self._log = None, crew, crew.plan.log
        if before:
            self._order(before, worker.RETIRE)
            if before.listener is not crew.listener:
                before.listener.close()
        event = "reloaded" if before else "ready"
        bound, workers = str(crew.listener.bound), len(self._members(crew))
        self._log.info(event, socket=bound, workers=workers)
        self._notify.ready(f"{event}: {bound}, workers: {workers}")
        if crew.plan.metrics:  # only now: no mail depends on it
            self._rehire(crew, crew.plan.metrics, 0)
        self._settle()

    def _dismiss(self, reason: str, exit_code: int = os.EX_SOFTWARE) -> None:
        """Give up the crew that rises; those of it who are ready may have sessions already."""
        crew, self._rising = self._rising, None
        assert crew
        for member in self._members(crew):
            if not member.ready:
                os.kill(member.pid, signal.SIGKILL)
        self._order(crew, worker.RETIRE)
        if not self._serving:
            self._log.error("cannot start", reason=reason)
            crew.listener.close()
            self._stop(exit_code)
            return
        if crew.listener is not self._serving.listener:
            crew.listener.close()
        self._refuse(reason)
        self._settle()

    def _refuse(self, reason: str) -> None:
        self._log.error("reload refused, nothing has changed", reason=reason)
        self._notify.ready(f"reload refused, nothing has changed: {reason}")

    def _settle(self) -> None:
        """Make up for the HUP that came while a crew was rising."""
        if self._reload_again:
            self._reload_again = False
            self._reload()

    def _members(self, crew: Crew) -> list[Worker]:
        return [member for member in self._workers if member.crew is crew]

    def _order(self, crew: Crew, word: bytes) -> None:
        for member in self._members(crew):
            member.order(word)

    def _stop(self, exit_code: int) -> None:
        """Let nobody in, and tell all workers to end, those too that have retired."""
        self._exit_code = exit_code
        self._notify.stopping()
        for listener in {crew.listener for crew in (self._rising, self._serving) if crew}:
            listener.close()
        self._rising = self._serving = None
        for crew in {member.crew for member in self._workers}:
            self._order(crew, worker.STOP)
        self._timers.enter(_STOP, 0, self._kill)

    def _kill(self) -> None:
        for member in self._workers:
            self._log.warning("worker killed", pid=member.pid)
            os.kill(member.pid, signal.SIGKILL)

    def _watch(self, pause: float) -> None:
        """Tell systemd that all is well if each worker that serves has answered since the last time; ask them again."""
        serving = [each for each in self._members(self._serving) if self._must_answer(each)] if self._serving else []
        asleep = [member.pid for member in serving if not member.awake]
        for member in serving:
            member.ask()
        if asleep:
            self._notify.status(f"workers that don't answer: {', '.join(map(str, asleep))}")
        else:
            self._notify.alive()
        self._timers.enter(pause, 0, self._watch, (pause,))

    @staticmethod
    def _must_answer(member: Worker) -> bool:
        """Whether a worker should answer by now: one that is to replace another has time to get ready."""
        return member.answers and (member.ready or time.monotonic() - member.born > _RISE)

    # Workers

    def _hire(self, crew: Crew, duty: Duty, deaths: int = 0) -> None:
        """Fork a worker.

        Raises:
            OSError: the system has no room for another process.
        """
        ours, theirs = socket.socketpair()
        # No signal may reach a child that has our handlers.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
            if not pid:
                ours.close()
                self._become_worker(crew, theirs, duty)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        member = Worker(crew=crew, duty=duty, pid=pid, channel=ours, deaths=deaths)
        self._workers.add(member)
        self._selector.register(ours, selectors.EVENT_READ, partial(self._hear, member))

    def _become_worker(self, crew: Crew, channel: socket.socket, duty: Duty) -> NoReturn:
        """Be a worker from here on: keep nothing of the supervisor's, so that others can tell when it is gone."""
        exit_code = os.EX_SOFTWARE
        try:
            for other in self._workers:
                other.channel.close()
            for risen in (self._rising, self._serving):
                if risen and risen.listener is not crew.listener:
                    risen.listener.socket.close()
            self._bell.close()
            self._ringer.close()
            exit_code = duty(channel)
        finally:
            os._exit(exit_code)

    def _hear(self, member: Worker) -> None:
        try:
            member.ready = bool(member.channel.recv(1))
        except ConnectionResetError:  # it died with our word unread
            member.ready = False
        member.awake = member.ready
        if not member.ready:
            self._bury(member)
        elif member.crew is self._rising and all(other.ready for other in self._members(member.crew)):
            self._take_over(member.crew)

    def _bury(self, member: Worker) -> None:
        self._workers.remove(member)
        self._selector.unregister(member.channel)
        member.channel.close()
        _, status = os.waitpid(member.pid, 0)
        exit_code = os.waitstatus_to_exitcode(status)
        if (crew := member.crew) is self._rising:
            reason = f"worker {member.pid} ended with {exit_code} before all were ready"
            self._dismiss(reason, os.EX_UNAVAILABLE if exit_code == os.EX_UNAVAILABLE else os.EX_SOFTWARE)
        elif crew is self._serving:
            deaths = member.deaths if time.monotonic() - member.born < _STEADY else 0
            event = "metrics server died" if member.duty is crew.plan.metrics else "worker died"
            self._log.warning(event, pid=member.pid, exit_code=exit_code, replaced_in=backoff(deaths))
            self._replace(crew, member.duty, deaths)

    def _replace(self, crew: Crew, duty: Duty, deaths: int) -> None:
        self._timers.enter(backoff(deaths), 0, self._rehire, (crew, duty, deaths + 1))

    def _rehire(self, crew: Crew, duty: Duty, deaths: int) -> None:
        if crew is not self._serving:
            return
        try:
            self._hire(crew, duty, deaths)
        except OSError as error:
            self._log.error("can't start a worker", reason=error.strerror)
            self._replace(crew, duty, deaths)
