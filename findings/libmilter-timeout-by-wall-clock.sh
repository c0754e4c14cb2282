#!/bin/sh
# libmilter: a step of the wall clock forward ends each session that waits, were it for two seconds.
#
# A session in which the mail server says nothing for 7210 seconds, or for what smfi_settimeout says, is ended. One
# would guess that those are seconds which pass, as poll() counts them.
#
# libmilter with a pool of workers, as Debian builds it, notes the time of day at which a session begins to wait, and
# compares it with the time of day. When the clock is set forward by more than the timeout, as when a host boots with a
# wrong clock and then hears from NTP, or wakes from a suspended state, all sessions that wait at that moment are ended
# at once: the mail server finds the connection closed in the midst of a message. What works is a timeout that no step
# of the clock exceeds, such as ten years; sessions whose mail server has gone are then left to TCP's keep-alive.
#
# The clock here is stepped for one process: a preloaded time() is ahead by as many seconds as a file has octets. It is
# by time() that libmilter reads the clock for this. The mail server is a few lines of the milter protocol. libmilter is
# Debian 12's package, unpacked and not installed; pymilter is built with it, which takes a C compiler.
#
# 0: as recorded here; 1: it has changed; 69: a package can't be had.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

{
    mkdir "$folder/debs" && cd "$folder/debs" && apt-get -q -o APT::Sandbox::User=root download \
        libmilter-dev=8.17.1.9-2+deb12u2 libmilter1.0.1=8.17.1.9-2+deb12u2 &&
        for deb in *.deb; do dpkg -x "$deb" "$folder/root"; done &&
        LD_LIBRARY_PATH=$(echo "$folder"/root/usr/lib/*-linux-gnu) && export LD_LIBRARY_PATH &&
        python3 -m venv "$folder/venv" && CFLAGS="-I$folder/root/usr/include" LDFLAGS="-L$LD_LIBRARY_PATH" \
        "$folder/venv/bin/pip" -q install --no-cache-dir pymilter==1.0.5
} >&2 || exit 69
libmilter=$(dpkg-deb -f "$folder"/debs/libmilter1.0.1_*.deb Version)

cat > "$folder/recorded" <<'END'
libmilter 8.17.1.9-2+deb12u2, pymilter 1.0.5
timeout   clock stepped by  a session silent for seconds
7210 s    0 h               answers
7210 s    1 h               answers
7210 s    3 h               is closed
10 years  3 h               answers
END

cat > "$folder/clock.c" <<'END'
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

time_t time(time_t *result) {
    struct timespec now;
    struct stat ahead;
    clock_gettime(CLOCK_REALTIME, &now);
    if (stat(getenv("AHEAD"), &ahead) == 0)
        now.tv_sec += ahead.st_size;
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}
END
cc -shared -fPIC -o "$folder/clock.so" "$folder/clock.c"

cat > "$folder/filter.py" <<'END'
"""A milter that lets all pass; its arguments are its socket and the timeout in seconds, 0 for libmilter's own."""

import sys

import Milter

Milter.factory = Milter.Base
Milter.runmilter("finding", sys.argv[1], int(sys.argv[2]))
END

cat > "$folder/mta.py" <<'END'
import os
import select
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

HOUR = 3600
YEAR = 365 * 24 * HOUR
SILENCE = 2
LOOK = 30  # libmilter looks for sessions whose time is over when anything happens, and every ten seconds
folder = sys.argv[1]


class Session:
    """A session that has begun, as far as a message's sender, and waits for its mail server."""

    def __init__(self, connection):
        self.connection = connection
        self.stream = connection.makefile("rb")
        self.ask(struct.pack("!cIII", b"O", 6, 0x1FF, 0))
        self.ask(b"Cclient.example.org\x004" + struct.pack("!H", 25) + b"192.0.2.1\0")
        self.ask(b"Hclient.example.org\0")
        self.ask(b"M<sender@example.org>\0")

    def ask(self, packet):
        """Send a packet, and return the answer; an empty one if the milter has closed the connection."""
        try:
            self.connection.sendall(struct.pack("!I", len(packet)) + packet)
            size = self.stream.read(4)
            return self.stream.read(struct.unpack("!I", size)[0]) if size else b""
        except (BrokenPipeError, ConnectionResetError):
            return b""


def fate(timeout, step):
    """Start the milter, have a session wait, and set the clock forward by a number of seconds; say how that ends."""
    path, ahead = (f"{folder}/{name}-{timeout}-{step}" for name in ("socket", "ahead"))
    open(ahead, "xb").close()
    shim = {"LD_PRELOAD": f"{folder}/clock.so", "AHEAD": ahead}
    command = [sys.executable, f"{folder}/filter.py", f"unix:{path}", str(timeout)]
    with subprocess.Popen(command, env=os.environ | shim) as milter:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                while connection.connect_ex(path):
                    if milter.poll() is not None:
                        sys.exit("the milter ended before it listened")
                    time.sleep(0.01)
                session = Session(connection)
                time.sleep(SILENCE)
                os.truncate(ahead, step)
                select.select([connection], [], [], LOOK)
                return "answers" if session.ask(b"R<recipient@example.net>\0") else "is closed"
        finally:
            milter.kill()


cases = [("7210 s", 0, 0), ("7210 s", 0, 1), ("7210 s", 0, 3), ("10 years", 10 * YEAR, 3)]
with ThreadPoolExecutor(len(cases)) as pool:
    fates = list(pool.map(fate, [timeout for _, timeout, _ in cases], [hours * HOUR for *_, hours in cases]))
print(f"libmilter {sys.argv[2]}, pymilter {version('pymilter')}")
print("timeout   clock stepped by  a session silent for seconds")
for (title, _, hours), seen in zip(cases, fates):
    print(f"{title:8}  {hours} h{'':13}  {seen}")
END

"$folder/venv/bin/python" "$folder/mta.py" "$folder" "$libmilter" > "$folder/seen"
cat "$folder/seen"
diff "$folder/recorded" "$folder/seen" || exit 1
