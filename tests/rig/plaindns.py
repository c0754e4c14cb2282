"""A nameserver that doesn't understand EDNS, and says so in one of three ways."""

import socket
from enum import Enum

import dns.flags
import dns.message
import dns.rcode

from rig.dnsserver import DnsServer, Fault


class Way(Enum):
    """What such a nameserver does with a question that has an OPT record."""

    FORMERR = dns.rcode.FORMERR
    NOTIMP = dns.rcode.NOTIMP
    SILENT = None


class PlainDns(DnsServer):
    """A DnsServer without EDNS; while `way` is None it has it. `plain` and `extended` count what came over UDP.

    With `only`, all this goes for questions about one name.
    """

    way: Way | None = Way.SILENT
    only = ""
    plain = extended = 0

    def handle_datagram(self, wire: bytes, sock: socket.socket, client: tuple[str, int]) -> None:
        """Answer a datagram unless it has an OPT record."""
        query = dns.message.from_wire(wire)
        if query.edns < 0:
            self.plain += 1
        else:
            self.extended += 1
        if not (self.way is Way.SILENT and self._stumbles(query)):
            super().handle_datagram(wire, sock, client)

    def answer(self, query: dns.message.Message, fault: Fault) -> dns.message.Message:
        """Answer a question unless it has an OPT record."""
        if not self.way or not self._stumbles(query):
            return super().answer(query, fault)
        header = dns.message.Message(id=query.id)
        header.flags = dns.flags.from_text("QR")
        header.set_rcode(self.way.value or dns.rcode.FORMERR)
        return header

    def _stumbles(self, query: dns.message.Message) -> bool:
        return query.edns >= 0 and self.only in ("", query.question[0].name.to_text(omit_final_dot=True))
