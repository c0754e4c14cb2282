"""One question to one nameserver, over real sockets."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread

import dns.flags
import dns.message
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.dns.message import Query, Response
from milter64.dns.nameserver import Nameserver, nameserver
from milter64.dns.query import over_tcp, over_udp, system_nameservers
from rig.dnsserver import DnsServer, Fault

NAME = "mail.example.org"
RECORDS = {NAME: {"A": ["192.0.2.1"]}}
FALSE = (Fault.GARBAGE, Fault.WRONG_ID, Fault.WRONG_QUESTION, Fault.WRONG_SOURCE)


Ask = Callable[[Query, Nameserver, float], Response]


def query() -> Query:
    return Query(dns.name.from_text(NAME).to_digestable(), "A")


def closed_port() -> Nameserver:
    """A port of loopback that was free a moment ago, for UDP and TCP."""
    with DnsServer() as gone:
        return nameserver(gone.address)


@contextmanager
def datagrams(behaviour: Callable[[bytes, Callable[[bytes], None]], None]) -> Iterator[Nameserver]:
    """A UDP server that calls `behaviour(query, send)` for each datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()

        def serve() -> None:
            wire, client = sock.recvfrom(4096)
            while wire:
                behaviour(wire, partial(_send, sock, client))
                wire, client = sock.recvfrom(4096)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield nameserver(f"127.0.0.1:{address[1]}")
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", address)
            thread.join()


