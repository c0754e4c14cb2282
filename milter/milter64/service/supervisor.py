"""The process that starts first and ends last: it owns the listening socket, the signals and the workers.

It starts no thread and opens no store, so that it can always fork. All that it waits for, signals, workers' words and
ends, arrives on a socket, or is a timer, and is handled in turn by one loop. What goes wrong costs a reload at most.

Workers come in crews, one for each configuration. A crew rises until all its workers are ready. Then they open their
doors, and a reload is over when those before have shut theirs. A crew that doesn't rise has let nobody in: it is
dismissed, and nothing has changed.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from milter64.config.listen_address import Settings
from milter64.service import channel, worker
from milter64.service.channel import Duty
from milter64.service.child_processes import RISE, ChildProcesses, kill, tidy
from milter64.service.event_loop import EventLoop, Step
from milter64.service.listening_socket import Listener, ListenError
from milter64.service.malloc_arenas import one_arena
from milter64.service.signal_bell import SignalBell
from milter64.service.systemd_notify import Notifier
from milter64.service.worker_state import Crew, Plan, Worker, backoff
from milter64.telemetry.metrics import Process

_STEADY = 60.0
"""Seconds of life after which a worker's death is the first one again."""
_LEAVE = 20.0
"""Seconds that a crew that retires has to shut its doors in; a worker that doesn't answer is killed before."""
_LOOK = 2.0
"""Seconds between two looks whether all is well, if systemd doesn't want to hear of it more often."""


def run(plan: Plan, reload: Callable[[], Plan]) -> int:
    """Serve until TERM or INT, and return the exit code. HUP puts what `reload` returns in the place of `plan`.

    It raises ValueError or OSError, with a message for the log, for a configuration that is no good.
    """
    one_arena()  # and that of all who are forked
    return _Supervisor(reload).run(plan)


