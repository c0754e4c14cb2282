"""Logs of any length, made of a seed: Postfix's, and milter64's own beside it.

Both tell of the same kind of traffic: people who write often, lists that write to many, first tries of whom some come
back, spam that doesn't, callouts. A log of N lines is the beginning of one of more.
"""

import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

BEGINS = 1_795_824_000
"""The time of the first line: 2026-11-28T00:00:00Z."""
_PER_SECOND = 8
"""Sessions."""
_CHUNK = 20_000
_HOME = ("example.org", "example.net", "lists.example.org")
_LOCAL = ("info", "joe", "anna", "sales", "bounces", "news", "list-owner", "no-reply", "root", "office")


def write(path: Path, lines: Iterator[str], count: int) -> Path:
    """Write so many lines to a file."""
    with path.open("w", encoding="ascii") as file:
        while some := list(islice(lines, min(count, _CHUNK))):
            file.write("\n".join(some) + "\n")
            count -= len(some)
    return path


class _World:
    """Who writes to whom."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.number = 0

    def honest(self) -> tuple[str, str, str]:
        """Return a client's address, its name, and its sender, of some 20,000."""
        which = int(self.chance.paretovariate(0.6)) % 20_000
        domain = f"honest{which}.example"
        sender = f"{_LOCAL[which % len(_LOCAL)]}@{domain}"
        return f"192.{which >> 8 & 0xFF}.{which & 0xFF}.{which % 7 + 1}", f"mail.{domain}", sender

    def spammer(self) -> tuple[str, str, str]:
        """Return another one each time, nearly."""
        number = self.chance.getrandbits(32)
        address = ".".join(str(octet) for octet in (number >> 24 | 1, number >> 16 & 255, number >> 8 & 255, 9))
        return address, "unknown", f"{number % 9973:x}@spam{number % 50_000}.example"

    def recipient(self) -> str:
        which = int(self.chance.paretovariate(0.8)) % 3000
        return f"user{which}@{_HOME[which % len(_HOME)]}"

    def token(self) -> str:
        return f"{self.chance.getrandbits(32):08x}"


def postfix_lines(seed: int = 64) -> Iterator[str]:
    """Yield a Postfix log, as rsyslog writes it by tradition."""
    world, at = _World(seed), float(BEGINS)
    while True:
        at += world.chance.expovariate(_PER_SECOND)
        stamp = time.strftime("%b %e %H:%M:%S", time.gmtime(at))
        yield from _postfix_session(world, stamp)


def _postfix_session(world: _World, stamp: str) -> Iterator[str]:
    chance, kind = world.chance, world.chance.random()
    address, name, sender = world.honest() if kind < 0.6 else world.spammer()
    to = world.recipient()
    pid = 1000 + chance.randrange(60)
    smtpd = f"{stamp} mx postfix/smtpd[{pid}]: "
    client = f"{name}[{address}]"
    yield f"{smtpd}connect from {client}"
    if kind < 0.5:
        queue = f"4{chance.getrandbits(44):011X}"
        size = 1000 + chance.randrange(90_000)
        yield f"{smtpd}{queue}: client={client}"
        yield f"{stamp} mx postfix/cleanup[{pid + 100}]: {queue}: message-id=<{queue}.{size}@{name}>"
        yield f"{stamp} mx postfix/qmgr[900]: {queue}: from=<{sender}>, size={size}, nrcpt=1 (queue active)"
        yield (
            f"{stamp} mx postfix/lmtp[{pid + 200}]: {queue}: to=<{to}>, relay=mx[private/dovecot-lmtp], delay=0.42,"
            f" delays=0.3/0.01/0.01/0.1, dsn=2.0.0, status=sent (250 2.0.0 <{to}> {queue} Saved)"
        )
        yield f"{stamp} mx postfix/qmgr[900]: {queue}: removed"
        yield f"{smtpd}disconnect from {client} ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"
        return
    if kind < 0.8:
        why = f"450 4.2.0 <{to}>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/x.html"
    else:
        why = f"554 5.7.1 Service unavailable; Client host [{address}] blocked using zen.spamhaus.org"
    yield (f"{smtpd}NOQUEUE: reject: RCPT from {client}: {why}; from=<{sender}> to=<{to}> proto=ESMTP helo=<{name}>")
    yield f"{smtpd}disconnect from {client} ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4"


