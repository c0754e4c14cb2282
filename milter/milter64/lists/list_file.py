"""A list's file, which counts as soon as it has changed; what can't be used of it is told, once."""

import time
from collections.abc import Callable, Iterator
from mmap import mmap
from pathlib import Path
from threading import Lock
from zlib import crc32

from milter64.limits import regular_file
from milter64.lists.index import Index, Read, Rest
from milter64.mail.clean_text import clean

BY_COMMAND = "by command"
"""Where entries are for people that a command has written."""
OCTETS, LINES = 1 << 24, 400_000
"""Of a file at most."""
_TOLD = 10
"""Wrong lines that are told at a time."""
_NOW = 1.0
"""Seconds in which a file may have changed again without its time showing it."""

_one_at_a_time = Lock()
"""Held while a text is read, for the memory that takes."""

Stamp = tuple[object, ...]
Warn = Callable[[str], None]
_BOM = b"\xef\xbb\xbf"


class ListFile:
    """A file of entries, read by one thread at a time; `in_force` is what counts."""

    def __init__(self, path: Path, read: Read, warn: Warn, *, ours: bool = False) -> None:
        """Read it. One that is `ours`, which commands write, may be absent, and is no symbolic link."""
        self.path = path
        self._place = clean(str(path))
        self._read = read
        self._warn = warn
        self._ours = ours
        self.in_force = Index(b"", read)
        self._found = mmap(-1, 4)  # as a worker has found the file last; forked workers share it
        self._stamp: Stamp = ()
        self._seen: Stamp = self._look()
        self._renew(self._seen, _go_on)

    def place_of(self, line: int) -> str:
        """Return where an entry is, for people."""
        return BY_COMMAND if self._ours else f"{self._place}:{line}"

    def look(self, rest: Rest) -> bool:
        """Have the file's entries count as they are now, and return whether anything has changed.

        It is read when two looks have found it the same, for who writes a file need not do it in one step; one of ours
        is replaced in one step, and read at once.
        """
        stamp = self._look()
        if stamp == self._stamp or (stamp != self._seen and not self._ours):
            self._seen = stamp
            return False
        return self._renew(stamp, rest)

    def _look(self) -> Stamp:
        try:
            found = self.path.stat()
        except OSError as error:
            return (error.errno,)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    @staticmethod
    def _is_fresh(stamp: Stamp) -> bool:
        """Whether it was changed a moment ago, so that it may be half written."""
        at = stamp[-1]
        return len(stamp) > 1 and isinstance(at, int) and abs(time.time_ns() - at) < _NOW * 1e9

    def _renew(self, stamp: Stamp, rest: Rest) -> bool:
        """Read the file, and return whether anything has changed."""
        before, trouble, failure = self.in_force, list[str](), 0
        try:
            text = read_list(self.path, ours=self._ours)
        except OSError as error:
            counts = "what counted before counts on" if before.text else "nothing in it counts"
            trouble, failure = [f"{self._place}: {error.strerror}: {counts}"], error.errno or 0
        else:
            if text != before.text:
                with _one_at_a_time:
                    self.in_force = Index(text, self._read, rest)
                trouble = list(self._wrong_lines())
        # For want of a descriptor, say, it may fail once and not again.
        self._stamp = () if failure or self._is_fresh(stamp) else stamp
        if self._is_first((*stamp, failure)):
            for each in trouble:
                self._warn(each)
        return self.in_force is not before

    def _is_first(self, stamp: Stamp) -> bool:
        """Whether no other worker has found the file so, and could read it or could not."""
        found = crc32(repr(stamp).encode()).to_bytes(4)
        if self._found[:4] == found:
            return False
        self._found[:4] = found
        return True

    def _wrong_lines(self) -> Iterator[str]:
        """Yield what is wrong with lines that don't count."""
        index = self.in_force
        for wrong in index.wrong[:_TOLD]:
            yield f"{self._place}:{wrong.number}: {clean(wrong.what)}; {clean(wrong.remedy)}"
        if (more := index.wrong_lines - _TOLD) > 0:
            yield f"{self._place}: {more} more such lines; milter64 check-config tells them"


def read_list(path: Path, *, ours: bool = False) -> bytes:
    """Return what is in a list's file; one that is `ours` may be absent, and is no symbolic link.

    Raises:
        OSError: it can't be read, or is too large.
    """
    try:
        text = regular_file.read(path, OCTETS, follow=not ours).removeprefix(_BOM)
    except FileNotFoundError:
        if ours:
            return b""
        raise
    if text.count(b"\n") > LINES:
        raise OSError(0, f"more than {LINES} lines")
    return text


def _go_on() -> None:
    """Don't rest."""
