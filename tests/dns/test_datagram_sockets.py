"""Which sockets serve for more than one question."""

from dataclasses import replace

import pytest

from milter64.dns.datagram_sockets import DatagramSockets
from milter64.dns.nameserver import nameserver

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
