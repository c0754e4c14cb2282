"""Lines come out of files, packed or not, and what can't be read takes nothing with it that can."""

import bz2
import gzip
import io
import lzma
import os
import pwd
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.history import sources
from milter64.history.sources import files, journal, with_rotated

TEXT = b"".join(b"line %d\n" % number for number in range(1000))


def read(*paths: Path | str) -> tuple[bytes, list[str]]:
    said = list[str]()
    return b"".join(files(map(str, paths), said.append)), said


def zstd(text: bytes) -> bytes:
    return subprocess.run(["zstd", "--stdout"], input=text, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd], ids=lambda pack: pack.__name__
)
def test_a_file_is_read_however_it_is_packed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "log").write_bytes(pack(TEXT))
    assert read(tmp_path / "log") == (TEXT, [])


def test_files_are_read_one_after_the_other_and_an_end_is_given_to_a_line_that_has_none(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"a\nb")
    (tmp_path / "two").write_bytes(b"c\n")
    assert read(tmp_path / "one", tmp_path / "two") == (b"a\nb\nc\n", [])


def test_of_a_file_that_is_cut_short_what_there_is_is_read(tmp_path: Path) -> None:
    packed = gzip.compress(bytes(range(256)) * 2000 + TEXT, compresslevel=0)
    (tmp_path / "log.gz").write_bytes(packed[: len(packed) // 2])
    text, said = read(tmp_path / "log.gz")
    assert len(text) > 100_000
    assert "log.gz: it is cut short or damaged, and read as far as that goes" in said[0]


def test_what_is_not_there_or_no_file_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(TEXT)
    text, said = read(tmp_path / "gone", tmp_path, tmp_path / "log")
    assert text == TEXT
    assert said == [f"{tmp_path}/gone: No such file or directory", f"{tmp_path}: Is a directory"]


def test_who_may_not_read_a_file_is_told_who_may(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(TEXT)
    (tmp_path / "log").chmod(0)
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        assert read(tmp_path / "log") == (b"", [f"{tmp_path}/log: Permission denied; try it as root"])
    finally:
        os.seteuid(0)


def test_standard_input_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for packed in (TEXT, gzip.compress(TEXT)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(packed))))
        assert read("-") == (TEXT, [])


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=lambda pack: pack.__name__)
def test_a_named_pipe_is_read_however_it_is_packed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = Thread(target=(tmp_path / "pipe").write_bytes, args=(pack(TEXT),), daemon=True)
    writer.start()
    moved = list[int]()
    said = list[str]()
    assert b"".join(files([str(tmp_path / "pipe")], said.append, moved.append)) == TEXT
    writer.join()
    assert (said, moved) == ([], [])


def test_what_zstd_can_not_unpack_is_told(tmp_path: Path) -> None:
    packed = zstd(random.Random(1).randbytes(300_000) + TEXT)
    (tmp_path / "log.zst").write_bytes(packed[:-100])
    text, said = read(tmp_path / "log.zst")
    assert len(text) > 100_000
    assert len(said) == 1
    assert said[0].startswith(f"{tmp_path}/log.zst: zstd: ")


@pytest.mark.parametrize("length", [2**16 + 1, 2**17, 2**20])
def test_a_line_that_is_too_long_is_left_out_and_those_around_it_are_not(tmp_path: Path, length: int) -> None:
    (tmp_path / "log").write_bytes(b"before\n" + b"x" * length + b"\nafter\n")
    text, said = read(tmp_path / "log")
    assert text == b"before\nafter\n"
    assert said == [f"{tmp_path}/log: 1 line was longer than 65536 octets, and left out"]


