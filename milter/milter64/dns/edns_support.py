"""Which nameservers don't understand EDNS: they are asked without, for an hour (RFC 6891 6.2.2, 7).

One that says FORMERR or NOTIMP to a question with an OPT record, or nothing, and answers it without, may have other
reasons: a datagram was lost, or the name took its time. So it is asked for what every nameserver can answer, both ways.
"""

from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread

import dns.rcode

from milter64.dns.message import Query, Response
from milter64.dns.nameserver import Nameserver
from milter64.dns.query import over_udp
from milter64.dns.wire_name import ROOT

LASTS = 3600.0
"""Seconds for which a nameserver is asked without EDNS; it may be another one by then."""
_PATIENCE = 1.0
"""Seconds that it has to answer what takes no asking on."""
_NOT_UNDERSTOOD = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP})


def understood(reply: Response) -> bool:
    """Whether a nameserver has understood a question."""
    return reply.rcode not in _NOT_UNDERSTOOD


class Plain:
    """The nameservers without EDNS; thread-safe. `on_found` is told of each once."""

    def __init__(self, on_found: Callable[[Nameserver], None], clock: Callable[[], float]) -> None:
        self._on_found = on_found
        self._clock = clock
        self._lock = Lock()
        self._until: dict[Nameserver, float] = {}
        self._suspects = set[Nameserver]()

    def __contains__(self, server: Nameserver) -> bool:
        """Whether a nameserver is to be asked without EDNS."""
        return bool(self._until) and self._clock() < self._until.get(server, 0.0)

    def suspect(self, server: Nameserver) -> None:
        """Find out, behind everything, whether a nameserver is one."""
        with self._lock:
            if server in self._suspects or server in self:
                return
            self._suspects.add(server)
        Thread(target=self._examine, args=(server,), name="dns-probe", daemon=True).start()

    def _examine(self, server: Nameserver) -> None:
        without = not _answers(server, edns=True) and _answers(server, edns=False)
        with self._lock:
            found = without and server not in self._until
            if without:
                self._until[server] = self._clock() + LASTS
            self._suspects.discard(server)
        if found:
            with suppress(Exception):  # a line that can't be logged
                self._on_found(server)


def _answers(server: Nameserver, *, edns: bool) -> bool:
    try:
        return understood(over_udp(Query(ROOT, "NS"), server, _PATIENCE, edns=edns))
    except OSError:
        return False
