"""One message as a mail server offers it to the milter, and what came of it."""

import time
from dataclasses import dataclass, replace

from rig.milterclient import Address, MilterClient, Reply, connected

MX = "mx.lab.example"
_PATIENCE = 40.0
"""Seconds for one reply: several times what a verdict may take."""

ACCEPTED = "accepted"
LOST = "lost"
NOBODY = "nobody there"
SILENCE = "no reply"
GONE = "client gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Envelope, forged fields, and where the client goes away: "" nowhere, else before that command.

    `right` are the replies that are right where nothing is amiss; `asks` says that they take DNS, `waits` that they
    take the greylist. `spf` is the result that an accepted message's field must have. `pause` is in seconds.
    """

    kind: str
    address: str
    right: frozenset[str]
    helo: str = "client.example"
    sender: str = ""
    written: str = ""
    """The sender as the client writes him, if otherwise than in brackets."""
    recipients: tuple[str, ...]
    login: str = ""
    fields: tuple[str, ...] = ()
    until: str = ""
    asks: bool = False
    waits: bool = False
    spf: str = ""
    pause: float = 0.0
    passed: bool = False
    """Whether the sender has come back as he should, and must not be greylisted again."""
    first_try: float = 0.0
    """When the first of several tries began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The reply in short, its text, and when and from which port the session was."""

    reply: str
    text: str = ""
    port: int = 0
    began: float
    ended: float = 0.0
    wrong: str = ""
    """What is wrong with the message's fields."""


def offer(address: Address, message: Message) -> Outcome:
    """Offer a message to a milter."""
    outcome = Outcome(reply=NOBODY, began=time.monotonic())
    try:
        connection = connected(address, _PATIENCE)
        outcome = replace(outcome, reply=LOST, port=connection.getsockname()[1])
        with MilterClient(connection) as client:
            outcome = _said(client, message, outcome)
    except TimeoutError:
        outcome = replace(outcome, reply=SILENCE)
    except (ConnectionError, AssertionError):
        pass  # nobody there, or lost
    return replace(outcome, ended=time.monotonic())


def _said(client: MilterClient, message: Message, outcome: Outcome) -> Outcome:
    client.connect(address=message.address, j=MX)
    client.helo(message.helo)
    if message.until == "mail":
        return replace(outcome, reply=GONE)
    client.mail(message.written or f"<{message.sender}>", mail_addr=message.sender, auth_authen=message.login)
    time.sleep(message.pause)
    reply = Reply(action="none")
    for recipient in message.recipients:
        reply = client.rcpt(f"<{recipient}>", rcpt_addr=recipient)
        if reply.action != "continue":
            return _refused(outcome, reply)
    if message.until == "data":
        client.abort()
        return replace(outcome, reply="continue")
    client.data(i="4LSOAK")
    client.header("Subject", "soak")
    for value in message.fields:
        client.header("Authentication-Results", value)
    client.eoh()
    if message.until == "eom":
        return replace(outcome, reply=GONE)
    reply = client.eom(i="4LSOAK")
    if reply.action != "continue":
        return _refused(outcome, reply)
    client.abort()
    return replace(outcome, reply=ACCEPTED, wrong=_wrong(message, reply))


def _refused(outcome: Outcome, reply: Reply) -> Outcome:
    return replace(outcome, reply=reply.text[:3] or reply.action, text=reply.text)


def _wrong(message: Message, reply: Reply) -> str:
    """Say what is wrong with the fields of a message that was accepted."""
    ours = [value for name, value in reply.headers if name == "Authentication-Results" and value.startswith(MX)]
    if message.spf and not any(f"spf={message.spf}" in value for value in ours):
        return f"no field says spf={message.spf}"
    gone = {int.from_bytes(data[:4]) for letter, data in reply.changes if letter == "m"}
    forged = {number for number, value in enumerate(message.fields, 1) if value.startswith(MX)}
    return "" if gone == forged else f"fields {sorted(gone)} were deleted, not {sorted(forged)}"