@given(
    lines=st.lists(st.integers(0, 30).map(lambda length: b"x" * length)), block=st.integers(1, 20), ends=st.booleans()
)
def test_all_lines_that_are_short_enough_come_whole_and_in_order(*, lines: list[bytes], block: int, ends: bool) -> None:
    text = b"\n".join(lines) + b"\n" * ends
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_BLOCK", block)
        patch.setattr(sources, "_LONGEST", 15)
        blocks = list(sources._lines(io.BytesIO(text), "it", lambda _: None))  # noqa: SLF001  no file is needed
    assert all(each.endswith(b"\n") for each in blocks)
    kept = [line for line in b"".join(blocks).split(b"\n") if line]
    assert kept == [line for line in lines if 0 < len(line) <= 15]


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (["log", "log.1", "log.2.gz", "log.10.gz", "log.bak", "log2"], ["log.10.gz", "log.2.gz", "log.1", "log"]),
        (["log", "log-20261101.xz", "log-20261108"], ["log-20261101.xz", "log-20261108", "log"]),
        (["log", "log.1", "log.1.gz"], ["log.1", "log"]),
        (["log"], ["log"]),
        ([], ["log"]),
    ],
)
def test_rotated_files_come_oldest_first(tmp_path: Path, there: list[str], found: list[str]) -> None:
    for name in there:
        (tmp_path / name).touch()
    assert with_rotated(str(tmp_path / "log")) == [str(tmp_path / name) for name in found]


def test_standard_input_was_not_rotated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-.1").touch()
    assert with_rotated("-") == ["-"]


def test_a_host_without_a_journal_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = list[str]()
    assert list(journal(["milter64"], said.append)) == []
    assert said == ["there is no journal here, as there is no journalctl: name the log's files"]


def test_what_journalctl_complains_of_is_told(tmp_path: Path) -> None:
    said = list[str]()
    assert list(journal(["milter64"], said.append, folder=str(tmp_path / "none"))) == []
    assert said
    assert said[0].startswith("journalctl: ")


def a_journalctl(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have a script in the place of journalctl."""
    (folder / "journalctl").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("head -c 1000000 /dev/zero | tr '\\0' e >&2; echo line", f"journalctl: {'e' * 1000}"),
        ("echo line; kill -9 $$", "journalctl: it ended with -9"),
        ("echo line; exit 1", "journalctl: it ended with 1"),
    ],
    ids=["complains of much", "is killed", "fails without a word"],
)
def test_whatever_becomes_of_journalctl_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    a_journalctl(tmp_path, monkeypatch, script)
    said = list[str]()
    assert list(journal(["milter64"], said.append)) == [b"line\n"]
    assert said == [told]


def test_a_journalctl_of_which_no_more_is_read_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_journalctl(tmp_path, monkeypatch, f"echo $$ >{tmp_path}/pid; exec yes")
    lines = journal(["milter64"], pytest.fail)
    assert next(lines).startswith(b"y\n")
    del lines
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_real_journal_is_read_by_its_units_and_times(tmp_path: Path) -> None:
    entries = [
        f"__REALTIME_TIMESTAMP={1795222387000000 + 1_000_000 * number}\n__MONOTONIC_TIMESTAMP={number + 1}\n"
        f"_BOOT_ID={1:032}\n_HOSTNAME=mx\n_SYSTEMD_UNIT={unit}\nSYSLOG_IDENTIFIER=program\n_PID=12\n"
        f"MESSAGE={number} {'x' * 5000} \u00e4\n\n"
        for number, unit in enumerate(["milter64.service", "postfix@-.service", "other.service", "milter64.service"])
    ]
    subprocess.run(
        ["/lib/systemd/systemd-journal-remote", "-o", str(tmp_path / "it.journal"), "-"],
        input="".join(entries).encode(),
        check=True,
        capture_output=True,
    )

    def numbers(*units: str, since: float | None = None, until: float | None = None) -> list[int]:
        lines = b"".join(journal(units, pytest.fail, since=since, until=until, folder=str(tmp_path)))
        told = re.findall(r"^2026-11-\S+ mx program\[12\]: (\d) x{5000} \u00e4$", lines.decode(), re.MULTILINE)
        assert len(told) == lines.count(b"\n")
        return [int(number) for number in told]

    assert numbers("milter64", "postfix*") == [0, 1, 3]
    assert numbers("milter64.service") == [0, 3]
    assert numbers("milter64", since=1795222388.0) == [3]
    assert numbers("milter64", until=1795222389.0) == [0]
