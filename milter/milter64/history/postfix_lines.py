"""Postfix's lines in a log of mail: who came, what was queued, to whom it went, and who was refused.

One search over a block finds the lines that count, which are half of them. A line is only looked at where Postfix puts
its own words; an address ends at the first ">" outside of quotation marks (Postfix writes it as RFC 5321 4.1.2 would
since 3.5). A refusal's reply, before the addresses, and the HELO name behind them are strangers' text too: where the
mark between reply and addresses is there more than once, or anything stands behind the HELO name, nobody can tell which
words are Postfix's, and the line is not read.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias


class Came(NamedTuple):
    """A client begins a message, whose queue id it is; the client has authenticated as `login`, if that isn't empty."""

    at: float
    queue: bytes
    name: bytes
    address: bytes
    login: bytes


class Queued(NamedTuple):
    """A message of a sender, for so many recipients, is in the queue."""

    at: float
    queue: bytes
    sender: bytes
    recipients: int


class Delivered(NamedTuple):
    """A message went to a recipient, or could not; `recipient` is whom the client named, `to` what became of that."""

    at: float
    queue: bytes
    to: bytes
    recipient: bytes


class Refused(NamedTuple):
    """A client was refused something; without a recipient `recipient` is None.

    `by` is the program: smtpd, cleanup or postscreen; `milter` says that it did so on behalf of a milter. `queue` is
    b"NOQUEUE" where there is no message yet.
    """

    at: float
    queue: bytes
    by: bytes
    milter: bool
    stage: bytes
    name: bytes
    address: bytes
    reply: bytes
    sender: bytes
    recipient: bytes | None
    helo: bytes


class Silent(NamedTuple):
    """A client has gone without having named a sender."""

    at: float


Said: TypeAlias = Came | Queued | Delivered | Refused | Silent

_STAMP = rb"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))"
_MAILBOX = rb'<((?>[^">\n]*(?:"(?>(?:[^"\\\n]|\\.)*)"[^">\n]*)*))>'
_PEER = rb"([^\s\[\]]*+)\[([^\s\[\]]++)\](?::\d+)?"
_CAME = rb"client=%s(?:.*?,? sasl_username=([^\s,]++))?(?P<came>)" % _PEER
_QUEUED = rb"from=%s, size=\d++, nrcpt=(\d++) (?P<queued>)" % _MAILBOX
_DELIVERED = rb"to=%s(?:, orig_to=%s)?, relay=(?P<delivered>)" % (_MAILBOX, _MAILBOX)
_REFUSED = rb"(milter-)?reject: ([\w-]++) from %s: (.*)(?P<refused>)" % _PEER
_SILENT = rb"disconnect from \S++ (?:(?!mail=)\S++ )*commands=\d(?P<silent>)"
_LINES = re.compile(
    rb"\n%s \S++ (?>[^\s\[]*/)(?P<by>\w++)\[\d++\]: (?:(?P<queue>\w++): (?:%s|%s|%s|%s)|%s)"
    % (_STAMP, _CAME, _QUEUED, _DELIVERED, _REFUSED, _SILENT)
)
"""The line's end before it, which is found fastest, the stamp, the host, Postfix's name, and what its programs say.

At the end of each kind is a group without a letter, named as the kind. What is in (?>...), or has a "+" behind its
quantifier, gives nothing back: half the time went into looking whether lines that don't count might be read in another
way. Behind a group such a "+" doesn't work before Python 3.11.5.
"""


def _words(kind: str, count: int) -> Sequence[int]:
    """Return the numbers of the groups in which a line of a kind says what counts: the queue id, and `count` more."""
    end = _LINES.groupindex[kind]
    return _LINES.groupindex["queue"], *range(end - count, end)


_OF_QUEUED, _OF_DELIVERED = _words("queued", 2), _words("delivered", 2)
_BY = _LINES.groupindex["by"]
_OF_CAME, _OF_REFUSED = (_BY, *_words("came", 3)), (_BY, *_words("refused", 5))
_SMTPD = b"smtpd"
_MARK = b"; from=<"
_ENVELOPE = re.compile(rb"; from=%s(?:,? to=%s)?,? proto=\w++(?:,? helo=<([^>\n]*+)>)?" % (_MAILBOX, _MAILBOX))


class PostfixLines:
    """Reads the lines of one log; says how many it has read that count, and how many it could not read."""

    def __init__(self, time_of: Callable[[bytes], float]) -> None:
        """`time_of` makes seconds since 1970 of a line's stamp, or raises ValueError."""
        self._time_of = time_of
        self.read = 0
        self.unreadable = 0

    def of(self, blocks: Iterable[bytes]) -> Iterator[Said]:
        """Yield what lines say that count, out of blocks of whole lines."""
        for block in blocks:
            yield from self._block(block)  # all at once: a loop that does little else finds its code in the CPU's cache

    def _block(self, block: bytes) -> Sequence[Said]:
        time_of, last, at = self._time_of, b"", 0.0
        new = tuple.__new__  # in a third of the time that a named tuple's own takes
        said: list[Said] = []
        add = said.append
        for line in _LINES.finditer(b"\n" + block):
            if (stamp := line[1]) != last:
                try:
                    at = time_of(stamp)
                except ValueError:
                    self.unreadable += 1
                    continue
                last = stamp
            kind = line.lastgroup
            if kind == "delivered":
                queue, to, recipient = line.group(*_OF_DELIVERED)
                add(new(Delivered, (at, queue, to, to if recipient is None else recipient)))
            elif kind == "queued":
                queue, sender, count = line.group(*_OF_QUEUED)
                add(new(Queued, (at, queue, sender, int(count))))
            elif kind == "came":
                by, queue, name, address, login = line.group(*_OF_CAME)
                if by == _SMTPD:  # and no qmqpd, before which there is no milter
                    add(new(Came, (at, queue, name, address, login or b"")))
            elif kind == "silent":
                add(Silent(at))
            elif refused := _refused(at, line.group(*_OF_REFUSED)):
                add(refused)
            else:
                self.unreadable += 1
        self.read += len(said)
        return said


def _refused(at: float, said: Sequence[bytes]) -> Refused | None:
    """Return what a line says about a refusal, None where strangers' text makes it ambiguous."""
    by, queue, milter, stage, name, address, rest = said
    end = rest.find(_MARK)
    if end < 0:  # so early that there was no sender
        return Refused(at, queue, by, milter is not None, stage, name, address, rest, b"", None, b"")
    found = _ENVELOPE.fullmatch(rest, end) if rest.find(_MARK, end + 1) < 0 else None
    if not found:
        return None
    sender, recipient, helo = found.groups()
    return Refused(at, queue, by, milter is not None, stage, name, address, rest[:end], sender, recipient, helo or b"")
