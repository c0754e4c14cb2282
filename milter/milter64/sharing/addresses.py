"""The addresses of servers: a name server that keeps silent holds nobody up, and takes away nothing that was known."""

import socket
from contextlib import suppress
from threading import Condition, Thread
from typing import Any

from milter64.sharing.server_url import Host

_PATIENCE = 0.5
"""Seconds to wait for a name's addresses. The system's resolver may take half a minute, and can't be told not to."""
_MOST = 16
"""Threads that may wait for the system's resolver at once."""

_TRIED = 3
"""Addresses of a name, at most: together they must not take two seconds."""

_Address = tuple[socket.AddressFamily, Any]


class Addresses:
    """What names stand for; every thread may ask."""

    def __init__(self) -> None:
        self._found: dict[Host, list[_Address] | OSError] = {}
        self._worked: dict[Host, _Address] = {}
        self._asking = 0
        self._news = Condition()

    def connect(self, host: Host, seconds: float) -> socket.socket:
        """Return a connection to a host, at any of its addresses; each has `seconds`.

        Raises:
            OSError: there is none.
        """
        failed: OSError | None = None
        for address in self._of(host)[:_TRIED]:
            family, where = address
            connecting = socket.socket(family)
            try:
                connecting.settimeout(seconds)
                connecting.connect(where)
            except OSError as error:
                connecting.close()
                failed = error
            else:
                self._worked[host] = address
                return connecting
        raise failed or OSError(0, f"{host[0]} has no address")

    def _of(self, host: Host) -> list[_Address]:
        """Return the addresses of a host, and the last one that worked where the name server keeps silent."""
        with suppress(ValueError, OSError):
            return _looked_up(host, numeric=True)
        with self._news:
            self._found.pop(host, None)
            if self._asking < _MOST:
                self._asking += 1
                Thread(target=self._look_up, args=(host,), name="sharing", daemon=True).start()
            self._news.wait_for(lambda: host in self._found, _PATIENCE)
            found = self._found.get(host, OSError(0, f"the name servers keep silent about {host[0]}"))
        worked = self._worked.get(host)
        if isinstance(found, OSError):
            if worked:
                return [worked]
            raise found
        return sorted(found, key=lambda address: address != worked)

    def _look_up(self, host: Host) -> None:
        found: list[_Address] | OSError
        try:
            found = _looked_up(host)
        except (OSError, UnicodeError) as error:
            found = error if isinstance(error, OSError) else OSError(0, f"{host[0]} is no name")
        with self._news:
            self._asking -= 1
            self._found[host] = found
            self._news.notify_all()


def _looked_up(host: Host, *, numeric: bool = False) -> list[_Address]:
    flags = socket.AI_NUMERICHOST if numeric else 0
    found = socket.getaddrinfo(*host, type=socket.SOCK_STREAM, flags=flags)
    return [(family, where) for family, _, _, _, where in found]
