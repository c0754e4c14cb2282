"""Whom a session is taken for where libmilter or pymilter doesn't hand its CONNECT on."""

from collections.abc import Callable, Iterator

import pytest

from rig.direct import session
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.milterclient import MilterClient, Reply, Text
from rig.process import until
from rig.service import Line, Milter64
from rig.stage import MEMORY
from rig.world import HONEST, RECORDS, STRANGER, behind

NO_UTF_8 = b"caf\xe9.example"
TRUSTED = "127.0.0.1"


@pytest.fixture(scope="module")
def milter() -> Iterator[Milter64]:
    with DnsServer(RECORDS) as dns, Lab() as lab:
        yield lab.start(Milter64, f'{MEMORY}\n[dns]\nnameservers = ["{dns.address}"]\n')


@pytest.fixture
def client(milter: Milter64) -> Iterator[MilterClient]:
    with session(milter) as client:
        yield client


def call(client: MilterClient, wire: str, port: int, *, name: Text = "client.example") -> None:
    """Begin a session as a client that is at `wire`, as every mail server does that gives the macros asked for."""
    address = f"IPv6:{wire}" if ":" in wire else wire
    macros = {"client_addr": address, "client_port": str(port), "j": "mx.lab.example"}
    client.connect(name, wire, port, **macros)
    client.helo("stranger.example" if STRANGER in wire or behind(STRANGER) in wire else "mail.honest.example")


def offer(client: MilterClient, recipient: str) -> Reply:
    client.mail("<a@honest.example>")
    return client.rcpt(f"<{recipient}>")


def send(client: MilterClient, recipient: str) -> Reply:
    if (reply := offer(client, recipient)).action != "continue":
        return reply
    client.header("Subject", "test")
    return client.eom(i="QUEUEID")


def logged(milter: Milter64, recipient: str) -> Line:
    return milter.wait_log(lambda line: recipient in line.get("to", ""))


@pytest.mark.parametrize("wire", [behind(STRANGER), STRANGER, behind(HONEST), HONEST])
def test_a_client_whose_name_is_no_utf_8_is_judged_like_any_other(
    milter: Milter64, client: MilterClient, wire: str
) -> None:
    recipient = f"{wire.replace(':', '-')}@lab.example"
    call(client, wire, 40025, name=NO_UTF_8)
    reply = send(client, recipient)
    line = logged(milter, recipient)
    address = HONEST if wire.endswith(("c40a", HONEST)) else STRANGER
    assert (line["client"], line["port"]) == (address, 40025)
    if address == HONEST:
        assert reply.action == "continue"
        assert reply.headers[0][1].startswith("mx.lab.example;")
    else:
        assert reply.text.startswith("550 5.7.23")


@pytest.mark.parametrize("address", [None, "", b"\xe9", "localhost", "IPv6:"])
def test_a_client_of_whom_nothing_can_be_read_is_put_off_and_one_line_says_why(lab: Lab, address: Text | None) -> None:
    milter = lab.start(Milter64, MEMORY)
    with session(milter) as client:
        macros = {} if address is None else {"client_addr": address}
        client.connect(NO_UTF_8, TRUSTED, 25, **macros)
        client.helo()
        for _ in range(3):
            reply = offer(client, "b@lab.example")
            assert (reply.action, reply.text[:9]) == ("tempfail", "451 4.7.0")
            client.abort()
    assert milter.stop() == 0
    (line,) = [line for line in milter.log if line["event"] == "client unknown"]
    assert line["level"] == "warning"
    assert "its name is no UTF-8" in line["why"]


def at_connect(_: MilterClient) -> None:
    pass


def in_a_transaction(client: MilterClient) -> None:
    assert offer(client, "open@lab.example").action == "continue"


def after_an_abort(client: MilterClient) -> None:
    in_a_transaction(client)
    client.abort()


def after_a_message(client: MilterClient) -> None:
    assert send(client, "whole@lab.example").action == "continue"


@pytest.mark.parametrize("before", [at_connect, in_a_transaction, after_an_abort, after_a_message])
@pytest.mark.parametrize("name", ["client.example", NO_UTF_8])
def test_another_session_on_the_same_connection_is_its_clients_own(
    milter: Milter64, client: MilterClient, before: Callable[[MilterClient], None], name: Text
) -> None:
    first, second, third = (f"{number}-{before.__name__}-{len(name)}@lab.example" for number in range(3))
    call(client, TRUSTED, 40001)
    assert send(client, first).action == "continue"
    before(client)
    client.quit_for_another()
    call(client, behind(STRANGER), 40002, name=name)
    assert offer(client, second).text.startswith("550 5.7.23")
    client.abort()
    client.quit_for_another()
    call(client, behind(HONEST), 40003)
    assert send(client, third).action == "continue"
    lines = [logged(milter, recipient) for recipient in (first, second, third)]
    assert [(line["client"], line["port"]) for line in lines] == [(TRUSTED, 40001), (STRANGER, 40002), (HONEST, 40003)]
    assert len({line["session"] for line in lines}) == len(lines)


@pytest.mark.parametrize("before", [at_connect, in_a_transaction, after_an_abort, after_a_message])
@pytest.mark.parametrize("name", ["client.example", NO_UTF_8])
def test_a_client_without_a_helo_has_not_that_of_the_session_before_it(
    milter: Milter64, client: MilterClient, before: Callable[[MilterClient], None], name: Text
) -> None:
    recipient = f"no-helo-{before.__name__}-{len(name)}@lab.example"
    call(client, behind(HONEST), 40001)
    before(client)
    client.quit_for_another()
    client.connect(name, behind(STRANGER), 40002, client_addr=f"IPv6:{behind(STRANGER)}", client_port="40002")
    assert offer(client, recipient).text.startswith("550 5.7.23 SPF fail: 192.31.196.40 is not permitted by honest")
    assert logged(milter, recipient)["helo"] == ""


def test_what_was_open_when_a_connection_is_used_again_is_abandoned(milter: Milter64, client: MilterClient) -> None:
    call(client, behind(HONEST), 40001)
    assert offer(client, "abandoned@lab.example").action == "continue"
    client.quit_for_another()
    assert until(lambda: logged(milter, "abandoned@lab.example"))["event"] == "abandoned"


def without_a_connect(_: MilterClient) -> None:
    pass


def without_an_address(client: MilterClient) -> None:
    client.connect(address=None, client_addr="unknown")


@pytest.mark.parametrize(
    ("before", "begin"), [(after_a_message, without_a_connect), (in_a_transaction, without_an_address)]
)
def test_a_session_on_a_used_connection_is_put_off_whose_client_is_not_known(
    client: MilterClient, before: Callable[[MilterClient], None], begin: Callable[[MilterClient], None]
) -> None:
    call(client, TRUSTED, 40001)
    before(client)
    client.quit_for_another()
    begin(client)
    client.helo("mail.honest.example")
    reply = offer(client, "b@lab.example")
    assert (reply.action, reply.text[:9]) == ("tempfail", "451 4.7.0")
