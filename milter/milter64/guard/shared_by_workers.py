"""What the guards of all workers have found out together: they share its memory, as no worker sees all clients.

It is made before the workers are forked, so that one that takes a dead one's place knows what that knew.
"""

import fcntl
import os
import pickle
import time
import weakref
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from zlib import crc32

from milter64.discover.dns64_prefix import Synthesis
from milter64.guard.masking_gateway import NamesByAddress

HOUR = 3600.0
_LINES = 256
"""Lines that are remembered as said."""
_SUM = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """The names heard in this host's network and from afar, and when each line was said last.

    `dns64` has what each nameserver makes of ipv4only.arpa.
    """

    heard: NamesByAddress = field(default_factory=NamesByAddress)
    heard_afar: NamesByAddress = field(default_factory=NamesByAddress)
    """Apart, as strangers can have any number of addresses."""
    said: dict[tuple[str, str], float] = field(default_factory=dict)
    dns64: dict[str, Synthesis] = field(default_factory=dict)

    def due(self, line: tuple[str, str], now: float, within: float = HOUR) -> bool:
        """Whether nobody has said a line within so many seconds; take note that it is said now."""
        if self.said.get(line, -within) > now - within:
            return False
        if len(self.said) >= _LINES:
            self.said.clear()
        self.said[line] = now
        return True


class SharedNotes:
    """The notes in memory that forked processes share."""

    def __init__(self, before: "SharedNotes | None" = None) -> None:
        """Begin with nothing but what those who served `before` know of nameservers.

        Raises:
            OSError: the system has no room for them.
        """
        self.began = time.time()
        self._threads = Lock()  # for those of one process: the file's lock is between processes
        self._file = os.memfd_create("guard")
        weakref.finalize(self, os.close, self._file)
        if before:
            self._write(Notes(dns64={each.nameserver: each for each in before.dns64()}))

    def dns64(self) -> Collection[Synthesis]:
        """Return what is known of nameservers, without waiting for anybody: maybe nothing, while it is written."""
        return self._read().dns64.values()

    @contextmanager
    def notes(self) -> Iterator[Notes]:
        """Give the notes to one thread of one process at a time, and keep what it makes of them."""
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                notes = self._read()
                yield notes
                self._write(notes)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _read(self) -> Notes:
        text = os.pread(self._file, os.fstat(self._file).st_size, 0)
        if text[:_SUM] != _sum(text[_SUM:]):  # empty, or who wrote it was killed over it
            return Notes()
        notes: Notes = pickle.loads(text[_SUM:])  # noqa: S301  nobody but our own processes can write there
        return notes

    def _write(self, notes: Notes) -> None:
        text = pickle.dumps(notes)
        os.ftruncate(self._file, os.pwrite(self._file, _sum(text) + text, 0))


def _sum(text: bytes) -> bytes:
    return crc32(text).to_bytes(_SUM)
