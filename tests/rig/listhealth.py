"""A DNS list's health, with a clock that stands still, before a resolver that says what it is told to."""

import time
from collections.abc import Callable
from threading import enumerate as threads

from milter64.checks.dns_list_health import MOST_FAILURES, Health, Trouble
from milter64.checks.dns_list_kinds import IPV4, IPV6, Kind
from milter64.dns.lookup import Answer, asked_alone
from milter64.dns.unanswered import TimedOut, Unanswered
from rig.clock import Clock

Says = Callable[[str], tuple[str, ...]]

ZONE = "s3cr3tk3y.bl.example"
GOOD = {"2.0.0.127": ("127.0.0.2",), IPV6.listed[0]: ("127.0.0.2",), "test": ("127.0.0.2",)}


class List:
    """A list and the resolver before it; `says` may be changed, and is asked about each name."""

    def __init__(self) -> None:
        self.says: Says = works
        self.asked: list[str] = []
        self.down = False
        self.lives = True

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:
        assert (rdtype, name.partition(f".{ZONE}")[2]) == ("A", "")
        assert deadline > time.monotonic()
        assert lasting == float("inf"), "no answer that is remembered tells anything"
        label = name.removesuffix(f".{ZONE}")
        self.asked.append(label)
        values = self.says(label)
        return Answer(exists=bool(values), values=values, ttl=60, name=name)

    def alive(self, _deadline: float) -> bool:
        return self.lives


def works(label: str) -> tuple[str, ...]:
    return GOOD.get(label, ())


def everybody(_label: str) -> tuple[str, ...]:
    return ("127.0.0.2",)


def silent(_label: str) -> tuple[str, ...]:
    raise TimedOut("no answer in time")


def refuses(_label: str) -> tuple[str, ...]:
    raise Unanswered("REFUSED")


class Case:
    """A list's health, with a clock that stands still."""

    def __init__(self, kind: Kind = IPV4) -> None:
        self.list = List()
        self.clock = Clock()
        self.told: list[str] = []
        self.health = Health(ZONE, kind, self.list, 1.0, self.told.append, self.clock)

    def admit(self) -> Trouble | None:
        """Ask for a list, and once more when it has been looked at, if it is."""
        self.admitted()
        for thread in threads():
            if thread.name == "dns-list":
                thread.join(5)
        return self.admitted()

    def admitted(self, seconds: float = 5.0) -> Trouble | None:
        """Ask for the list, and wait so long."""
        return asked_alone(self.health.admit(time.monotonic() + seconds), self.list)

    def confirm(self) -> Trouble | None:
        return asked_alone(self.health.confirm(time.monotonic() + 5), self.list)

    def fail(self, times: int = MOST_FAILURES) -> None:
        for _ in range(times):
            self.health.failed(TimedOut("no answer in time"))
