"""Who asks servers in the background where something is: one after the other, until one answers."""

from collections.abc import Callable, Sequence
from threading import Event, Thread

from milter64.sharing.interface import Reply
from milter64.sharing.line import Line, LineBroken, pack, said
from milter64.sharing.server_url import Host

_EACH = 1.0
"""Seconds from one question to the next, and how many there are at least where it is asked out of turn."""
_HURRY = 0.25
_PATIENCE = 0.3
"""Seconds for an answer."""


class Seeker:
    """Asks each second, over a line that stays, and goes on to the next server where one fails."""

    def __init__(
        self,
        hosts: Callable[[], Sequence[Host]],
        dial: Callable[[Host], Line],
        command: Sequence[str],
        heard: Callable[[Host, Reply], str],
        silent: Callable[[str], None],
    ) -> None:
        """Ask one of `hosts()`, and hand what it answers to `heard`, which returns what is wrong with that, or "".

        `silent` is told why where none of them had an answer of use.
        """
        self._hosts = hosts
        self._dial = dial
        self._command = pack([command])
        self._heard = heard
        self._silent = silent
        self._closed = False
        self._hurry = Event()
        self._line: Line | None = None
        self._at: Host | None = None

    def start(self) -> None:
        """Begin."""
        Thread(target=self._run, name="sharing", daemon=True).start()

    def hurry(self) -> None:
        """Ask soon, and another server: what the last one said is out of date."""
        self._hurry.set()

    def close(self) -> None:
        """Ask no more."""
        self._closed = True
        self._hurry.set()

    def _run(self) -> None:
        while not self._closed:
            self._round()
            hurried = self._hurry.wait(_EACH)
            if hurried and not self._closed:
                self._hang_up()
                Event().wait(_HURRY)  # those that ask to hurry do it often
            self._hurry.clear()
        self._hang_up()

    def _round(self) -> None:
        """Ask until one answers; each of them once."""
        why = ""
        for host in self._in_turn():
            if self._closed:
                return
            try:
                if not self._line:
                    self._line = self._dial(host)
                    self._at = host
                (reply,) = self._line.exchange(self._command, 1, _PATIENCE)
                why = self._heard(host, reply)
            except Exception as error:  # noqa: BLE001  what strangers say in the place of an address fails in many ways
                why = str(error) if isinstance(error, LineBroken) else said(error)
            if not why:
                return
            self._at = host
            self._hang_up()
        self._silent(why)

    def _in_turn(self) -> Sequence[Host]:
        """Return all hosts, the one that we have a line to first, or the one behind that which we had it to."""
        hosts = list(self._hosts())
        if self._at not in hosts:
            self._hang_up()
            return hosts
        first = hosts.index(self._at) + (0 if self._line else 1)
        return hosts[first:] + hosts[:first]

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line:
            line.close()
