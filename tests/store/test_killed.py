"""The SQLite store whose process is killed in the midst of writing, as often as it takes to hit every moment."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from rig.rows import Open, Warnings

WRITER = """
import os, sys
from itertools import count
from pathlib import Path
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store import sqlite_table
from milter64.store.sqlite_table import Table
sqlite_table._WAL_PAGES = 20  # so that the -wal file is written back again and again
for line in sys.stdin:  # a new process each time, without a new interpreter
    if (child := os.fork()) == 0:
        os.write(1, f"{os.getpid()}\\n".encode())
        rows = Table(Path(sys.argv[1]), RecordKind(Settings()), print, patience=5.0)
        life, new = int(line), Record(generation=0, first_seen=1e9)
        for number in count():
            key = f"{life} {number}"
            rows.merge([(f"{key} {pair}", {"net:192.31.196.0/24": new}) for pair in "abc"])
            moved = Record(generation=life, first_seen=1e9, passed_at=1e9 + number)
            rows.merge([("shared", {"net:192.31.196.0/24": moved})])
            os.write(1, f"{key}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""
"""Writes rows, one transaction after another, and says when each is done."""


def kill_while_writing(path: Path, times: int) -> list[str]:
    """Kill a writer as often, see each time that the file is whole, and return what keys the writers said were kept."""
    chance = Random(64)
    kept: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as writer:
        assert writer.stdin
        assert writer.stdout
        for life in range(times):
            print(life, file=writer.stdin, flush=True)
            pid = int(writer.stdout.readline())
            kept += [writer.stdout.readline().strip() for _ in range(chance.randrange(60))]
            os.kill(pid, signal.SIGKILL)
            while (line := writer.stdout.readline().strip()) != "dead":
                kept.append(line)
            if path.exists():
                with closing(sqlite3.connect(path)) as connection:
                    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], life
        writer.stdin.close()
    return kept


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_of_200_that_are_killed_while_writing_each_leaves_a_whole_file(
    path: Path, open_store: Open, warnings: Warnings
) -> None:
    kept = kill_while_writing(path, 200)
    assert len(kept) > 200
    store = open_store()
    for key in kept:
        assert all(store.read(f"{key} {pair}") for pair in "abc"), key
    with closing(sqlite3.connect(path)) as connection:
        [(rows, counted)] = connection.execute("SELECT count(*), (SELECT rows FROM totals) FROM rows")
        torn = connection.execute(
            "SELECT key FROM rows WHERE key != 'shared' GROUP BY substr(key, 1, length(key) - 2) HAVING count(*) != 3"
        ).fetchall()
    assert rows == counted
    assert torn == []
    assert not warnings
