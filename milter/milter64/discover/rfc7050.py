"""RFC 7050: a resolver that synthesises AAAA records (DNS64) gives its prefix away by those of ipv4only.arpa.

Each nameserver is asked by itself: one of several may synthesise, and what is asked about is the nameserver.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import dns.name
import dns.rcode

from milter64.address import Prefix
from milter64.exchange import Nameserver, over_tcp, over_udp
from milter64.networks import pack, unpack
from milter64.response import Query

NAME = "ipv4only.arpa"
"""It has A records alone (RFC 7050 8.2), the two below: whoever gives it an AAAA has made that up."""
_WELL_KNOWN = (pack("192.0.0.170"), pack("192.0.0.171"))
_PLACES = {
    32: (4, 5, 6, 7),
    40: (5, 6, 7, 9),
    48: (6, 7, 9, 10),
    56: (7, 9, 10, 11),
    64: (9, 10, 11, 12),
    96: (12, 13, 14, 15),
}
"""The octets that have the IPv4 address, for each length of a prefix (RFC 6052 2.2)."""
_EVERYWHERE = frozenset(_PLACES.values()) | {tuple(range(first, first + 4)) for first in range(13)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """What a nameserver makes of ipv4only.arpa.

    `prefixes` are those that its AAAA records, `addresses`, come from: none where it does not synthesise. `error` says
    why nothing is known, and is empty otherwise.
    """

    nameserver: str
    prefixes: tuple[Prefix, ...] = ()
    addresses: tuple[str, ...] = ()
    error: str = ""


def ask(server: Nameserver, timeout: float) -> Synthesis:
    """Ask a nameserver; it has `timeout` seconds, and as many again over TCP."""
    query = Query(dns.name.from_text(NAME), "AAAA")  # with CD=0, or it would not synthesise (RFC 7050 3)
    try:
        response = over_udp(query, server, timeout)
        if response.truncated:
            response = over_tcp(query, server, timeout)
    except TimeoutError:
        return Synthesis(nameserver=server.text, error="no answer in time")
    except OSError as error:
        return Synthesis(nameserver=server.text, error=error.strerror or str(error))
    if response.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Synthesis(nameserver=server.text, error=dns.rcode.to_text(dns.rcode.Rcode.make(response.rcode)))
    return Synthesis(nameserver=server.text, prefixes=prefixes(response.answer), addresses=response.answer)


def prefixes(addresses: Iterable[str]) -> tuple[Prefix, ...]:
    """Return the prefixes that AAAA records of ipv4only.arpa come from, in the order of the records.

    An address that has none of the two IPv4 addresses in a place of RFC 6052's, or has it twice, tells nothing.
    """
    found = {prefix.text: prefix for address in addresses if (prefix := _prefix(pack(address)))}
    return tuple(found.values())


def _prefix(packed: bytes) -> Prefix | None:
    for ipv4 in _WELL_KNOWN:
        places = [place for place in _EVERYWHERE if bytes(packed[octet] for octet in place) == ipv4]
        if len(places) == 1:  # once only; else the other address is looked for (RFC 7050 3)
            return next(_cut(packed, places[0]), None)
    return None


def _cut(packed: bytes, place: tuple[int, ...]) -> Iterator[Prefix]:
    """Yield the prefix before the IPv4 address, if it stands where RFC 6052 has it."""
    for length, standard in _PLACES.items():
        if place == standard:
            octets = length // 8
            try:
                yield Prefix(f"{unpack(packed[:octets].ljust(16, bytes(1)))}/{length}")
            except ValueError:  # bits 64 to 71 of a /96 are set, or it is 64:ff9b::/96 cut short
                return
