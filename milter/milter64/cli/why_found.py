"""What logs say of what `milter64 why` is asked about: our own lines, and Postfix's of the same mail.

A log is read three times: for what is asked about, for mails of the same sender and recipient, as one that comes
again has another token, and for all that is said of these.
"""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeVar

from milter64.cli import log_line
from milter64.cli.why_wanted import ADDRESS, OF_ONE_MAIL, QUEUE, SENDER, Wanted
from milter64.history.line_times import LineTimes
from milter64.history.lines_with import lines_with
from milter64.history.own_lines import Event, events

_MOST = 200
"""Lines of each kind that are kept, the latest."""
_MOST_NAMES = 60
"""Tokens, queue ids and pairs by which others are found, the latest: a log is searched for each."""
_NAMES = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^">])*)>')
_POSTFIXS = re.compile(
    r"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)) \S+ "
    r"[^\s\[:=<]+/([a-z]+)\[\d+\]: (\w+): (.*)"
)
_IN_REPLY = re.compile(r"\(milter64 ([0-9a-f]{8})\)")
_GIVEN_ON = re.compile(r"status=sent \(.*\bqueued as (\w+)\)$")
_TELLING = re.compile(r"client=|to=<|(?:milter-)?(?:reject|discard|hold): |sender (?:non-)?delivery|from=<.*>, status=")
"""How what is told begins, of what Postfix says of a mail."""


One = TypeVar("One")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A line of Postfix's: of which of its programs, about which queue id, and what it says.

    `asked` says that it is about the mail that was asked about by its token or queue id.
    """

    at: float
    program: str
    queue: str
    text: str
    asked: bool


@dataclass(slots=True, kw_only=True)
class Found:
    """What there is, in order of time, and how many of the lines that were read are of other programs or unreadable."""

    story: list[Event | Said] = field(default_factory=list)
    left_out: int = 0
    ours: int = 0
    lines: int = 0


def find(
    wanted: Wanted, read: Callable[[], Iterator[bytes]], written: float, window: float, since: float = 0.0
) -> Found:
    """Return what a log says; `read` reads it from its beginning, and it was `written` to first before that time.

    Mails of the same sender and recipient belong to it that came `window` seconds before or after. What happened before
    `since`, in seconds since 1970, doesn't.
    """
    story = _Story(wanted, written, window, since)
    found, first = Found(), story.names()
    for block in read():
        story.seek(_with(block, first, found))
    names = story.names()
    for block in read():
        story.seek(_with(block, names, None))
    names = story.names()
    for block in read():
        story.collect(_with(block, names, None))
    told = {event.fields.get("session") for event in story.events}
    said = [one for one in story.said if not told.intersection(_IN_REPLY.findall(one.text))]  # twice is once too often
    found.story = sorted([*story.events, *said], key=_order)
    found.left_out = story.events.left_out + story.said.left_out
    return found


def is_asked(wanted: Wanted, one: Event | Said) -> bool:
    """Whether what belongs to it is of the very mail that was asked about, where that was one."""
    if wanted.kind not in OF_ONE_MAIL:
        return True
    return one.asked if isinstance(one, Said) else wanted.is_of(one.fields)


def _with(block: bytes, texts: Collection[bytes], count: Found | None) -> bytes:
    """Return the lines of a block that have one of some texts in them, in any case; count what there is."""
    lowered = block.lower()
    if count:
        count.lines += block.count(b"\n")
        count.ours += sum(map(lowered.count, _OURS))
    return lines_with(block, texts, lowered)


_OURS = (b" event=", b'"event": ')


def _order(one: Event | Said) -> tuple[int, int, float]:
    """Return what sorts: Postfix's times may be of whole seconds, and it tells of a client before we decide."""
    rank = 1 if isinstance(one, Event) else 0 if one.text.startswith("client=") else 2
    return int(one.at), rank, one.at


class _Latest(Generic[One]):
    """The latest of what there is; what is asked about itself doesn't give way to what is told beside it."""

    def __init__(self) -> None:
        self._kept = {asked: deque[One](maxlen=_MOST) for asked in (True, False)}
        self.left_out = 0

    def append(self, one: One, *, asked: bool) -> None:
        """Keep it."""
        self.left_out += len(self._kept[asked]) == _MOST
        self._kept[asked].append(one)

    def __iter__(self) -> Iterator[One]:
        return chain(*self._kept.values())


