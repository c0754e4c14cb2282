"""Attempts to send mail, out of Postfix's lines.

A message is in many lines: its client in the first, then its sender, then each recipient. Queue ids are used again. So
messages are held, in the order of their coming, until they are whole, and no longer than it takes: others wait behind
the first, and all are given out in the order in which they came.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from milter64.history.postfix_lines import Came, Delivered, Queued, Refused, Said

_LONGEST_WAIT = 300.0
"""Seconds by the log in which a message's first recipients are tried."""
_MOST_HELD = 10_000
_MOST_RECIPIENTS = 1000
"""Of a message: what Postfix itself allows."""
_MOST_TRIED = 100_000
"""Recipients of all messages that are held."""
_GREYLISTED = re.compile(rb"\b(?:4[0-9]{2}) .*gr[ae]y-?list", re.IGNORECASE | re.DOTALL)


class Attempt(NamedTuple):
    """A message that was accepted for its recipients, or one recipient whom a milter or a greylister refused.

    All is as the log has it. `name` is what Postfix has found the client to be called, b"unknown" if it is nothing that
    leads back to it. `helo` is None where the log doesn't have it: accepted messages have none. `login` is what the
    client has authenticated as, empty if it has not. `queue` is the queue id, empty for who was refused. Times are in
    seconds since 1970.
    """

    at: float
    queue: bytes
    name: bytes
    address: bytes
    helo: bytes | None
    sender: bytes
    recipients: tuple[bytes, ...]
    login: bytes = b""


class _Message:
    """A message as far as it is known: all of it, once there are as many recipients as there should be."""

    __slots__ = ("came", "count", "recipients", "sender")

    def __init__(self, came: Came) -> None:
        self.came = came
        self.sender: bytes | None = None
        self.count = _MOST_RECIPIENTS
        self.recipients: dict[tuple[bytes, bytes], None] = {}
        """What became of each, and whom the client named: Postfix delivers once for each such pair."""

    @property
    def lacks(self) -> bool:
        """Whether more of it may come."""
        return len(self.recipients) < self.count or self.sender is None


class Traffic:
    """Gives out attempts, and counts what else there was."""

    def __init__(self, *, trusts_logins: bool = False) -> None:
        """Give out messages of clients that have authenticated too, unless that is what they are trusted for."""
        self._trusts_logins = trusts_logins
        self.authenticated = 0
        """Messages of clients that are trusted as they have authenticated, at submission nearly all."""
        self.refused = Counter[str]()
        """Refusals by who did it and at which stage that are no attempts to judge: Postfix would do the same again."""
        self.silent = 0
        """Clients who never named a sender."""
        self.unfinished = 0
        """Messages of which the log doesn't have the end, or which were given up."""
        self._held: deque[_Message | Attempt] = deque()
        self._messages: dict[bytes, _Message] = {}
        self._tried = 0
        """Recipients of those that are held."""

    def attempts(self, lines: Iterable[Said]) -> Iterator[Attempt]:
        """Yield attempts in the order in which they came."""
        for line in lines:
            if self._may_end(line):
                yield from self._whole(line.at)
        yield from self._whole(float("inf"))

    def _may_end(self, line: Said) -> bool:
        """Take a line, and return whether anything may be whole now."""
        held, messages = self._held, self._messages
        if isinstance(line, Delivered):
            _, queue, to, recipient = line
            message = messages.get(queue)
            if message is None:
                return False
            recipients = message.recipients
            if (to, recipient) not in recipients and len(recipients) < message.count:
                recipients[to, recipient] = None
                self._tried += 1
            return (message is held[0] and len(recipients) >= message.count) or self._tried > _MOST_TRIED
        if isinstance(line, Queued):
            if message := messages.get(line.queue):
                message.sender, message.count = line.sender, min(line.recipients, _MOST_RECIPIENTS)
            return False
        if isinstance(line, Came):
            messages[line.queue] = message = _Message(line)
            held.append(message)
            return len(held) > _MOST_HELD or line.at - _began(held[0]) > _LONGEST_WAIT
        if isinstance(line, Refused):
            attempt = self._refused(line)
            if attempt:
                held.append(attempt)
            return attempt is not None
        self.silent += 1
        return False

    def _whole(self, now: float) -> Iterator[Attempt]:
        """Yield what is whole and has nothing before it that may become so."""
        held = self._held
        while held:
            first = held[0]
            if isinstance(first, _Message):
                if first.lacks and self._has_room and now - first.came.at <= _LONGEST_WAIT:
                    return
                held.popleft()
                self._tried -= len(first.recipients)
                if self._messages.get(first.came.queue) is first:
                    del self._messages[first.came.queue]
                if first.sender is None or not first.recipients:
                    self.unfinished += 1
                elif self._trusted(first):
                    self.authenticated += 1
                else:
                    yield _accepted(first, first.sender)
            else:
                held.popleft()
                yield first

    @property
    def _has_room(self) -> bool:
        """Whether messages may wait for what they lack."""
        return len(self._held) <= _MOST_HELD and self._tried <= _MOST_TRIED

    def _trusted(self, message: _Message | None) -> bool:
        return self._trusts_logins and message is not None and message.came.login != b""

    def _refused(self, line: Refused) -> Attempt | None:
        """Return an attempt that a milter or a greylister refused, and count any other."""
        at, queue, by, milter, _, name, address, reply, sender, recipient, helo = line
        if by == b"cleanup" and self._trusted(self._messages.pop(queue, None)):  # it was begun, and is no more
            return None
        if recipient is None or not (milter or _GREYLISTED.match(reply)):
            self.refused["milter" if milter else "postscreen" if by == b"postscreen" else "postfix"] += 1
            return None
        return Attempt(at, b"", name, address, helo, sender, (recipient,))


def _began(held: _Message | Attempt) -> float:
    return held.came.at if isinstance(held, _Message) else held.at


def _accepted(message: _Message, sender: bytes) -> Attempt:
    at, queue, name, address, login = message.came
    recipients = tuple({recipient: None for _, recipient in message.recipients})
    return Attempt(at, queue, name, address, None, sender, recipients, login)
