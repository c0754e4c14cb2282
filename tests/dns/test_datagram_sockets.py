"""Which sockets serve for more than one question."""

import socket
import time
from dataclasses import replace

import dns.name
import pytest

from milter64.dns.datagram_sockets import DatagramSockets, connected
from milter64.dns.message import Query
from milter64.dns.nameserver import Nameserver, nameserver
from milter64.dns.nameservers import Nameservers
from milter64.dns.query import by_datagram
from milter64.dns.side_by_side import alone
from rig.dnsserver import DnsServer, Fault

HERE = nameserver("127.0.0.1:5353")


def test_a_socket_serves_again_where_the_nameserver_is_on_this_host() -> None:
    sockets = DatagramSockets()
    first, second = sockets.take(HERE), sockets.take(HERE)
    assert first is not second
    sockets.give_back(HERE, first, answered=True)
    third, fourth = sockets.take(HERE), sockets.take(HERE)
    assert third is first
    assert fourth not in {first, second}
    for sock in (second, third, fourth):
        sockets.give_back(HERE, sock, answered=False)


def test_another_nameserver_is_asked_from_another_port_each_time() -> None:
    sockets, elsewhere = DatagramSockets(), replace(HERE, on_this_host=False)
    ports = set()
    for _ in range(3):
        sock = sockets.take(elsewhere)
        ports.add(sock.getsockname()[1])
        sockets.give_back(elsewhere, sock, answered=True)
        assert sock.fileno() == -1
    assert len(ports) > 1


def test_a_socket_whose_answer_may_still_come_is_not_used_again() -> None:
    sockets = DatagramSockets()
    sock = sockets.take(HERE)
    sockets.give_back(HERE, sock, answered=False)
    assert sock.fileno() == -1


def test_no_more_are_kept_than_a_flood_of_questions_needs() -> None:
    sockets = DatagramSockets()
    taken = [sockets.take(HERE) for _ in range(70)]
    for sock in taken:
        sockets.give_back(HERE, sock, answered=True)
    assert sum(sock.fileno() != -1 for sock in taken) == 64
    del sockets
    assert {sock.fileno() for sock in taken} == {-1}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Nameserver]:
    """The nameservers to which sockets are made, one for each."""
    servers: list[Nameserver] = []

    def noted(server: Nameserver) -> socket.socket:
        servers.append(server)
        return connected(server)

    monkeypatch.setattr("milter64.dns.datagram_sockets.connected", noted)
    return servers


def test_one_question_after_the_other_goes_through_the_same_socket(made: list[Nameserver]) -> None:
    with DnsServer({"a.example": {"A": ["192.0.2.1"]}, "b.example": {"A": ["192.0.2.2"]}}) as server:
        nameservers = Nameservers([nameserver(server.address)], 5.0)
        for name in ("a.example", "b.example"):
            question = dns.name.from_text(name).to_digestable()
            assert alone(nameservers.exchange(question, "A", time.monotonic() + 5)).answer
    assert len(made) == 1


def test_a_question_that_got_no_answer_leaves_its_socket_to_none(made: list[Nameserver]) -> None:
    query = Query(dns.name.from_text("a.example").to_digestable(), "A")
    with DnsServer({"a.example": {"A": ["192.0.2.1"]}}) as server:
        sockets, known = DatagramSockets(), nameserver(server.address)
        server.faults["a.example"] = Fault.SILENT
        with pytest.raises(TimeoutError):
            alone(by_datagram(query, known, time.monotonic() + 0.1, sockets))
        del server.faults["a.example"]
        assert alone(by_datagram(query, known, time.monotonic() + 5, sockets)).answer
    assert len(made) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", True),
        ("127.0.0.53:53", True),
        ("::1", True),
        ("[::1]:5353", True),
        ("128.0.0.1", False),
        ("192.0.2.127", False),
        ("::2", False),
        ("7f00::1", False),
        ("fe80::1%lo", False),
    ],
)
def test_loopback_alone_is_on_this_host(text: str, expected: bool) -> None:  # noqa: FBT001  the table's column
    assert nameserver(text).on_this_host is expected
