"""A scripted DNS server for tests: UDP and TCP on one ephemeral port of loopback, answers from a dict, faults on order.

    with DnsServer({"example.org": {"A": ["192.0.2.1"], "MX": [(10, "mx.example.org")]}}) as server:
        Settings(nameservers=(server.address,))
        server.faults["example.org"] = Fault.SERVFAIL
        server.silence()

It is one zone, the root, and speaks with the authority of a recursive resolver: CNAMEs are followed as far as the
records go, and what is missing is NXDOMAIN or NODATA with the root's SOA.
"""

import socket
import socketserver
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import Flag, auto
from threading import Condition, Event, Thread
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
import dns.rrset

Value = str | bytes | tuple[int, str] | tuple[str | bytes, ...]
"""An address or a name; a TXT record, whole or as its strings; an MX record as (preference, name)."""
Records = Mapping[str, Mapping[str, Iterable[Value]]]
"""Owner name (lower case, no final dot) -> type -> values."""
ALL = "*"
"""The key in `DnsServer.faults` and `DnsServer.gates` that stands for every name."""
_BIND_ATTEMPTS = 20
_QR = 0x80


class Fault(Flag):
    """What goes wrong with the answers about a name; they can be combined with `|`."""

    SILENT = auto()
    SERVFAIL = auto()
    REFUSED = auto()
    FORMERR = auto()
    GARBAGE = auto()
    """Bytes that are no DNS message."""
    WRONG_ID = auto()
    WRONG_QUESTION = auto()
    WRONG_SOURCE = auto()
    """From another port than was asked."""
    THEN_RIGHT = auto()
    """The right answer follows on a false one."""
    TRUNCATED = auto()
    """Over UDP; TCP has it whole."""
    TCP_HANGS = auto()
    """TCP is accepted and never answered."""


_FALSE = Fault.GARBAGE | Fault.WRONG_ID | Fault.WRONG_QUESTION | Fault.WRONG_SOURCE
_RCODES = {
    Fault.SERVFAIL: dns.rcode.SERVFAIL,
    Fault.REFUSED: dns.rcode.REFUSED,
    Fault.FORMERR: dns.rcode.FORMERR,
}


