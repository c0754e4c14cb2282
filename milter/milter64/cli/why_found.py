"""What logs say of what `milter64 why` is asked about: our own lines, and Postfix's of the same mail.

A log is read three times: for what is asked about, for mails of the same sender and recipient, as one that comes
again has another token, and for all that is said of these.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from milter64.cli import log_line
from milter64.cli.why_wanted import ADDRESS, QUEUE, SENDER, TOKEN, Wanted
from milter64.history.line_times import LineTimes
from milter64.history.own_lines import Event, events

_MOST = 200
"""Lines of each kind that are kept, the latest."""
_MOST_NAMES = 1000
"""Tokens, queue ids and pairs by which others are found."""
_NAMES = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^">])*)>')
_POSTFIXS = re.compile(
    r"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)) \S+ "
    r"[^\s\[:=<]+/([a-z]+)\[\d+\]: (\w+): (.*)"
)
_IN_REPLY = re.compile(r"\(milter64 ([0-9a-f]{8})\)")
_GIVEN_ON = re.compile(r"status=sent \(.*\bqueued as (\w+)\)$")
_TELLING = re.compile(r"client=|to=<|(?:milter-)?(?:reject|discard|hold): |sender (?:non-)?delivery|from=<.*>, status=")
"""How what is told begins, of what Postfix says of a mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A line of Postfix's: of which of its programs, about which queue id, and what it says."""

    at: float
    program: str
    queue: str
    text: str


@dataclass(slots=True, kw_only=True)
class Found:
    """What there is, in order of time, and how many of the lines that were read are of other programs or unreadable."""

    story: list[Event | Said] = field(default_factory=list)
    left_out: int = 0
    ours: int = 0
    lines: int = 0


def find(wanted: Wanted, read: Callable[[], Iterator[bytes]], written: float, window: float) -> Found:
    """Return what a log says; `read` reads it from its beginning, and it was `written` to first before that time.

    Mails of the same sender and recipient belong to it that came `window` seconds before or after.
    """
    story = _Story(wanted, written, window)
    found = Found()
    for block in read():
        story.seek(_with(block, wanted.texts, found))
    for block in read():
        story.seek(_with(block, story.names(), None))
    names = story.names()
    for block in read():
        story.collect(_with(block, names, None))
    told = {event.fields.get("session") for event in story.events}
    said = [one for one in story.said if not told.intersection(_IN_REPLY.findall(one.text))]  # twice is once too often
    found.story = sorted([*story.events, *said], key=_order)
    found.left_out = story.left_out
    return found


def _with(block: bytes, texts: Iterable[str], count: Found | None) -> bytes:
    """Return the lines of a block that have one of some texts in them, in any case; count what there is."""
    lowered = block.lower()
    if count:
        count.lines += block.count(b"\n")
        count.ours += len(_OURS.findall(lowered))
    lines: dict[int, bytes] = {}
    for place in re.finditer(b"|".join(re.escape(text.encode("ascii", "replace")) for text in texts), lowered):
        begins = block.rfind(b"\n", 0, place.start()) + 1
        if begins not in lines:
            lines[begins] = block[begins : block.find(b"\n", begins) + 1]
    return b"".join(lines.values())


_OURS = re.compile(rb"\blevel=[a-z]+ event=|\"level\": ?\"")


def _order(one: Event | Said) -> tuple[int, int, float]:
    """Return what sorts: Postfix's times may be of whole seconds, and it tells of a client before we decide."""
    rank = 1 if isinstance(one, Event) else 0 if one.text.startswith("client=") else 2
    return int(one.at), rank, one.at


class _Story:
    """What belongs to what is asked about."""

    def __init__(self, wanted: Wanted, written: float, window: float) -> None:
        self.events = deque[Event](maxlen=_MOST)
        self.said = deque[Said](maxlen=_MOST)
        self.left_out = 0
        self._wanted = wanted
        self._times = LineTimes(written)
        self._window = window
        self._tokens = {wanted.value} if wanted.kind == TOKEN else set[str]()
        self._queues = {wanted.value} if wanted.kind == QUEUE else set[str]()
        self._pairs: dict[tuple[str, str], float] = {}

    def seek(self, lines: bytes) -> None:
        """Take the names by which others belong to it, out of lines that may be about it."""
        for event in events([lines]):
            if self._belongs(event):
                self._take(event)
        for line in lines.decode("latin-1").split("\n"):
            if (match := _POSTFIXS.match(line)) and match[3] in self._queues:
                self._follow(match[4])

    def names(self) -> set[str]:
        """Return texts that lines have which belong to it, in lower case."""
        domains = {f"@{sender.rpartition('@')[2]}".lower() for sender, _ in self._pairs}
        return {name.lower() for name in (*self._tokens, *self._queues, *self._wanted.texts, *domains) if name}

    def collect(self, lines: bytes) -> None:
        """Take lines that belong to it."""
        for event in events([lines]):
            if self._belongs(event):
                self.left_out += len(self.events) == _MOST
                self.events.append(event)
        for line in lines.decode("latin-1").split("\n"):
            if (match := _POSTFIXS.match(line)) and self._is_told(match[3], match[4], line):
                try:
                    at = self._times(match[1].encode())
                except ValueError:
                    continue
                self.left_out += len(self.said) == _MOST
                self.said.append(Said(at=at, program=match[2], queue=match[3], text=match[4]))

    def _take(self, event: Event) -> None:
        fields = event.fields
        if len(self._tokens) + len(self._queues) + len(self._pairs) > _MOST_NAMES:
            return
        self._tokens |= {fields["session"]} if self._wanted.kind != QUEUE and "session" in fields else set()
        self._queues |= {fields["queue"]} if fields.get("queue") else set()
        if self._wanted.kind in {TOKEN, QUEUE}:
            self._pairs = dict.fromkeys(_pairs(fields), event.at) | self._pairs

    def _belongs(self, event: Event) -> bool:
        fields = event.fields
        if not (self._wanted.is_of(fields) or fields.get("session") in self._tokens):
            near = [abs(event.at - self._pairs[pair]) for pair in _pairs(fields) if pair in self._pairs]
            if not near or min(near) > self._window:
                return False
        if queue := fields.get("queue"):
            self._queues.add(queue)
        return True

    def _follow(self, text: str) -> None:
        """Have the queue id belong to it that a filter was given a mail back by."""
        given_on = _GIVEN_ON.search(text)
        if given_on and len(self._queues) < _MOST_NAMES:
            self._queues.add(given_on[1])

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


def _pairs(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the sender and each recipient of a line of ours, as they are shown."""
    for sender in _NAMES.findall(fields.get("from", ""))[:1]:
        for recipient in _NAMES.findall(fields.get("to", "")):
            yield sender, recipient
