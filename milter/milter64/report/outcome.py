"""What a line of the log says about a transaction: its shape, which thousands have, and who it is about."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

OUTCOMES = ("accepted", "greylisted", "deferred", "busy", "rejected", "abandoned")
"""The events that tell of a transaction."""
PUT_OFF = frozenset({"greylisted", "deferred", "busy"})
REFUSED = "rejected"
KEPT_OUT = (*sorted(PUT_OFF), REFUSED)
SPARED = "spared"
"""What became of those whom nothing but observe mode has let in."""
_NO_FINDINGS = frozenset(
    {"time", "level", "event", "ban", "queue", "session", "client", "wire", "port", "origin", "helo", "from", "to"}
    | {"because", "greylist", "group", "wait", "reply", "observe", "ms"}
)
"""The fields that name no check."""


class Shape(NamedTuple):
    """What thousands of lines have in common: what happened, to whom it did, and why.

    `event` is what became of it; `observed` is what would have, in observe mode, or "". `found` has the findings as the
    log writes them, such as "spf=fail iprev=pass", and `why` the results that led to it, such as "spf fail".
    """

    event: str
    observed: str
    origin: str
    found: str
    why: str
    standing: str

    @property
    def judged(self) -> str:
        """What was decided, in force or not."""
        return self.observed or self.event

    @property
    def became(self) -> str:
        """What became of it in fact."""
        return SPARED if self.observed and self.event == "accepted" else self.event


def bounded(shape: Shape, known: Mapping[Shape, object], room: int) -> Shape:
    """Return a shape, or what it has in common with others if there is no room for it beside those that are known."""
    if shape in known or len(known) < room:
        return shape
    shape = shape._replace(why="other")  # strangers can make up reasons, and hardly anything else of it
    return shape if shape in known or len(known) < 2 * room else shape._replace(found="")


class Mail(NamedTuple):
    """Who a line is about; `recipients` are as the log writes them, but for the outer brackets: "joe@x>,<ann@x"."""

    client: str
    helo: str
    sender: str
    recipients: str


def shape_of(name: str, fields: Mapping[str, str]) -> Shape:
    """Return the shape of an event."""
    return Shape(
        event=name,
        observed=fields.get("observe", ""),
        origin=fields.get("origin", ""),
        found=found_by({field: value for field, value in fields.items() if field not in _NO_FINDINGS}),
        why=reasons(fields.get("because", "")),
        standing=fields.get("greylist", ""),
    )


def found_by(fields: Mapping[str, str]) -> str:
    """Return what was found, as a shape has it, of the fields that say so."""
    return " ".join([f"{field}={value}" for field, value in fields.items()])


def written(fields: Mapping[str, str]) -> tuple[str, str]:
    """Return who an event is about, as figures are taken of it: its host and its mail."""
    sender = fields.get("from", "").removeprefix("<").removesuffix(">")
    recipients = fields.get("to", "").removeprefix("<").removesuffix(">")
    return who(fields.get("client", ""), fields.get("helo", ""), sender, recipients)


def who(client: str, helo: str, sender: str, recipients: str) -> tuple[str, str]:
    """Return a host and a mail, as figures are taken of them."""
    return f"{client} helo={helo}", f"{sender.replace('>', '')}> to=<{recipients}"


_FURTHER = re.compile(r"; ([a-z]+ [a-z0-9./_-]+)(?=:|;|$)")


def reasons(because: str) -> str:
    """Return the results alone that a reason names: "spf fail; iprev fail" of "spf fail: ...; iprev fail: ...".

    A stranger's words in it can make up further ones of that form, and nothing but that.
    """
    first = because.partition(":")[0]
    return _further(because) if ";" in because else first


@lru_cache(maxsize=1024)
def _further(because: str) -> str:
    first = because.partition(":")[0].partition(";")[0]
    return "; ".join(dict.fromkeys((first, *_FURTHER.findall(because))))
