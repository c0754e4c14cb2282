"""RFC 7050: a resolver that synthesises AAAA records (DNS64) gives its prefix away by those of ipv4only.arpa.

Each nameserver is asked by itself: one of several may synthesise, and what is asked about is the nameserver. It is no
DNS64 only if it has the A records of that name and no AAAA. Whatever else it says (no such name, SERVFAIL, nothing at
all) comes from DNS64s as well, whose own way to that name is blocked: then nothing is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import dns.rcode

from milter64.address.networks import pack, unpack
from milter64.address.translation_prefix import PLACES, Pattern, Prefix
from milter64.dns.message import Query
from milter64.dns.nameserver import Nameserver
from milter64.dns.query import over_tcp, over_udp

NAME = "ipv4only.arpa"
"""It has A records alone (RFC 7050 8.2), the two below: whoever gives it an AAAA has made that up."""
_IN_WIRE = b"\x08ipv4only\4arpa\0"
_WELL_KNOWN = frozenset({"192.0.0.170", "192.0.0.171"})
_MOST = 16
"""Nameservers that are asked side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """What a nameserver makes of ipv4only.arpa.

    `patterns` are those of its AAAA records, `addresses`: none where it does not synthesise. `error` says why nothing
    is known, and is empty otherwise.
    """

    nameserver: str
    patterns: tuple[Pattern, ...] = ()
    addresses: tuple[str, ...] = ()
    error: str = ""

    @property
    def prefixes(self) -> tuple[Prefix, ...]:
        """The prefixes that it synthesises with, but for those that RFC 6052 forbids."""
        return tuple(prefix for pattern in self.patterns if (prefix := pattern.prefix))


def survey(servers: Sequence[Nameserver], timeout: float) -> list[Synthesis]:
    """Ask all nameservers at once; see `ask`."""
    with ThreadPoolExecutor(_MOST) as pool:
        return list(pool.map(lambda server: ask(server, timeout), servers))


def renewed(found: Iterable[Synthesis], before: Mapping[str, Synthesis]) -> dict[str, Synthesis]:
    """Return what is known of each nameserver now: of one that has nothing to say, what it invented before."""
    return {
        each.nameserver: old if each.error and (old := before.get(each.nameserver)) and old.patterns else each
        for each in found
    }


def ask(server: Nameserver, timeout: float) -> Synthesis:
    """Ask a nameserver; each of two questions has `timeout` seconds, and as many again over TCP."""
    synthesis = Synthesis(nameserver=server.text)
    try:
        addresses = _answer(server, "AAAA", timeout)
        if addresses:
            return read(server.text, addresses)
        real = _answer(server, "A", timeout)
    except _NoAnswer as error:
        return replace(synthesis, error=str(error))
    return synthesis if {*real} >= _WELL_KNOWN else replace(synthesis, error="it has neither AAAA nor the A records")


def read(nameserver: str, addresses: tuple[str, ...]) -> Synthesis:
    """Return what AAAA records of ipv4only.arpa tell."""
    found = patterns(addresses)
    error = "" if found else "its AAAA records have no prefix in common"
    return Synthesis(nameserver=nameserver, patterns=found, addresses=addresses, error=error)


def patterns(addresses: Iterable[str]) -> tuple[Pattern, ...]:
    """Return what AAAA records of ipv4only.arpa come from, the longest prefixes first.

    A prefix has to explain two of them, one for each of the two IPv4 addresses: it may itself have octets that look
    like one of these, but hardly like both. What it explains counts for no shorter one.
    """
    left = dict.fromkeys(map(pack, addresses))
    found: list[Pattern] = []
    for length in sorted(PLACES, reverse=True):
        seen: dict[Pattern, dict[str, bytes]] = {}
        for address in left:
            if reading := Pattern.read(address, length):
                pattern, ipv4 = reading
                seen.setdefault(pattern, {})[unpack(ipv4)] = address
        for pattern, explained in seen.items():
            if explained.keys() >= _WELL_KNOWN:
                found.append(pattern)
                for real in _WELL_KNOWN:
                    del left[explained[real]]
    return tuple(found)


class _NoAnswer(Exception):  # noqa: N818  it says what came of a question; nobody erred
    """The text says why there is none."""


def _answer(server: Nameserver, rdtype: str, timeout: float) -> tuple[str, ...]:
    query = Query(_IN_WIRE, rdtype)  # with CD=0, or it would not synthesise (RFC 7050 3)
    try:
        # What is asked takes no EDNS, which not every nameserver understands.
        response = over_udp(query, server, timeout, edns=False)
        if response.truncated:
            response = over_tcp(query, server, timeout, edns=False)
    except TimeoutError as error:
        raise _NoAnswer("no answer in time") from error
    except OSError as error:
        raise _NoAnswer(error.strerror or str(error)) from error
    if response.rcode != dns.rcode.NOERROR:
        raise _NoAnswer(dns.rcode.to_text(dns.rcode.Rcode.make(response.rcode)))
    return response.answer
