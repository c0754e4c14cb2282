"""The server that Sentinels name: asked each second, and another one is dialled as soon as they name it."""

from functools import partial
from threading import Event

from milter64.sharing.addresses import Addresses
from milter64.sharing.dialling import dial, dial_sentinel
from milter64.sharing.interface import Reply
from milter64.sharing.line import Line, LineBroken, said
from milter64.sharing.one_server import OneServer
from milter64.sharing.outage import Outage
from milter64.sharing.seekers import Seeker
from milter64.sharing.server_url import Host, ServerUrl

_FIRST = 1.0
"""Seconds for the first answer of a Sentinel, before it is said that there is none."""


class NamedServer(OneServer):
    """The Servers of a URL that names Sentinels."""

    def __init__(self, url: ServerUrl, outage: Outage, addresses: Addresses) -> None:
        """Ask behind who it is."""
        self._url, self._addresses = url, addresses
        self._master: Host | None = None
        self._why = ""
        self._asked = Event()
        self._seeker = Seeker(
            lambda: url.hosts,
            partial(dial_sentinel, url, addresses=addresses),
            ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", url.name),
            self._heard,
            self._silent,
        )
        super().__init__(self._dial, outage, self._seeker.hurry)
        self._seeker.start()

    def close(self) -> None:
        """As Servers has it."""
        self._seeker.close()
        super().close()

    def _dial(self) -> Line:
        if not self._asked.wait(_FIRST) or not self._master:
            raise LineBroken(self._why or "no Sentinel answers")
        return dial(self._url, self._master, self._addresses)

    def _heard(self, _: Host, reply: Reply) -> str:
        if isinstance(reply, Exception):
            return f"a Sentinel says: {said(reply)}"
        if reply is None:
            return f"a Sentinel knows no {self._url.name}"
        name, port = reply
        found = name.decode(), int(port)
        before, self._master = self._master, found
        if before not in (None, found):
            self.link.redial()
        self._asked.set()
        return ""

    def _silent(self, why: str) -> None:
        self._why = f"no Sentinel answers: {why}"
        self._asked.set()