class _Story:
    """What belongs to what is asked about."""

    def __init__(self, wanted: Wanted, written: float, window: float, since: float) -> None:
        self.events = _Latest[Event]()
        self.said = _Latest[Said]()
        self._wanted = wanted
        self._times = LineTimes(written)
        self._window = window
        self._since = since
        self._tokens = {wanted.token: None} if wanted.token else dict[str, None]()
        self._queues = {wanted.queue: None} if wanted.queue else dict[str, None]()
        self._pairs: dict[tuple[str, str], float] = {}
        self._asked: dict[str, None] = dict(self._queues)
        """The queue ids of what is asked about itself, and not of mails of the same sender and recipient."""

    def seek(self, lines: bytes) -> None:
        """Take the names by which others belong to it, out of lines that may be about it."""
        for event in events([lines]):
            if self._belongs(event):
                self._take(event)
        for line in lines.decode("latin-1").split("\n"):
            if (match := _POSTFIXS.match(line)) and match[3] in self._queues:
                self._follow(match[3], match[4])
        for queue in self._asked:  # they stay, however many others there are
            _keep(self._queues, queue)

    def names(self) -> frozenset[bytes]:
        """Return texts that lines have which belong to it, in lower case."""
        parted = [sender.rpartition("@") for sender, _ in self._pairs]
        domains = {f"@{domain}" if at else f"<{domain}>" for _, at, domain in parted}
        names = (*self._tokens, *self._queues, *self._wanted.texts, *domains)
        return frozenset(name.lower().encode("ascii", "replace") for name in names if name)

    def collect(self, lines: bytes) -> None:
        """Take lines that belong to it."""
        for event in events([lines]):
            if self._belongs(event):
                self.events.append(event, asked=self._wanted.is_of(event.fields))
        for line in lines.decode("latin-1").split("\n"):
            if (match := _POSTFIXS.match(line)) and self._is_told(match[3], match[4], line):
                try:
                    at = self._times(match[1].encode())
                except ValueError:
                    continue
                if at < self._since:
                    continue
                asked = match[3] in self._asked or self._wanted.token in _IN_REPLY.findall(match[4])[-1:]
                said = Said(at=at, program=match[2], queue=match[3], text=match[4], asked=asked)
                self.said.append(said, asked=asked)

    def _take(self, event: Event) -> None:
        fields = event.fields
        if self._wanted.kind != QUEUE and "session" in fields:
            _keep(self._tokens, fields["session"])
        if fields.get("queue"):
            _keep(self._queues, fields["queue"])
            if self._wanted.is_of(fields):
                _keep(self._asked, fields["queue"])
        if self._wanted.kind in OF_ONE_MAIL and len(self._pairs) < _MOST_NAMES:
            self._pairs = dict.fromkeys(pairs_of(fields), event.at) | self._pairs

    def _belongs(self, event: Event) -> bool:
        fields = event.fields
        if event.at < self._since:
            return False
        if not (self._wanted.is_of(fields) or fields.get("session") in self._tokens):
            near = [abs(event.at - self._pairs[pair]) for pair in pairs_of(fields) if pair in self._pairs]
            return bool(near) and min(near) <= self._window
        return True

    def _follow(self, queue: str, text: str) -> None:
        """Have the queue id belong to it that a filter was given a mail back by."""
        if given_on := _GIVEN_ON.search(text):
            _keep(self._queues, given_on[1])
            if queue in self._asked:
                _keep(self._asked, given_on[1])

    def _is_told(self, queue: str, text: str, line: str) -> bool:
        """Whether what Postfix says belongs to it."""
        if queue in self._queues:
            return bool(_TELLING.match(text))
        if not _TELLING.match(text) or "reject: " not in text:
            return False
        if token := _IN_REPLY.findall(text):
            return token[-1] in self._tokens
        if self._wanted.kind not in {ADDRESS, SENDER}:
            return False
        try:
            said = log_line.read(line)
        except ValueError:
            return False
        of_it = said.client if self._wanted.kind == ADDRESS else f"<{said.sender}>".lower()
        return of_it in self._wanted.texts


def _keep(names: dict[str, None], name: str) -> None:
    """Note a name as the latest; of too many the earliest goes."""
    names.pop(name, None)
    names[name] = None
    if len(names) > _MOST_NAMES:
        del names[next(iter(names))]


def pairs_of(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the sender and each recipient of a line of ours, as they are shown."""
    for sender in _NAMES.findall(fields.get("from", ""))[:1]:
        for recipient in _NAMES.findall(fields.get("to", "")):
            yield sender, recipient
