"""Entries by command: a file for each list, beside the greylist, which all workers watch as they watch an admin's."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from milter64.lists.entry import Entry, read_line
from milter64.lists.index import lines
from milter64.lists.list_file import LINES, OCTETS, read_list
from milter64.lists.mistakes import Mistake, NoMistakes
from milter64.lists.who import Who, may_be
from milter64.store.store_url import parse

_MODE = 0o640
_PATIENCE = 5.0
"""Seconds to wait for another command."""
_POLL = 0.01


def place(store: str, check: str) -> Path | None:
    """Return the file of a list that belongs to a store's URL, beside it; None for a store that is no file."""
    path = parse(store)
    return path and path.with_name(f"{path.name}.{check}")


def change(path: Path, who: Who, added: Entry | None, now: float) -> list[Entry]:
    """Take those entries out of a file that name somebody, and those that have run out; add one, and return the former.

    The file changes in one step, and is its folder's owner's: the service may be another user. What is no entry stays.

    Raises:
        OSError: it can't be read or written, or is full.
    """
    with alone(path.parent, _PATIENCE) as folder:
        kept, taken, may_name = list[bytes](), list[Entry](), may_be(who.kind, [who.key])
        for _, raw in lines(read_list(path, ours=True)):
            entry = _entry(raw) if b"until=" in raw or may_name(raw) else None
            if entry and entry.counts(now) and entry.who.key == who.key:
                taken.append(entry)
            elif raw.strip() and not (entry and not entry.counts(now)):
                kept.append(raw)
        if added:
            kept.append(added.line.encode())
        if added or taken:
            text = b"".join(line + b"\n" for line in kept)
            if len(kept) > LINES or len(text) > OCTETS:
                raise OSError(0, f"more than {LINES} lines or {OCTETS} bytes")
            write(path, text, os.fstat(folder))
    return taken


def _entry(raw: bytes) -> Entry | None:
    try:
        return read_line(raw, NoMistakes(), blocks=False)
    except Mistake:
        return None


@contextmanager
def alone(folder: Path, patience: float) -> Iterator[int]:
    """Keep other commands waiting, and give the folder's descriptor; wait for so many seconds to have it.

    Raises:
        OSError: there is no such folder; BlockingIOError where another command has kept us waiting too long.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise BlockingIOError(errno.EAGAIN, f"another command has it locked for {patience:g} s") from error
                time.sleep(_POLL)
        yield descriptor
    finally:
        os.close(descriptor)


def write(path: Path, text: bytes, folder: os.stat_result) -> os.stat_result:
    """Have a file hold a text, in one step, as its folder's owner's; return how it is found then.

    Raises:
        OSError: it can't be written.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor, and no path
            os.fchmod(descriptor, _MODE)
            if os.geteuid() != folder.st_uid:
                os.fchown(descriptor, folder.st_uid, folder.st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
            found = os.fstat(descriptor)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return found
