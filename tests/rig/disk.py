"""A small disk of a test's own, which can be full or read-only."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def mounted(folder: Path, *, size: str = "512k") -> Iterator[Path]:
    """Make `folder`, mount so much there, half a megabyte if nothing else is said, and unmount it in the end."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def read_only(disk: Path) -> Iterator[Path]:
    """Let nothing be written meanwhile; no file may be open for writing when it begins."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


@contextmanager
def full(disk: Path) -> Iterator[Path]:
    """Leave no room meanwhile."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    try:
        yield disk
    finally:
        ballast.unlink()


@contextmanager
def missing(disk: Path) -> Iterator[Path]:
    """Give a folder that isn't there until the end."""
    folder = disk / "missing"
    try:
        yield folder
    finally:
        folder.mkdir()