class _Supervisor:
    def __init__(self, reload: Callable[[], Plan]) -> None:
        self._load = reload
        self._rising: Crew | None = None
        self._serving: Crew | None = None
        self._taking_over = False
        self._loop = EventLoop(self._do)
        self._wait_no_more: Callable[[], None] = lambda: None
        self._children = ChildProcesses(self._loop, self._hear)
        self._reload_again = False
        self._gone = ""
        self._exit_code: int | None = None
        self._notify = Notifier(os.environ)
        self._pause = min(self._notify.watchdog / 3 or _LOOK, _LOOK)  # three times within the watchdog's time

    def run(self, plan: Plan) -> int:
        self._bell = SignalBell()
        self._loop.when_readable(self._bell.ends[0], self._handle_signals)
        self._log = plan.log
        try:
            self._raise(plan, self._open(plan.settings), "ready")
        except ListenError as error:
            self._log.error("cannot start", reason=str(error))
            return error.code
        self._loop.later(self._pause, self._look)
        while self._exit_code is None or self._children.everybody:
            self._loop.turn()
        self._log.info("stopped")
        return self._exit_code

    def _do(self, step: Step) -> None:
        """Do a step. If it fails for a reason that nobody has thought of, give up the crew that rises, and go on."""
        try:
            step()
        except Exception:  # noqa: BLE001  logged, unless that is what fails
            with suppress(Exception):
                self._log.exception("fault", where="supervisor")
            with suppress(Exception):
                if self._rising:
                    self._dismiss("a fault in milter64")

    def _handle_signals(self) -> None:
        for number in self._bell.rung():
            if self._exit_code is not None:
                continue
            if number == signal.SIGHUP:
                self._reload()
            else:
                self._log.info("stopping", signal=signal.Signals(number).name)
                self._stop(os.EX_OK)

    # Crews

    def _open(self, settings: Settings) -> Listener:
        if self._serving and self._serving.listener.endpoint == settings.socket and self._serving.listener.in_place:
            return self._serving.listener
        return Listener(settings.socket, settings.socket_mode, settings.socket_group)

    def _raise(self, plan: Plan, listener: Listener, event: str) -> None:
        crew = self._rising = Crew(plan=plan, listener=listener, event=event)
        tidy()
        try:
            for cpu in worker.cpus(plan.settings.workers):
                self._hire(crew, partial(worker.run, listener.socket, work=plan.work, log=plan.log, cpu=cpu))
        except OSError as error:
            self._dismiss(f"can't start a worker: {error.strerror}")
        else:
            late = partial(self._dismiss, f"the workers are not ready after {RISE:g} s")
            self._wait_no_more = self._loop.later(RISE, late)

    def _risen(self) -> Crew:
        """Return the crew that rises, which is no longer to be waited for."""
        crew, self._rising = self._rising, None
        assert crew
        self._wait_no_more()
        return crew

    def _reload(self) -> None:
        if self._rising or self._taking_over:
            self._reload_again = True
            return
        self._notify.reloading()
        try:
            plan = self._load()
            listener = self._open(plan.settings)
        except (ValueError, OSError, ListenError) as error:
            self._refuse(str(error))
        except Exception as error:  # noqa: BLE001  such as RecursionError, of a file
            self._log.exception("fault", where="reload")
            self._refuse(repr(error))
        else:
            self._raise(plan, listener, "reloaded")

    def _take_over(self) -> None:
        """Let the crew that has risen serve, and the one before retire."""
        crew, before = self._rising, self._serving
        assert crew
        try:
            crew.listener.permit(crew.plan.settings.socket_mode, crew.plan.settings.socket_group)
        except ListenError as error:
            self._dismiss(str(error))
            return
        self._risen()
        self._serving, self._taking_over, self._log = crew, True, crew.plan.log
        self._children.order(crew, channel.OPEN)
        if before:
            self._children.order(before, channel.RETIRE)
            if before.listener is not crew.listener:
                before.listener.close()
        self._wait_no_more = self._loop.later(_LEAVE, partial(self._tell, crew))
        self._look_who_leaves()

    def _look_who_leaves(self) -> None:
        others = [member for member in self._children.everybody if member.crew is not self._serving]
        if self._taking_over and self._serving and all(each.shut for each in others if each.process == "worker"):
            self._tell(self._serving)

    def _tell(self, crew: Crew) -> None:
        """Say that the crew serves, and nobody else does."""
        self._wait_no_more()
        self._taking_over = False
        bound, workers = str(crew.listener.bound), len(self._children.of(crew))
        self._log.info(crew.event, socket=bound, workers=workers, mode=crew.plan.mode)
        if crew.event == "reloaded":
            crew.plan.counts.reloaded("done")
        self._notify.ready(f"{crew.event}: {bound}, workers: {workers}")
        if crew.plan.metrics:  # only now: no mail depends on it
            self._rehire(crew, partial(crew.plan.metrics, crew.listener.bound), "metrics server", 0)
        self._settle()

    def _dismiss(self, reason: str, exit_code: int = os.EX_SOFTWARE) -> None:
        """Give up the crew that rises."""
        crew = self._risen()
        for member in self._children.of(crew):
            if not member.ready:
                kill(member, signal.SIGKILL)
        self._children.order(crew, channel.RETIRE)
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
        event = "reload refused, nothing has changed"
        self._log.error(event, reason=reason)
        if self._serving:
            self._serving.plan.counts.reloaded("refused")
        self._notify.ready(f"{event}: {reason}")

    def _settle(self) -> None:
        """Make up for the HUP that came while a crew was rising."""
        if self._reload_again:
            self._reload_again = False
            self._reload()

    def _stop(self, exit_code: int) -> None:
        """Let nobody in, and tell all workers to end, those too that have retired."""
        self._exit_code = exit_code
        self._notify.stopping()
        for listener in {crew.listener for crew in (self._rising, self._serving) if crew}:
            listener.close()
        self._rising = self._serving = None
        self._wait_no_more()
        self._children.order(None, channel.STOP)

    # Whether all is well

    def _look(self) -> None:
        """See to it that everybody answers, and that the socket is there; tell systemd and the metrics server."""
        self._loop.later(self._pause, self._look)
        self._children.tend(self._log)
        self._children.report(self._serving)
        if stuck := self._children.stuck(self._serving):
            self._notify.status(f"workers that don't answer: {', '.join(map(str, stuck))}")
        else:
            self._notify.alive()
        self._look_for_socket()

    def _look_for_socket(self) -> None:
        """Open the socket anew where its file was deleted or replaced, as soon as that can be done."""
        serving = self._serving
        if not serving or self._rising or self._taking_over:
            return
        try:
            if (listener := self._open(serving.plan.settings)) is serving.listener:
                self._gone = ""
                return
        except ListenError as error:
            if str(error) != self._gone:
                self._log.error("the socket's file is gone, nobody can connect", reason=str(error))
                self._gone = str(error)
            return
        self._log.warning("the socket's file was deleted or replaced", socket=str(listener.bound))
        self._raise(serving.plan, listener, "socket opened anew")

    # Workers

    def _hire(self, crew: Crew, duty: Duty, process: Process = "worker", deaths: int = 0) -> None:
        listeners = {risen.listener.socket for risen in (self._rising, self._serving) if risen}
        self._children.hire(crew, duty, process, deaths, [*self._bell.ends, *(listeners - {crew.listener.socket})])

    def _hear(self, member: Worker) -> None:
        try:
            word = member.channel.recv(1)
        except ConnectionResetError:  # it died with our word unread
            word = b""
        if not word:
            self._bury(member)
            return
        was_ready = member.ready
        member.hear(word)
        if not was_ready:
            if member.crew is self._serving and member.process == "worker":
                member.order(channel.OPEN)
            elif member.crew is self._rising and all(other.ready for other in self._children.of(member.crew)):
                self._take_over()
            self._children.report(self._serving)
        else:
            self._look_who_leaves()

    def _bury(self, member: Worker) -> None:
        exit_code, doing = self._children.bury(member)
        crew = member.crew
        crew.plan.counts.left(member.slot)
        if crew is self._rising:
            reason = f"worker {member.pid} ended with {exit_code} before all were ready; the lines before say why"
            self._dismiss(reason, os.EX_UNAVAILABLE if exit_code == os.EX_UNAVAILABLE else os.EX_SOFTWARE)
        elif crew is self._serving:
            deaths = member.deaths if time.monotonic() - member.born < _STEADY else 0
            event = f"{member.process} died"
            self._log.warning(event, pid=member.pid, exit_code=exit_code, doing=doing, replaced_in=backoff(deaths))
            crew.plan.counts.died(member.process)
            self._replace(crew, member.duty, member.process, deaths)
            self._children.report(self._serving)
        else:
            self._look_who_leaves()
            tidy()  # with the last of a crew goes what its workers shared, descriptors too

    def _replace(self, crew: Crew, duty: Duty, process: Process, deaths: int) -> None:
        self._loop.later(backoff(deaths), partial(self._rehire, crew, duty, process, deaths + 1))

    def _rehire(self, crew: Crew, duty: Duty, process: Process, deaths: int) -> None:
        if crew is not self._serving:
            return
        try:
            self._hire(crew, duty, process, deaths)
        except OSError as error:
            self._log.error("can't start a worker", reason=error.strerror)
            self._replace(crew, duty, process, deaths)
