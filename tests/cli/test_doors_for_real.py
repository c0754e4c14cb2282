"""Which milters a real Postfix asks, by smtpd_milter_maps and by sockets in any words, and what the verb says of it."""

import os
import socket
import tomllib
from collections.abc import Iterator
from email.message import Message

import pytest

from milter64.config.listen_address import endpoint
from rig.accept_all import AcceptAll
from rig.lab import Lab
from rig.network import Namespace
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import until
from rig.service import Milter64
from rig.smtp import Smtp, proxy
from rig.stage import MEMORY
from rig.told import Told, advice
from rig.world import HONEST, HONEST_IPV6, ZONES, behind

pytestmark = pytest.mark.long


class Settled(Milter64):
    """It listens where its configuration says."""

    def _accepts(self) -> bool:
        where = endpoint(tomllib.loads(self._configuration)["milter"]["socket"]).address
        try:
            if isinstance(where, str):
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(where)
            else:
                self._network.connect("127.0.0.1", where[1]).close()
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


OBSERVE = f'mode = "observe"\n{MEMORY}'
PROXIED = "smtp inet n - n - 300 smtpd -o smtpd_upstream_proxy_protocol=haproxy"
MISSING = "{other} is not asked, which smtpd_milters has"
WIRES = {"translated": behind(HONEST), "native": HONEST_IPV6, "loopback": "127.0.0.1"}


@pytest.fixture
def network() -> Iterator[Namespace]:
    with Namespace() as network:
        yield network


def send(network: Namespace, postfix: Postfix, token: str, wire: str) -> Message:
    """Send a mail from that address, and return it as it was delivered."""
    with Smtp("127.0.0.1", 25, network=network, preamble=proxy(wire)) as client:
        client.ehlo("mail.honest.example")
        assert client.transaction("a@honest.example", [f"{token}@lab.example"]).code == 250
    return until(
        lambda: next((m for m in postfix.delivered(0) if m["Delivered-To"] == f"{token}@lab.example"), None),
        "the message",
    )


def judged(milter: Milter64, token: str) -> int:
    """Return how often milter64, which has stopped, was asked about the mail of that token."""
    return sum(line["event"] == "accepted" and token in line["to"] for line in milter.log)


def asked(message: Message) -> int:
    """Return how often the other milter was asked."""
    return len(message.get_all("X-Client", []))


@pytest.mark.parametrize(
    ("table", "expected", "said"),
    [
        ("", {"translated": (1, 1), "native": (1, 1), "loopback": (1, 1)}, []),
        (
            "64:ff9b::/96 DISABLE",
            {"translated": (0, 0), "native": (1, 1), "loopback": (1, 1)},
            [f"it says DISABLE for {behind(HONEST)} (a translated client): milter64 is not asked"],
        ),
        (
            "2001:db8::/32 {other}",
            {"translated": (1, 1), "native": (0, 1), "loopback": (1, 1)},
            ["it says {other} for 2001:db8::25 (a native IPv6 client): milter64 is not asked"],
        ),
        (
            "64:ff9b::/96 {ours}",
            {"translated": (1, 0), "native": (1, 1), "loopback": (1, 1)},
            [f"it says {{ours}} for {WIRES['translated']} (a translated client): {MISSING}"],
        ),
        (
            "127.0.0.0/8 DISABLE\n::1 DISABLE",
            {"translated": (1, 1), "native": (1, 1), "loopback": (0, 0)},
            [],
        ),
        ("::/0 {ours}, {other}", {"translated": (1, 1), "native": (1, 1), "loopback": (1, 1)}, []),
    ],
)
def test_what_is_said_of_the_map_is_what_postfix_does(
    lab: Lab, network: Namespace, table: str, expected: dict[str, tuple[int, int]], said: list[str]
) -> None:
    nsd = lab.start(Nsd, ZONES, network=network)
    milter = lab.start(Milter64, f'{OBSERVE}\n[dns]\nnameservers = ["{nsd.server}"]\n', network=network)
    other = lab.start(AcceptAll, network=network)
    names = {"ours": milter.milters, "other": other.milters}
    maps = lab.folder / "maps"
    maps.write_text(table.format(**names) + "\n")
    postfix = lab.start(
        Postfix,
        milters=f"{milter.milters}, {other.milters}",
        network=network,
        services=[PROXIED],
        smtpd_milter_maps=f"cidr:{maps}",
    )
    others = {token: asked(send(network, postfix, token, wire)) for token, wire in WIRES.items()}
    milter.stop()
    assert {token: (judged(milter, token), others[token]) for token in WIRES} == expected
    found = advice(milter.file, postfix.queue.parent / "etc")
    about = [each["what"] for each in found["troubles"] if each["where"] == "smtp/inet smtpd_milter_maps"]
    assert about == [what.format(**names) for what in said]


@pytest.mark.parametrize(
    ("door", "before"),
    [
        ("inet:8864@localhost", "unix:milter64/milter64.sock"),
        pytest.param("inet6:8864@[::]", "inet:127.0.0.1:8864, inet:localhost:8864", marks=pytest.mark.slow),
        pytest.param(
            "inet:8864@0.0.0.0", "inet:localhost:8864, unix:/run/milter64/milter64.sock", marks=pytest.mark.slow
        ),
        ("unix:{queue}/milter64.sock", "inet:127.0.0.1:8864, unix:milter64.sock"),
    ],
)
def test_after_the_lines_no_mail_is_judged_twice_or_waits_at_a_door_that_is_shut(
    lab: Lab, network: Namespace, door: str, before: str
) -> None:
    nsd = lab.start(Nsd, ZONES, network=network)
    other = lab.start(AcceptAll, network=network)
    door = door.format(queue=lab.folder / "3-told" / "queue")
    file = lab.folder / "milter64.toml"
    settings = f'{OBSERVE}\n[dns]\nnameservers = ["{nsd.server}"]\n[milter]\nsocket = "{door}"\n'
    file.write_text(settings)
    postfix = lab.start(
        Told,
        file,
        milters=f"{before}, {other.milters}",
        network=network,
        services=[PROXIED.replace(" n - 300", " y - 300")],
    )
    milter = lab.start(Settled, f'{settings}socket_group = "postfix"\n', network=network)
    assert asked(send(network, postfix, "once", behind(HONEST))) == 1
    milter.stop()
    assert judged(milter, "once") == 1
    assert [each for each in postfix.after["troubles"] if each["where"] == "smtp/inet"] == []
    assert postfix.after["lines"] == []
    assert postfix.before["code"] == os.EX_CONFIG


def test_a_door_in_two_words_is_asked_twice_indeed(lab: Lab, network: Namespace) -> None:
    milter = lab.start(Milter64, OBSERVE, network=network)
    other = milter.milters.replace("127.0.0.1", "localhost")
    postfix = lab.start(Postfix, milters=f"{milter.milters}, {other}", network=network, services=[PROXIED])
    send(network, postfix, "twice", behind(HONEST))
    milter.stop()
    assert judged(milter, "twice") == 2
    found = advice(milter.file, postfix.queue.parent / "etc")["troubles"]
    assert {each["where"]: each["what"] for each in found}["smtp/inet"] == (
        f"milter64 is asked more than once, by {other} too"
    )
