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
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from threading import Thread
from typing import IO, BinaryIO, cast

_BLOCK = 1 << 18
_LONGEST = 1 << 16
"""Octets of a line; what is longer is left out."""
_MOST_SAID = 1000
"""Octets of what a program complains of; the rest is thrown away."""
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
                with _unpacked(cast("BufferedReader", sys.stdin.buffer), "standard input", warn) as file:
                    yield from _lines(file, "standard input", warn)
            else:
                with Path(path).open("rb") as raw, _unpacked(raw, path, warn) as file:
                    for block in _lines(file, path, warn):
                        if raw.seekable():
                            moved(raw.tell())
                        yield block
        except OSError as error:
            remedy = "; try it as root" if isinstance(error, PermissionError) and os.geteuid() else ""
            warn(f"{'standard input' if path == '-' else path}: {error.strerror or error}{remedy}")


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
        with _output(words, lambda text: warn(text + _remedy(text))) as output:
            yield from _lines(output, "the journal", warn)
    except FileNotFoundError:
        warn("there is no journal here, as there is no journalctl: name the log's files")


def _remedy(text: str) -> str:
    """Return what helps against what journalctl complains of, if that can be told."""
    if "insufficient permissions" in text:
        return " Try it as root, or as a member of the group systemd-journal."
    return ""


@contextmanager
def _output(words: list[str], warn: Warn, stdin: BinaryIO | None = None) -> Iterator[BufferedIOBase]:
    """Run a program, and give what it prints; it is ended with whoever reads it."""
    pipe, said = subprocess.PIPE, bytearray()
    with subprocess.Popen(words, stdin=stdin, stdout=pipe, stderr=pipe) as process:  # noqa: S603  no shell, our words
        assert process.stdout
        assert process.stderr
        listener = Thread(target=_listen, args=(process.stderr, said), daemon=True)
        listener.start()  # or a program that complains much would wait for us, and we for it
        try:
            yield cast("BufferedIOBase", process.stdout)
            code = process.wait()
            listener.join()
            if said or code:
                warn(f"{words[0]}: {said.decode(errors='replace').strip() or f'it ended with {code}'}")
        finally:
            process.kill()
            listener.join()


def _listen(stderr: IO[bytes], said: bytearray) -> None:
    while more := os.read(stderr.fileno(), 4096):
        said += more[: _MOST_SAID - len(said)]


@contextmanager
def _unpacked(raw: BufferedReader, path: str, warn: Warn) -> Iterator[BufferedIOBase]:
    begins = raw.peek(6)
    if begins.startswith(_ZSTD):
        if not raw.seekable():
            raise OSError(0, "packed by zstd, and no file: have `zstd --decompress --stdout` before it")
        os.lseek(raw.fileno(), 0, os.SEEK_SET)  # the program reads on from there, whatever is in our buffer
        try:
            told = lambda text: warn(f"{path}: {text}")  # noqa: E731  as short as it is
            with _output(["zstd", "--quiet", "--decompress", "--stdout"], told, raw) as output:
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
        short, left_out = _short(whole + end)
        too_long += left_out
        if short:
            yield short
    if rest:
        yield rest + b"\n"
    if too_long:
        lines = "1 line was" if too_long == 1 else f"{too_long} lines were"
        warn(f"{path}: {lines} longer than {_LONGEST} octets, and left out")


def _short(block: bytes) -> tuple[bytes, int]:
    """Return a block of whole lines but for those that are too long, and how many these are."""
    begins, left_out = 0, 0
    while len(block) - begins > _LONGEST + 1:
        if end := block.rfind(b"\n", begins, begins + _LONGEST + 1) + 1:
            begins = end
        else:
            block = block[:begins] + block[block.index(b"\n", begins) + 1 :]
            left_out += 1
    return block, left_out


def _read(file: BufferedIOBase, path: str, warn: Warn) -> bytes:
    try:
        return file.read1(_BLOCK)  # `read` would lose what comes right before the fault
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        warn(f"{path}: it is cut short or damaged, and read as far as that goes: {error}")
    except OSError as error:
        warn(f"{path}: read as far as that goes: {error.strerror or error}")
    return b""
