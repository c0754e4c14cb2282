"""The kinds of messages that a day brings, how many there are of each, and which reply is right."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rig.world import HONEST, HONEST_IPV6, STRANGER, STRANGER_IPV6, behind
from soak.message import ACCEPTED, GONE, MX, Message

SILENT = "silent.example"
"""A zone whose nameserver never answers."""

_FIELDS = (f"{MX}; spf=pass smtp.mailfrom=bank.example", "other.example; none", f"{MX} 1; iprev=pass")


@dataclass(frozen=True, slots=True)
class Draw:
    """A seed's chance, and the number of a message, in which it differs from all others."""

    chance: Random
    number: int

    def honest(self) -> str:
        """Return an address that honest.example lets send, in one of three shapes."""
        return self.chance.choice((behind(HONEST), HONEST, HONEST_IPV6))

    def stranger(self) -> str:
        """Return one that nobody lets send."""
        return self.chance.choice((behind(STRANGER), STRANGER, STRANGER_IPV6))

    def nameless(self) -> str:
        """Return an address without a name, translated or not."""
        address = f"11.{self.chance.randrange(256)}.{self.chance.randrange(256)}.{self.chance.randrange(1, 255)}"
        six = f"2001:db8:{self.chance.getrandbits(16):x}:{self.chance.getrandbits(16):x}::1"
        return self.chance.choice((behind(address), address, six))

    def user(self) -> str:
        """Return one of our users."""
        return f"user{self.chance.randrange(500)}@lab.example"

    def message(self, kind: str, address: str, *right: str, **more: object) -> Message:
        """Return a message to one of our users, unless `more` says otherwise."""
        fields = {"recipients": (self.user(),), **more}
        return Message(kind=kind, address=address, right=frozenset(right), **fields)  # type: ignore[arg-type]


def regular(draw: Draw) -> Message:
    """Mail of an honest sender, for one to three recipients."""
    recipients = tuple(draw.user() for _ in range(draw.chance.choice((1, 1, 1, 2, 3))))
    sender = f"news{draw.chance.randrange(1000)}@honest.example"
    return draw.message(
        "regular", draw.honest(), ACCEPTED, helo="mail.honest.example", sender=sender, asks=True, spf="pass",
        recipients=recipients,
    )  # fmt: skip


def fresh(draw: Draw) -> Message:
    """Mail of an honest sender about whose domain nobody has asked yet."""
    sender = f"a@d{draw.number}.fresh.example"
    address = draw.chance.choice((behind(HONEST), HONEST))
    return draw.message(
        "fresh", address, ACCEPTED, helo="mail.honest.example", sender=sender, asks=True, spf="pass"
    )  # fmt: skip


def suspect(draw: Draw) -> Message:
    """A first try from an address without a name, which has to come back."""
    sender = f"s{draw.number}@none.example"
    return draw.message("first try", draw.nameless(), "450", sender=sender, asks=True, waits=True)


def forged(draw: Draw) -> Message:
    """A forger of a domain that is known well, or of one that nobody has asked about."""
    known = draw.chance.random() < 0.5
    sender = "a@honest.example" if known else f"a@f{draw.number}.fresh.example"
    return draw.message("forged", draw.stranger(), "550", helo="stranger.example", sender=sender, asks=True)


def softfail(draw: Draw) -> Message:
    """A stranger, in the name of a domain that would rather not have it; he doesn't come back."""
    sender = f"s{draw.number}@soft.example"
    return draw.message(
        "softfail", draw.stranger(), "450", helo="stranger.example", sender=sender, asks=True, waits=True
    )


def broken(draw: Draw) -> Message:
    """A domain with a record that nobody can read, or that nobody can get."""
    sender = f"s{draw.number}@{draw.chance.choice(('broken.example', 'lost.example'))}"
    return draw.message(
        "broken SPF", draw.honest(), "450", helo="mail.honest.example", sender=sender, asks=True, waits=True
    )


def silent(draw: Draw) -> Message:
    """A domain whose nameserver never answers."""
    sender = f"a@d{draw.number}.{SILENT}"
    return draw.message(
        "silent domain", draw.honest(), "450", "451", helo="mail.honest.example", sender=sender, asks=True, waits=True
    )


def bounce(draw: Draw) -> Message:
    """The null sender, from an honest host."""
    return draw.message("bounce", draw.honest(), ACCEPTED, helo="mail.honest.example", asks=True)


def forged_bounce(draw: Draw) -> Message:
    """The null sender, in an honest host's name."""
    return draw.message("forged bounce", draw.stranger(), "550", helo="mail.honest.example", asks=True)


def callout(draw: Draw) -> Message:
    """Another server's question whether a recipient exists."""
    return draw.message("callout", draw.stranger(), "continue", helo="mail.honest.example", until="data")


def trusted(draw: Draw) -> Message:
    """Somebody who may say anything: a trusted host, or one who has authenticated."""
    host = draw.chance.random() < 0.5
    address, login = ("127.0.0.1", "") if host else (draw.stranger(), "joe")
    return draw.message("trusted", address, ACCEPTED, helo="pc", sender="a@honest.example", login=login)


def postmaster(draw: Draw) -> Message:
    """A forger who writes to postmaster: he can always be reached."""
    recipients = (f"{draw.chance.choice(('postmaster', 'Abuse'))}@lab.example",)
    return draw.message(
        "to postmaster", draw.stranger(), ACCEPTED, helo="stranger.example", sender="a@honest.example",
        recipients=recipients,
    )  # fmt: skip


def unreadable(draw: Draw) -> Message:
    """A sender of whom nobody can tell who it is."""
    return draw.message("unreadable", draw.honest(), "550", helo="mail.honest.example", sender="joe", written="<joe@>")


def fields(draw: Draw) -> Message:
    """An honest sender's mail with fields in our name, which must go."""
    some = tuple(draw.chance.choices(_FIELDS, k=draw.chance.randint(1, 4)))
    sender = f"list{draw.chance.randrange(1000)}@honest.example"
    return draw.message(
        "forged fields", draw.honest(), ACCEPTED, helo="mail.honest.example", sender=sender, asks=True, spf="pass",
        fields=some,
    )  # fmt: skip


def gone(draw: Draw) -> Message:
    """A client that goes away without a word."""
    until = draw.chance.choice(("mail", "eom"))
    return draw.message(
        "client gone", draw.honest(), GONE, helo="mail.honest.example", sender="a@honest.example", asks=True,
        until=until,
    )  # fmt: skip


def slow(draw: Draw) -> Message:
    """A session that lasts, over reloads too."""
    return draw.message(
        "slow", draw.honest(), ACCEPTED, helo="mail.honest.example", sender="slow@honest.example", asks=True,
        pause=draw.chance.uniform(2, 20),
    )  # fmt: skip


KINDS: dict[Callable[[Draw], Message], float] = {
    regular: 10,
    fresh: 8,
    suspect: 7,
    forged: 6,
    softfail: 2,
    broken: 1,
    silent: 0.2,
    bounce: 3,
    forged_bounce: 2,
    callout: 3,
    trusted: 3,
    postmaster: 1,
    unreadable: 1,
    fields: 3,
    gone: 2,
    slow: 0.05,
}
"""Each with its share, in percent; the rest are senders who have come back, and are known."""
