"""Keeps the entries by command equal on all hosts: files that commands write, a journal, and a hash on the servers.

What was said last of an entry counts, be it that it was taken back. A field of the hash is written only where it is
still as it was read, so that of two hosts who write at once the second one reads again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from milter64.lists.index import Read
from milter64.lists.list_file import LINES
from milter64.sharing.commanded_file import CommandedFile
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import Servers
from milter64.sharing.keys import LISTS, LISTS_EDITION
from milter64.sharing.lists_journal import Journal, list_of
from milter64.sharing.replies import replies
from milter64.sharing.said import NOTHING, Said, dump, is_past, read

_AT_ONCE = 500
"""Fields that are read or written at a time."""
_ROUNDS = 20
"""Times that is done in a step, at most: with a hundred thousand entries the role's worker has more to do."""
_LATELY = 60.0

_WRITE = """
local before = redis.call('GET', KEYS[2]) or ''
local changed, other, full = false, {}, {}
for i = 2, #ARGV, 3 do
    local field, was, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local is = redis.call('HGET', KEYS[1], field) or ''
    if is ~= was then
        other[#other + 1] = field
        other[#other + 1] = is
    elseif value == '' then
        redis.call('HDEL', KEYS[1], field)
    elseif is == '' and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) then
        full[#full + 1] = field
    else
        redis.call('HSET', KEYS[1], field, value)
        changed = true
    end
end
local after = before
if changed then
    local now = redis.call('TIME')
    after = now[1] .. string.format('%06d', now[2])
    redis.call('SET', KEYS[2], after)
end
return {before, after, other, full}
"""
"""Takes how many fields there may be; then of each its name, its value as it was read, "" for none, and a new one.

The edition is the time, and no count, which might be as it was before where the servers have lost something.
"""


