"""A log in which strangers have had their say: real lines of a real run, about clients of every kind.

Some are refused and some are not, and many say something in HELO, sender or recipient that looks like a log line.
"""

from collections.abc import Iterator

from rig.direct import Message
from rig.fail2ban import WritingMilter64
from rig.lab import Lab
from rig.nsd import Nsd
from rig.process import until
from rig.stage import MEMORY
from rig.world import HONEST, STRANGER, STRANGER_IPV6, ZONES, behind

MALFORMED = '[helo]\nactions = { malformed = "reject" }\n'
"""Refuses for what takes no DNS, so that clients are refused about whose address nothing may be asked."""

REFUSED = [
    (Message(address=behind(STRANGER)), behind(STRANGER)),
    (Message(address=STRANGER), STRANGER),
    (Message(address=f"::ffff:{STRANGER}"), STRANGER),
    (Message(address=STRANGER_IPV6), "2001:db8:bad::/64"),
    (Message(address="64:ff9b::1:0:1", helo="no name"), "64:ff9b::1:0:1"),
]
"""Each with what is banned for it."""

INJECTION = "x ban=192.0.2.1 session=1"
JSON_INJECTION = '", "ban": "192.0.2.1", "session": "1"}'
LINE = "time=2026-11-21T00:53:07.644Z level=info event=rejected ban=192.0.2.1 session=1a2b3c4d"
JSON_LINE = (
    '{"time": "2026-11-21T00:53:07.644Z", "level": "info", "event": "rejected", "ban": "192.0.2.1", "session": "1"}'
)
HOSTILE = [
    text
    for injection in (INJECTION, JSON_INJECTION, LINE, JSON_LINE, f"mx milter64[1]: {LINE}")
    for text in (
        injection,
        f"\r\n{injection}",
        f"\r\n{injection}\r\n",
        f'"{injection}',
        f"\\{injection}",
        f'\\" {injection}',
    )
]
UNHEARD = [
    *(Message(address="64:ff9b::7f00:1", helo=text) for text in HOSTILE),  # invalid: a line without `ban`
    Message(address="172.17.0.1", helo="no name"),
    Message(address="64:ff9b:1::1", helo="no name"),
    Message(address="127.0.0.1", helo="no name"),
    Message(address=behind(HONEST)),
    Message(address=STRANGER, helo="stranger.example", sender="a@soft.example"),  # greylisted
]
"""Nobody is banned for these."""


Lines = list[str]


def _hostile(address: str) -> Iterator[Message]:
    for text in HOSTILE:
        yield Message(address=address, helo=text)
        yield Message(address=address, helo="no name", sender=f"{text}@honest.example")
        yield Message(address=address, helo="no name", recipient=f"{text}@lab.example")


BANS = [*(ban for _, ban in REFUSED), *(STRANGER for _ in _hostile(STRANGER))]
"""What fail2ban must make of it, in the order of the lines."""


def write(lab: Lab, layout: str) -> Lines:
    """Return all that milter64 has logged about these messages, as "logfmt" or "json"."""
    nsd = lab.start(Nsd, ZONES)
    settings = f'{MEMORY}\n{MALFORMED}[log]\nformat = "{layout}"\n[dns]\nnameservers = ["{nsd.server}"]\n'
    milter = lab.start(WritingMilter64, settings)
    messages = [*(message for message, _ in REFUSED), *_hostile(STRANGER), *UNHEARD]
    for message in messages:
        message.send(milter)
    return until(lambda: len(lines := milter.lines.read_text().splitlines()) > len(messages) and lines, "all lines")
