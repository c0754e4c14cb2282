"""Who reads the numbers: he may be slow, or a web page that would like to."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from milter64.config.listen_address import endpoint
from milter64.service.channel import ASK
from milter64.service.metrics_server import Health
from rig.lab import Lab
from rig.network import HERE
from rig.numbers import Counted
from rig.process import until
from rig.supervised import Supervised


@pytest.fixture(scope="module")
def milter() -> Iterator[Counted]:
    with Lab() as lab:
        milter = lab.start(Counted, 'greylist.store = "memory:"\n')
        until(lambda: milter.get("/healthz") == (200, "ok\n"), "health")
        yield milter


def connected(milter: Counted) -> socket.socket:
    return socket.create_connection(("127.0.0.1", milter.metrics_port), timeout=20)


def test_readers_who_say_nothing_hold_nobody_up(milter: Counted) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(milter)) for _ in range(100)]
        for path in ("/metrics", "/healthz"):
            assert milter.get(path)[0] == 200
        assert silent[0].recv(1) == b""  # another took his place


@pytest.mark.parametrize("words", [b"", b"GET /metrics HTTP/1.1\r\n"], ids=["in the request", "in the header"])
def test_a_reader_who_goes_on_and_on_is_cut_off(milter: Counted, words: bytes) -> None:
    with connected(milter) as slow:
        slow.sendall(words)
        slow.settimeout(0.1)

        def is_cut_off() -> bool:
            try:
                slow.sendall(b"x")
                return not slow.recv(1)
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        until(is_cut_off, "an end of patience")


def test_a_head_has_no_body(milter: Counted) -> None:
    with connected(milter) as client:
        client.sendall(b"HEAD /metrics HTTP/1.0\r\n\r\n")
        head = b""
        while part := client.recv(65536):
            head += part
    assert head.startswith(b"HTTP/1.0 200 ")
    assert head.endswith(b"\r\n\r\n")
    assert b"\r\nContent-Length: 0\r\n" not in head


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        ([], 200),
        (["localhost"], 200),
        (["LocalHost:9864"], 200),
        (["127.0.0.1:9864"], 200),
        (["[::1]:9864"], 200),
        (["[::1]"], 200),
        (["evil.example:9864"], 421),
        (["127.0.0.1.evil.example"], 421),
        (["localhost", "evil.example"], 421),
        ([""], 421),
    ],
)
def test_where_this_host_alone_may_ask_it_is_to_be_asked_by_its_own_name(
    milter: Counted, hosts: list[str], status: int
) -> None:
    connection = HTTPConnection("127.0.0.1", milter.metrics_port, timeout=10)
    connection.putrequest("GET", "/metrics", skip_host=True)
    for host in hosts:
        connection.putheader("Host", host)
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()


def test_where_others_may_ask_any_name_may_be_ours(lab: Lab) -> None:
    with HERE.reserve("127.0.0.1") as reserved:
        port = reserved.port
        milter = lab.start(Counted, f'greylist.store = "memory:"\n[metrics]\nlisten = "0.0.0.0:{port}"\n')
        milter.metrics_port = port
        until(lambda: milter.get("/metrics")[0] == 200, "the numbers")
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/metrics", headers={"Host": "mx.example.org"})
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize("name", ["unix:{}/socket", "inet:0@localhost", "inet6:0@[::1]"])
def test_health_is_that_a_milter_answers_where_it_should(tmp_path: Path, name: str) -> None:
    with Supervised(tmp_path, socket=name.format(tmp_path)) as service:
        health = Health(endpoint(service.line("ready")["socket"]))
        assert not health.good  # nobody has said so
        health.hear(ASK)
        assert health.good
        assert service.stop() == 0
        assert not health.good


def test_who_listens_and_is_no_milter_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        health = Health(endpoint(f"inet:{listener.getsockname()[1]}@127.0.0.1"))
        health.hear(ASK)
        assert not health.good