class SharedLists:
    """For one thread, that of the worker which has the role."""

    def __init__(  # noqa: PLR0913  all that it keeps equal
        self,
        servers: Servers,
        state: HostState,
        paths: Mapping[str, Path],
        read: Mapping[str, Read],
        *,
        journal: Path,
        host: str,
        clock: Callable[[], float],
        warn: Callable[[str], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Take the files of the lists and what reads their lines, by list.

        `clock` is row time, and `wall` the clock by which files are dated; `warn` is told of trouble, once.
        """
        self._servers = servers
        self._state = state
        self._clock = clock
        self._wall = wall
        self._warn = warn
        self._told = ""
        self._paths, self._read, self._host = paths, read, host
        self._journal = Journal(journal, paths)
        self._files: dict[str, CommandedFile] = {}
        self._edition: bytes | None = None
        """Of what the journal has all, so far as it is not in:"""
        self._beginning = self._begin()
        self._comparing: Iterator[None] | None = None
        self._news: dict[str, Said] = {}
        self._to_send: dict[str, bytes] = {}
        """The fields that the servers are to have as the journal has them, with what they have in their place."""
        self._to_drop: dict[str, bytes] = {}
        """The fields that nobody need know any more, in the same way."""
        self._without_room = set[str]()
        self._told_full = False
        self._sent = deque[tuple[float, int]]()

    @property
    def lately(self) -> int:
        """How many entries were sent in the last minute."""
        while self._sent and self._sent[0][0] < time.monotonic() - _LATELY:
            self._sent.popleft()
        return sum(number for _, number in self._sent)

    @property
    def waiting(self) -> int:
        """How many entries wait to be sent."""
        return len(self._to_send) + len(self._without_room)

    def step(self, edition: bytes | None) -> None:
        """See what commands and other hosts have said since the last step, and have all know it.

        `edition` is LISTS_EDITION, b"" where there is none, and None where the servers can't be asked.

        Raises:
            ServersGone: they are out of reach.
            MayNotShare: they refuse what is asked.
        """
        if not self._files and len([*islice(self._beginning, _ROUNDS)]) == _ROUNDS:
            return
        if edition is not None:
            self._journal.ahead(self._state.offset)
        self._exchange()
        if edition is None:
            self._comparing = None  # other servers' cursors are other ones
            return
        if edition != self._edition and not self._comparing:
            self._comparing = self._compare(edition)
        for _ in range(_ROUNDS):
            if self._to_send or self._to_drop:
                self._send()
            elif not self._comparing:
                break
            elif next(self._comparing, self) is self:
                self._comparing = None
        self._exchange()

    @property
    def _now(self) -> float:
        """The server's time."""
        return self._clock() - self._journal.offset

    def _begin(self) -> Iterator[None]:
        """Read the journal, once the worker has the role: before, another one writes it."""
        yield from self._journal.read(self._clock)
        for check, path in self._paths.items():
            self._files[check] = CommandedFile(check, path, self._read[check], self._journal, self._host, self._warn)

    def _exchange(self) -> None:
        """Bring files and journal together, with what the others have said."""
        trouble = ""
        for check, file in self._files.items():
            news = {field: said for field, said in self._news.items() if list_of(field) == check}
            try:
                if news or file.has_changed:
                    file.exchange(news, self._to_send, self._now, self._wall())
            except BlockingIOError:
                continue
            except OSError as error:
                trouble = f"entries by command are not shared: {error.strerror}"
                continue
            for field in news:
                del self._news[field]
        try:
            if self._journal.changed:
                self._journal.save()
        except OSError as error:
            trouble = f"what was shared of entries by command is not noted: {error.strerror}"
        if trouble and trouble != self._told:
            self._warn(trouble)
        self._told = trouble

    def _compare(self, edition: bytes) -> Iterator[None]:
        """Look through what the servers have since this edition, a part at a time."""
        self._told_full = bool(self._without_room)
        self._without_room.clear()
        seen, cursor = set[str](), b"0"
        while True:
            ((cursor, flat),) = replies(self._servers.send(LISTS, [("HSCAN", LISTS, cursor, "COUNT", _AT_ONCE)]))
            for raw, value in zip(flat[::2], flat[1::2], strict=True):
                field = raw.decode(errors="replace")
                seen.add(field)
                self._saw(field, value)
            if cursor == b"0":
                break
            yield
        for said_of in self._journal.said.values():
            for field, said in list(said_of.items()):
                if field in seen:
                    continue
                if is_past(said, self._now):
                    self._journal.drop(field)
                else:
                    self._to_send[field] = b""
        self._edition = edition

    def _saw(self, field: str, value: bytes) -> None:
        """Take note of what the servers have in a field, b"" where they have none."""
        if list_of(field) not in self._files:
            return
        now = self._now
        ours = self._journal.get(field) or NOTHING
        theirs = ours if value == dump(ours) else read(field, value, now)  # most are, and to read them takes longer
        if theirs and theirs > ours:
            if len(self._news) < LINES:
                self._news[field] = theirs
        elif theirs and theirs == ours and is_past(theirs, now):
            self._journal.drop(field)
            self._to_drop[field] = value
        elif theirs != ours and ours is not NOTHING:
            self._to_send[field] = value

    def _send(self) -> None:
        """Have the servers write a part of what they are to have."""
        batch = dict(islice(self._to_send.items(), _AT_ONCE)) or dict(islice(self._to_drop.items(), _AT_ONCE))
        arguments = list[str | bytes]()
        for field, was in batch.items():
            arguments += [field, was, dump(self._journal.get(field) or NOTHING) if self._to_send else b""]
        command = ("EVAL", _WRITE, 2, LISTS, LISTS_EDITION, LINES, *arguments)
        ((before, after, others, full),) = replies(self._servers.send(LISTS, [command]))
        if before == self._edition:
            self._edition = after
        self._sent.append((time.monotonic(), len(batch) - len(others) // 2 - len(full)))
        for field in batch:
            self._to_send.pop(field, None)
            self._to_drop.pop(field, None)
        self._without_room |= {raw.decode() for raw in full}
        for raw, value in zip(others[::2], others[1::2], strict=True):
            self._saw(raw.decode(), value)
        if full and not self._told_full:
            self._warn(f"the hosts have more than {LINES} entries by command, and share no more: forget some")
            self._told_full = True
