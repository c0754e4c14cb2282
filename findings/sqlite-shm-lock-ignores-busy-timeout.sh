#!/bin/sh
# SQLite: in WAL mode a query can wait for ten seconds, whatever the connection's timeout says.
#
# sqlite3.connect(timeout=0.1), which is PRAGMA busy_timeout, bounds how long a statement waits for others' locks: after
# that it raises "database is locked". One would guess of all locks, and a program with a deadline counts on it.
#
# Whoever reads in WAL mode takes one of five read marks, each of them a byte of the -shm file that is locked. If one
# stands at the log's end, and another process has its byte locked for writing, SQLite takes no other, were all free.
# It tries again by a schedule of its own: a hundred times, with growing pauses, ten seconds in all. Then it raises
# "locking protocol" (SQLITE_PROTOCOL), which no longer timeout puts off, and interrupt() doesn't end the wait sooner.
# SQLite itself holds such a lock for an instant, when it moves a mark, recovers or resets the log: a process that is
# stopped just then, by SIGSTOP or a container's freezer, has all new readers wait, and so has a program that locks
# whole files. What works is to read in a thread that one need not wait for.
#
# Another process of the same user locks one byte here: 120, by which writers take turns, for comparison, and 124, of
# the mark at the log's end. SQLite is the one within pysqlite3-binary, Python's sqlite3 module by another name.
#
# 0: as recorded here; 1: it has changed; 69: a package can't be had.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

{ python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" -q install pysqlite3-binary==0.5.4.post2; } >&2 || exit 69

cat > "$folder/recorded" <<'END'
SQLite 3.51.1
timeout  byte locked  statement  ends after  with
0.1 s    none         SELECT     under 3 s   a row
0.1 s    120          INSERT     under 3 s   database is locked
0.1 s    124          SELECT     10 s        locking protocol
30 s     124          SELECT     10 s        locking protocol
END

cat > "$folder/lock.py" <<'END'
"""Hold a lock on one byte of a file until standard input ends."""

import fcntl
import sys

with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(sys.argv[2]))
    print("locked", flush=True)
    sys.stdin.read()
END

"$folder/venv/bin/python" - "$folder" > "$folder/seen" <<'END'
import contextlib
import subprocess
import sys
import time

from pysqlite3 import dbapi2 as sqlite3

TIMES = (("under 3 s", 0, 3), ("10 s", 9, 20))  # as shown, and between which seconds: the machine may be busy
folder = sys.argv[1]
database = f"{folder}/rows.sqlite"
keeper = sqlite3.connect(database, isolation_level=None)  # so that the log stays, and holds the row
keeper.execute("PRAGMA journal_mode=WAL").fetchall()
keeper.execute("CREATE TABLE rows (row)")
keeper.execute("INSERT INTO rows VALUES (1)")
keeper.execute("SELECT row FROM rows").fetchall()  # which sets the first read mark to the log's end


@contextlib.contextmanager
def locked(byte):
    """Have another process lock a byte."""
    command = [sys.executable, f"{folder}/lock.py", f"{database}-shm", str(byte)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if not process.stdout.readline():
            sys.exit(f"byte {byte} can't be locked")
        yield
        process.stdin.close()


def run(timeout, statement):
    """Return how many seconds a statement took, and how it ended."""
    connection = sqlite3.connect(database, timeout=timeout, isolation_level=None)
    start = time.monotonic()
    try:
        end = "a row" if connection.execute(statement).fetchall() else "no row"
    except sqlite3.OperationalError as error:
        end = str(error)
    return time.monotonic() - start, end


print("SQLite", sqlite3.sqlite_version)
print("timeout  byte locked  statement  ends after  with")
for timeout, byte, statement in (
    (0.1, None, "SELECT row FROM rows"),
    (0.1, 120, "INSERT INTO rows VALUES (2)"),
    (0.1, 124, "SELECT row FROM rows"),
    (30, 124, "SELECT row FROM rows"),
):
    with locked(byte) if byte else contextlib.nullcontext():
        seconds, end = run(timeout, statement)
    print(f"{seconds:6.2f} s  {end}", file=sys.stderr)
    taken = next((about for about, least, most in TIMES if least <= seconds < most), f"{seconds:.2f} s")
    print(f"{f'{timeout} s':7}  {byte or 'none':<11}  {statement[:6]:9}  {taken:10}  {end}")
END

cat "$folder/seen"
diff "$folder/recorded" "$folder/seen" || exit 1
