"""A log's lines, out of files, the journal or standard input, as blocks of whole lines.

What can't be read is told to a callback, and what could be read is read.
"""

import bz2
import gzip
import lzma
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, cast

_BLOCK = 1 << 18
_LONGEST = 1 << 16
"""Octets of a line; what is longer is left out."""
_PACKED: tuple[tuple[bytes, Callable[[BinaryIO], object]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ", lzma.open),
)
"""How files begin that are packed, and what unpacks them."""
_ZSTD = b"\x28\xb5\x2f\xfd"
"""How those begin that Python can't unpack before 3.14, and its program can."""
_ROTATED = re.compile(r"(?:\.(?P<number>\d{1,6})|-(?P<date>\d{8}(?:-\d+)?))(?P<packed>\.(?:gz|bz2|xz|zst))?")
"""What logrotate puts behind a name: numbers, the highest of which is the oldest, or dates."""

Warn = Callable[[str], None]


def with_rotated(path: str) -> list[str]:
    """Return the paths of a log's rotated files, the oldest first, and of the log itself; "-" has none."""
    folder, name = Path(path).parent, Path(path).name
    found = dict[str, tuple[tuple[int, str], str]]()
    try:
        others = sorted(each.name for each in folder.iterdir() if each.name.startswith(name))
    except OSError:
        others = []
    for other in others:
        if (match := _ROTATED.fullmatch(other[len(name) :])) and path != "-":
            # One that is about to be packed is there twice: the first in order is the one that is whole.
            age = -int(match["number"] or 0), match["date"] or ""
            found.setdefault(other.removesuffix(match["packed"] or ""), (age, str(folder / other)))
    return [*(rotated for _, rotated in sorted(found.values())), path]


def files(paths: Iterable[str], warn: Warn, moved: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
    """Yield blocks of whole lines out of files, in the order given; "-" is standard input.

    `moved` is told how far a file has been read, in octets as they are on the disk.
    """
    for path in paths:
        try:
            if path == "-":
                yield from _lines(cast("BufferedIOBase", sys.stdin.buffer), "standard input", warn)
            else:
                with Path(path).open("rb") as raw, _unpacked(raw) as file:
                    for block in _lines(file, path, warn):
                        moved(raw.tell())
                        yield block
        except OSError as error:
            warn(f"{path}: {error.strerror or error}")


def journal(
    units: Iterable[str],
    warn: Warn,
    *,
    since: float | None = None,
    until: float | None = None,
    folder: str | None = None,
) -> Iterator[bytes]:
    """Yield blocks of whole lines out of the journal of some units, each line behind its time and its program.

    `since` and `until` are in seconds since 1970; a `folder` has another journal than this host's own.
    """
    words = ["journalctl", "--quiet", "--no-pager", "--output=short-iso-precise"]
    words += [f"--unit={unit}" for unit in units]
    words += [f"--{name}=@{at:.6f}" for name, at in (("since", since), ("until", until)) if at is not None]
    words += [f"--directory={folder}"] if folder is not None else []
    try:
        with _output(words, warn) as output:
            yield from _lines(output, "the journal", warn)
    except FileNotFoundError:
        warn("there is no journal here, as there is no journalctl: name the log's files")


@contextmanager
def _output(words: list[str], warn: Warn, stdin: BinaryIO | None = None) -> Iterator[BufferedIOBase]:
    """Run a program, and give what it prints; it is ended with whoever reads it."""
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=stdin, stdout=pipe, stderr=pipe) as process:  # noqa: S603  no shell, our words
        assert process.stdout
        assert process.stderr
        try:
            yield cast("BufferedIOBase", process.stdout)
            if process.wait() and (said := process.stderr.read(1000)):
                warn(f"{words[0]}: {said.decode(errors='replace')}")
        finally:
            process.kill()


@contextmanager
def _unpacked(raw: BinaryIO) -> Iterator[BufferedIOBase]:
    begins = raw.read(6)
    raw.seek(0)
    if begins.startswith(_ZSTD):
        os.lseek(raw.fileno(), 0, os.SEEK_SET)  # the program reads on from there, whatever is in our buffer
        try:
            with _output(["zstd", "--decompress", "--stdout"], lambda _: None, raw) as output:
                yield output
        except FileNotFoundError:
            raise OSError(0, "packed by zstd, which is not installed: run `apt install zstd`") from None
        return
    opener = next((opener for magic, opener in _PACKED if begins.startswith(magic)), None)
    yield cast("BufferedIOBase", opener(raw) if opener else raw)


def _lines(file: BufferedIOBase, path: str, warn: Warn) -> Iterator[bytes]:
    """Yield blocks of whole lines; the last one need not have an end."""
    rest, skipping, too_long = b"", False, 0
    while block := _read(file, path, warn):
        if skipping:
            _, end, block = block.partition(b"\n")
            skipping = not end
        whole, end, rest_of_it = (rest + block).rpartition(b"\n")
        rest = b"" if skipping else rest_of_it
        if len(rest) > _LONGEST:
            rest, skipping, too_long = b"", True, too_long + 1
        if end:
            yield whole + end
    if rest:
        yield rest + b"\n"
    if too_long:
        lines = "1 line was" if too_long == 1 else f"{too_long} lines were"
        warn(f"{path}: {lines} longer than {_LONGEST} octets, and left out")


def _read(file: BufferedIOBase, path: str, warn: Warn) -> bytes:
    try:
        return file.read1(_BLOCK)  # `read` would lose what comes right before the fault
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        warn(f"{path}: it is cut short or damaged, and read as far as that goes: {error}")
    except OSError as error:
        warn(f"{path}: read as far as that goes: {error.strerror or error}")
    return b""