def own_lines(seed: int = 64, *, observe: bool = False) -> Iterator[str]:
    """Yield a log of ours, as the service writes it; in observe mode, what it would have done to some."""
    world, at = _World(seed), float(BEGINS)
    waiting: list[tuple[float, tuple[str, str, str], str]] = []
    while True:
        at += world.chance.expovariate(_PER_SECOND)
        second, milliseconds = divmod(int(at * 1000), 1000)
        head = f"time={time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{milliseconds:03}Z level=info event="
        chance, kind = world.chance, world.chance.random()
        if waiting and waiting[0][0] <= at:
            _, who, to = waiting.pop(0)
            yield head + _line(world, "accepted", who, to, "greylist=passed", group=True)
        elif kind < 0.55:
            yield head + _line(world, "accepted", world.honest(), world.recipient(), "")
        elif kind < 0.65:
            yield head + _line(world, "accepted", world.honest(), world.recipient(), "greylist=passed", group=True)
        elif kind < 0.68:
            yield head + _line(world, "abandoned", (*world.honest()[:2], ""), world.recipient(), "")
        elif kind < 0.82:
            again = kind < 0.71
            who, to = world.honest() if again else world.spammer(), world.recipient()
            if again:
                waiting.append((at + 300 + chance.random(), who, to))
            yield head + _line(world, "greylisted", who, to, "greylist=new", group=True, wait=60, observe=observe)
        else:
            who, to = world.spammer() if kind < 0.98 else world.honest(), world.recipient()
            found = "spf_helo=pass spf=fail iprev=pass" if kind >= 0.98 else ""
            yield head + _line(world, "rejected", who, to, "", observe=observe, found=found)


_FOUND = {
    "accepted": "spf_helo=pass spf=pass iprev=pass",
    "abandoned": "spf_helo=none iprev=pass",
    "greylisted": "spf_helo=none spf=none iprev=fail",
    "rejected": "spf_helo=none spf=fail iprev=permerror",
}
_REPLIES = {"greylisted": "450 4.7.1", "rejected": "550 5.7.23"}


def _line(
    world: _World,
    event: str,
    who: tuple[str, str, str],
    to: str,
    standing: str,
    *,
    group: bool = False,
    wait: int = 0,
    observe: bool = False,
    found: str = "",
) -> str:
    """Return what stands behind `event=`."""
    address, name, sender = who
    domain, found, token = sender.rpartition("@")[2], found or _FOUND[event], world.token()
    wire, origin = (address, "ipv4")
    if world.number % 3 == 0:
        octets = [int(octet) for octet in address.split(".")]
        wire = f"64:ff9b::{octets[0] << 8 | octets[1]:x}:{octets[2] << 8 | octets[3]:x}"
        origin = "translated"
    world.number += 1
    more = [standing] if standing else []
    if event == "rejected":
        more.append(f'because="spf fail: {address} is not permitted by {domain} (-all)"')
    if event == "greylisted":
        more.insert(0, f'because="iprev fail: {name} does not lead to {address}"')
    if group:
        more.append(f"group=net:{address.rpartition('.')[0]}.0/24")
    if wait:
        more.append(f"wait={wait}")
    if reply := _REPLIES.get(event):
        more.append(f'reply="{reply}"')
    shown, first = event, ""
    if observe and event in _REPLIES:
        shown = "accepted"
        more.append(f"observe={event}")
    if shown == "rejected":
        first = f"ban={wire} "
    if shown == "accepted":
        first = f"queue=4{world.chance.getrandbits(44):011X} "
    return (
        f"{shown} {first}session={token} client={address} wire={wire} port={world.number % 60_000 + 1024}"
        f" origin={origin} helo={name} from=<{sender}> to=<{to}> {found} {' '.join([*more, 'ms=1.2'])}"
    )