class DnsServer:
    """The server; a context manager. Everything public may be changed while it runs."""

    def __init__(
        self,
        records: Records | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ttl: int = 300,
        negative_ttl: int | None = 60,
        follows_cnames: bool = True,
    ) -> None:
        """Bind at once. TTLs are seconds; `negative_ttl` None: no SOA goes with NXDOMAIN and NODATA.

        With `follows_cnames` false, an answer holds the first CNAME alone.
        """
        self.records: dict[str, Mapping[str, Iterable[Value]]] = dict(records or {})
        self.faults: dict[str, Fault] = {}
        self.gates: dict[str, Event] = {}
        """Name -> an Event that the answers about it wait for."""
        self.ttl = ttl
        self.negative_ttl = negative_ttl
        self.follows_cnames = follows_cnames
        self.queries: list[tuple[str, str]] = []
        """(name, type) of all that was asked, over UDP and TCP, in order; names in lower case, without final dot."""
        self.tcp_queries = 0
        self._arrival = Condition()
        self._closing = Event()
        self._udp, self._tcp = _bind(host, port, self)
        self.host, self.port = host, int(self._udp.server_address[1])
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        """As `Settings.nameservers` has it."""

    def __enter__(self) -> Self:
        for server in (self._udp, self._tcp):
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for gate in self.gates.values():
            gate.set()
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    def silence(self) -> None:
        """Receive, and answer nothing any more."""
        self.faults[ALL] = Fault.SILENT

    def revive(self) -> None:
        """Answer again."""
        self.faults.pop(ALL, None)

    def hold(self, name: str = ALL) -> Event:
        """Make the answers about a name wait; setting the event that is returned lets them go."""
        return self.gates.setdefault(name, Event())

    def count(self, name: str, rdtype: str | None = None) -> int:
        """Return how often a name was asked for."""
        return sum(asked == name and rdtype in (None, kind) for asked, kind in list(self.queries))

    def received(self, number: int, timeout: float = 5.0) -> bool:
        """Wait till `number` queries have come in all, `timeout` seconds at most; say whether they have."""
        with self._arrival:
            return self._arrival.wait_for(lambda: len(self.queries) >= number, timeout)

    def handle_datagram(self, wire: bytes, sock: socket.socket, client: tuple[str, int]) -> None:
        """Answer a datagram as the faults demand."""
        if (query := _parse(wire)) is None:
            return
        fault = self._take(query)
        with suppress(OSError):  # the asker, or this server, may be gone
            if fault & _FALSE:
                _send_false(self.answer(query, Fault(0)), fault, sock, client)
                if not fault & Fault.THEN_RIGHT:
                    return
            if not fault & Fault.SILENT:
                sock.sendto(_datagram(query, self.answer(query, fault), fault), client)

    def handle_stream(self, sock: socket.socket) -> None:
        """Answer the queries of a TCP connection."""
        stream = sock.makefile("rb")
        while (head := stream.read(2)) and (query := _parse(stream.read(int.from_bytes(head)))):
            fault = self._take(query)
            self.tcp_queries += 1
            if fault & (Fault.SILENT | Fault.TCP_HANGS):
                self._closing.wait()
                return
            wire = b"garbage" if fault & Fault.GARBAGE else self.answer(query, fault).to_wire(max_size=65535)
            sock.sendall(len(wire).to_bytes(2) + wire)

    def _take(self, query: dns.message.Message) -> Fault:
        """Note a query, wait at its gate, and return its faults."""
        question = query.question[0]
        name = _text(question.name)
        with self._arrival:
            self.queries.append((name, dns.rdatatype.to_text(question.rdtype)))
            self._arrival.notify_all()
        for key in (ALL, name):
            if gate := self.gates.get(key):
                gate.wait()
        return self.faults.get(ALL, Fault(0)) | self.faults.get(name, Fault(0))

    def answer(self, query: dns.message.Message, fault: Fault) -> dns.message.Message:
        """Return the answer to a query from the records."""
        reply = dns.message.make_response(query, recursion_available=True)
        for each, rcode in _RCODES.items():
            if fault & each:
                reply.set_rcode(rcode)
                return reply
        name, rdtype = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
        seen = set[dns.name.Name]()
        while rdtype != "CNAME" and name not in seen and (alias := self._at(name, "CNAME")):
            seen.add(name)
            reply.answer.append(_rrset(name, self.ttl, "CNAME", alias))
            if not self.follows_cnames:
                return reply
            name = dns.name.from_text(str(alias[0]))
        if values := self._at(name, rdtype):
            reply.answer.append(_rrset(name, self.ttl, rdtype, values))
        elif name not in seen:
            self._deny(reply, name)
        return reply

    def _at(self, name: dns.name.Name, rdtype: str) -> list[Value]:
        return list(self.records.get(_text(name), {}).get(rdtype, ()))

    def _deny(self, reply: dns.message.Message, name: dns.name.Name) -> None:
        """Say NODATA, or NXDOMAIN where neither the name nor one below it is in the records."""
        text = _text(name)
        if not any(owner == text or owner.endswith(f".{text}") for owner in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if (ttl := self.negative_ttl) is not None:
            soa = dns.rdata.from_text("IN", "SOA", f"ns. hostmaster. 1 3600 600 86400 {ttl}")
            reply.authority.append(dns.rrset.from_rdata(dns.name.root, 86400, soa))


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    block_on_close = False


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


def _bind(host: str, port: int, server: DnsServer) -> tuple[_Udp, _Tcp]:
    """Bind both transports to one port; an ephemeral one of UDP's may be taken in TCP."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, sock = self.request
            server.handle_datagram(wire, sock, self.client_address)

    class Stream(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            server.handle_stream(self.request)

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    udp_class, tcp_class = (type(kind.__name__, (kind,), {"address_family": family}) for kind in (_Udp, _Tcp))
    for _ in range(_BIND_ATTEMPTS):
        udp = udp_class((host, port), Datagram)
        with suppress(OSError):
            return udp, tcp_class((host, udp.server_address[1]), Stream)
        udp.server_close()
    raise OSError(f"no port of {host} is free for both transports")


def _parse(wire: bytes) -> dns.message.Message | None:
    with suppress(dns.exception.DNSException):
        query = dns.message.from_wire(wire)
        return query if query.question else None
    return None


def _datagram(query: dns.message.Message, reply: dns.message.Message, fault: Fault) -> bytes:
    """Return the reply, or the news that it takes TCP."""
    if not fault & Fault.TRUNCATED:
        with suppress(dns.exception.TooBig):
            return reply.to_wire(max_size=query.payload or 512)
    truncated = dns.message.make_response(query, recursion_available=True)
    truncated.flags |= dns.flags.TC
    return truncated.to_wire()


def _send_false(reply: dns.message.Message, fault: Fault, sock: socket.socket, client: tuple[str, int]) -> None:
    for each, spoil in _SPOILERS.items():
        if fault & each:
            sock.sendto(spoil(reply.to_wire()), client)
    if fault & Fault.WRONG_SOURCE:
        with socket.socket(sock.family, socket.SOCK_DGRAM) as other:
            other.bind((sock.getsockname()[0], 0))
            other.sendto(reply.to_wire(), client)


def _with_wrong_question(wire: bytes) -> bytes:
    reply = dns.message.from_wire(wire)
    other = dns.name.from_text("not.what.was.asked.example")
    for rrset in (*reply.question, *reply.answer):
        rrset.name = other
    return reply.to_wire()


_SPOILERS: dict[Fault, Callable[[bytes], bytes]] = {
    Fault.GARBAGE: lambda wire: wire[:2] + bytes([_QR, 0]) + b"\xff" * 40,
    Fault.WRONG_ID: lambda wire: bytes([wire[0] ^ 0xFF, wire[1]]) + wire[2:],
    Fault.WRONG_QUESTION: _with_wrong_question,
}


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _rrset(name: dns.name.Name, ttl: int, rdtype: str, values: Iterable[Value]) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, ttl, [_rdata(rdtype, value) for value in values])


def _rdata(rdtype: str, value: Value) -> dns.rdata.Rdata:
    if rdtype in ("TXT", "SPF"):
        strings = value if isinstance(value, tuple) else (value,)
        octets = [part if isinstance(part, bytes) else str(part).encode() for part in strings]
        chunks = [part[i : i + 255] for part in octets for i in range(0, len(part) or 1, 255)]
        return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.from_text(rdtype), chunks)
    text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return dns.rdata.from_text("IN", rdtype, text, origin=dns.name.root, relativize=False)