@contextmanager
def stream(behaviour: Callable[[socket.socket, bytes], None]) -> Iterator[Nameserver]:
    """A TCP server that calls `behaviour(connection, query)` for its only connection, once the query has come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                behaviour(connection, connection.recv(4096))

        thread = Thread(target=serve)
        thread.start()
        yield nameserver(f"127.0.0.1:{listener.getsockname()[1]}")
        thread.join()


def assert_times_out(ask: Ask, server: Nameserver) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        ask(query(), server, 0.3)
    assert time.monotonic() - began < 1


def _send(sock: socket.socket, client: tuple[str, int], wire: bytes) -> None:
    sock.sendto(wire, client)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("::1", ("::1", 53, 0, 0)),
        ("[::1]", ("::1", 53, 0, 0)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353, 0, 0)),
        ("2001:db8::53", ("2001:db8::53", 53, 0, 0)),
        ("fe80::1%lo", ("fe80::1", 53, 0, socket.if_nametoindex("lo"))),
    ],
)
def test_a_nameserver_is_an_address_with_or_without_a_port(text: str, address: tuple[str, int]) -> None:
    server = nameserver(text)
    assert server.address == address
    assert server.family == (socket.AF_INET6 if len(address) == 4 else socket.AF_INET)
    assert str(server) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "dns.example.org", "localhost:53", "127.1", "010.1.1.1", "[127.0.0.1]:53", "::1%nowhere"),
        *("127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:dns", "[::1]:", "[::1", "[::1]53", " 127.0.0.1"),
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a nameserver such as 127\.0\.0\.1"):
        nameserver(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "# by hand\nsearch example.org\nnameserver 192.0.2.53\nnameserver\t::1 # local\noptions rotate\n",
            ["192.0.2.53", "::1"],
        ),
        ("nameserver nonsense\nnameserver\nnameservers 192.0.2.1\n;nameserver 192.0.2.1\n", ["127.0.0.1"]),
        ("", ["127.0.0.1"]),
    ],
)
def test_resolv_conf_gives_its_nameservers_or_the_local_one(text: str, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    assert [str(server) for server in system_nameservers(path)] == expected


def test_without_resolv_conf_the_local_nameserver_is_asked(tmp_path: Path) -> None:
    assert [str(server) for server in system_nameservers(tmp_path / "none")] == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("ask", [over_udp, over_tcp])
def test_an_answer_comes_over_either_transport_and_family(
    ask: Ask,
    host: str,
) -> None:
    with DnsServer({NAME: {"A": ["192.0.2.1"]}}, host=host) as server:
        reply = ask(query(), nameserver(server.address), 5)
    assert reply.answer == ("192.0.2.1",)


@pytest.mark.parametrize("fault", FALSE)
def test_a_false_answer_is_not_believed(server: DnsServer, fault: Fault) -> None:
    server.faults[NAME] = fault
    with pytest.raises(TimeoutError):
        over_udp(query(), nameserver(server.address), 0.2)


@pytest.mark.parametrize("fault", FALSE)
def test_a_false_answer_does_not_end_the_wait_for_the_real_one(server: DnsServer, fault: Fault) -> None:
    server.faults[NAME] = fault | Fault.THEN_RIGHT
    reply = over_udp(query(), nameserver(server.address), 5)
    assert reply.answer == ("192.0.2.1",)


def test_nobody_can_guess_the_id_from_the_last() -> None:
    idents = set()

    def echo(wire: bytes, send: Callable[[bytes], None]) -> None:
        idents.add(wire[:2])
        send(wire[:2] + b"\x80" + wire[3:])

    with datagrams(echo) as server:
        for _ in range(8):
            over_udp(query(), server, 5)
    numbers = {int.from_bytes(ident) for ident in idents}
    assert len(numbers) > 1
    assert max(numbers) - min(numbers) > 8


def test_a_stream_of_garbage_does_not_prolong_the_wait() -> None:
    over = Event()

    def flood(_: bytes, send: Callable[[bytes], None]) -> None:
        while not over.wait(0.01):
            send(b"garbage")

    with datagrams(flood) as server:
        try:
            assert_times_out(over_udp, server)
        finally:
            over.set()


def test_no_datagram_whatever_raises_anything() -> None:
    datagram = [b""]

    def answer(wire: bytes, send: Callable[[bytes], None]) -> None:
        send(wire[:2] + datagram[0])
        send(wire[:2] + b"\x80" + wire[3:])

    with datagrams(answer) as server:

        @given(st.binary(max_size=80))
        def hold(octets: bytes) -> None:
            datagram[0] = octets
            assert over_udp(query(), server, 5).rcode in range(16)

        hold()
        for flags in range(256):  # dnspython 2.3 raises ValueError at opcodes that are not assigned
            datagram[0] = bytes([flags, 0]) + bytes(8)
            assert over_udp(query(), server, 5).rcode in range(16)


def test_a_closed_udp_port_is_an_error_at_once() -> None:
    server = closed_port()
    began = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        over_udp(query(), server, 60)
    assert time.monotonic() - began < 1


def test_a_truncated_answer_that_ends_in_the_middle_of_a_record_is_an_answer() -> None:
    def answer(wire: bytes, send: Callable[[bytes], None]) -> None:
        reply = dns.message.make_response(dns.message.from_wire(wire))
        reply.flags |= dns.flags.TC
        whole = bytearray(reply.to_wire())
        whole[7] = 1  # one answer, so the header says
        send(bytes(whole) + b"\xc0\x0c\x00")

    with datagrams(answer) as server:
        assert over_udp(query(), server, 5).truncated


def test_tcp_that_hangs_times_out(server: DnsServer) -> None:
    server.faults[NAME] = Fault.TCP_HANGS
    with pytest.raises(TimeoutError):
        over_tcp(query(), nameserver(server.address), 0.2)


def test_tcp_that_drips_times_out() -> None:
    over = Event()

    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"\xff\xff")
        while not over.wait(0.05):
            connection.sendall(b"x")

    with stream(drip) as server:
        try:
            assert_times_out(over_tcp, server)
        finally:
            over.set()


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x00", b"\x00\x08half", b"\x00\x07garbage", b"\x00\x00", b"\x00\x0c\x00\x00\x80\x00" + bytes(8)],
    ids=["nothing", "half a length", "half a message", "garbage", "an empty message", "no question"],
)
def test_what_is_no_answer_over_tcp_is_an_error_at_once(octets: bytes) -> None:
    with stream(lambda connection, _: connection.sendall(octets)) as server, pytest.raises(ConnectionError):
        over_tcp(query(), server, 60)


def test_an_answer_that_is_truncated_over_tcp_is_an_error() -> None:
    def truncate(connection: socket.socket, wire: bytes) -> None:
        reply = dns.message.make_response(dns.message.from_wire(wire[2:]))
        reply.flags |= dns.flags.TC
        answer = reply.to_wire()
        connection.sendall(len(answer).to_bytes(2) + answer)

    with stream(truncate) as server, pytest.raises(ConnectionError):
        over_tcp(query(), server, 60)


def test_a_closed_tcp_port_is_an_error_at_once() -> None:
    with pytest.raises(ConnectionRefusedError):
        over_tcp(query(), closed_port(), 60)
