"""The mutations: of sessions, of a stranger's zones, of header fields; each yields what is wrong with what came of it.

A forger must get nothing by, whatever else he says, and whatever of it: he comes from an address for which
honest.example doesn't let send. An honest client's message is accepted, bears our field, and loses those in our name.
"""

from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

from authres import AuthenticationResultsHeader, AuthResError  # type: ignore[import-untyped]  # it ships none

from fuzz.mutation import mutated
from fuzz.zones import STRANGE
from rig.milterclient import MilterClient, Reply
from rig.world import HONEST, STRANGER, behind

OURS = "mx.lab.example"
_PATIENCE = 10.0
_FIELDS = [
    b"mx.lab.example; spf=pass smtp.mailfrom=honest.example",
    b'"mx.lab.example" 1; spf=pass (x) smtp.mailfrom=honest.example; iprev=pass policy.iprev=192.0.2.1',
    b"(mx.lab.example) other.example; dkim=pass header.d=mx.lab.example",
    b"i=1; mx.lab.example; spf=pass smtp.mailfrom=honest.example",
    b"other.example 1; none",
    b"pass (mx.lab.example: ok) client-ip=192.31.196.10; envelope-from=a@honest.example; receiver=mx.lab.example",
]


def session(port: int, chance: Random) -> Iterator[str]:
    """Change what a client or a mail server says, and in what order."""
    forger = chance.random() < 0.6
    said = {
        "name": b"client.example",
        "helo": b"stranger.example" if forger else b"mail.honest.example",
        "sender": b"<a@honest.example>",
        "recipient": b"<b@lab.example>",
        "parameter": b"SIZE=1000",
        "field": b"Subject",
        "value": b"a subject",
        "results": chance.choice(_FIELDS),
        "j": OURS.encode(),
        "auth_authen": b"",
        "i": b"QUEUEID",
    }
    changed = chance.sample(sorted(said.keys() - ({"auth_authen"} if forger else set())), chance.randint(1, 3))
    said |= {name: mutated(said[name], chance).replace(b"\0", b"") for name in changed}
    with _talk(port) as client:
        for step in _steps(chance):
            reply = _step(client, step, said, behind(STRANGER if forger else HONEST))
            if forger and step == "rcpt" and reply.action in ("continue", "accept"):
                yield f"a forger got by: {said}"
            if step == "rcpt" and reply.action != "continue":
                return


def _steps(chance: Random) -> Iterator[str]:
    """Yield the commands of a session, in an order that a mail server may send them in."""
    yield "connect"
    yield from ["helo"] * chance.choice((0, 1, 1, 1, 2))
    for _ in range(chance.choice((1, 1, 2))):
        yield "mail"
        yield from ["rcpt"] * chance.choice((1, 1, 3))
        if chance.random() < 0.2:
            yield "abort"
        else:
            yield from ["data", *["header"] * chance.choice((0, 1, 3)), "eoh", "eom"]


def zone(port: int, chance: Random) -> Iterator[str]:
    """Have a stranger's DNS decide."""
    names = [f"{chance.getrandbits(40)}.{STRANGE}" for _ in range(2)]
    with _talk(port) as client:
        client.connect(address=behind(HONEST), j=OURS)
        client.helo(names[0] if chance.random() < 0.5 else "mail.honest.example")
        client.mail(f"<a@{names[1]}>", mail_addr=f"a@{names[1]}")
        if client.rcpt("<b@lab.example>", rcpt_addr="b@lab.example").action == "continue":
            yield from _judged(client.eom(i="QUEUEID"), names[1])


def fields(port: int, chance: Random) -> Iterator[str]:
    """Change header fields, of which those in our name must go."""
    values = [
        mutated(chance.choice(_FIELDS), chance) if chance.random() < 0.8 else chance.choice(_FIELDS) for _ in "123"
    ]
    values = [value.replace(b"\0", b"") for value in values]
    with _talk(port) as client:
        client.connect(address=behind(HONEST), j=OURS)
        client.helo("mail.honest.example")
        client.mail("<a@honest.example>", mail_addr="a@honest.example")
        client.rcpt("<b@lab.example>", rcpt_addr="b@lab.example")
        for value in values:
            client.header("Authentication-Results", value)
        reply = client.eom(i="QUEUEID")
        yield from _judged(reply, "honest.example")
        gone = {int.from_bytes(data[:4]) for letter, data in reply.changes if letter == "m" and b"\0" in data}
        for number, value in enumerate(values, 1):
            if _names_us(value) and number not in gone:
                yield f"a field in our name stays: {value!r}"


def _judged(reply: Reply, domain: str) -> Iterator[str]:
    """Yield what is wrong with the end of a message that passed."""
    ours = [value for name, value in reply.headers if name == "Authentication-Results" and value.startswith(OURS)]
    if reply.action == "continue" and not any(f"smtp.mailfrom={domain}" in value for value in ours):
        yield f"a message of {domain} got by unjudged: {reply}"


def _names_us(value: bytes) -> bool:
    with suppress(AuthResError, UnicodeDecodeError):
        field = AuthenticationResultsHeader.parse_value(value.decode("ascii"))
        return bool(field.authserv_id.lower() == OURS)
    return False


def _step(client: MilterClient, step: str, said: dict[str, bytes], address: str) -> Reply:
    calls: dict[str, Any] = {
        "connect": lambda: client.connect(said["name"], address=address, j=said["j"]),
        "helo": lambda: client.helo(said["helo"]),
        "mail": lambda: client.mail(
            said["sender"], said["parameter"], mail_addr="a@honest.example", auth_authen=said["auth_authen"]
        ),
        "rcpt": lambda: client.rcpt(said["recipient"], said["parameter"], rcpt_addr="b@lab.example"),
        "data": client.data,
        "header": lambda: client.header(said["field"], said["value"]),
        "eoh": client.eoh,
        "eom": lambda: client.eom(i=said["i"]),
        "abort": client.abort,
    }
    return calls[step]() or Reply(action="none")


def _talk(port: int) -> MilterClient:
    return MilterClient(("127.0.0.1", port), timeout=_PATIENCE)
