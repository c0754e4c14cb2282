#!/bin/sh
# libmilter: over TCP, each message that a milter adds a header field to waits 40 ms for the client's delayed ACK.
#
# A milter that adds a field at a message's end and accepts it sends two small packets back to back: the field, and
# the verdict. One would guess that they cost what one does, and that a milter on this host's loopback interface answers
# about as fast as by a unix socket.
#
# libmilter writes each packet to the socket by itself and leaves TCP_NODELAY alone. So Nagle's algorithm holds the
# verdict back until the field is acknowledged, and the client, which has nothing to say before it has the verdict,
# delays its acknowledgement: for 40 ms on Linux. Every message waits, and the milter's own times don't show it, as it
# is done before the wait begins. What works: a unix socket, or a listening socket with TCP_NODELAY, which all
# connections inherit, handed over as fd:N; Debian's libmilter takes that, upstream's doesn't.
#
# The mail server here is a few lines of the milter protocol, which times each message's end. Its own packets go out at
# once. Where it acknowledges at once (TCP_QUICKACK), the wait is gone: so that is what is waited for. Medians go to
# standard error. libmilter is Debian 12's package, unpacked and not installed; pymilter is built with it, which takes a
# C compiler.
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
a message's end  field added  socket
at once          no           inet
after 40 ms      yes          inet
at once          yes          inet, and the client acknowledges at once
at once          yes          fd:N, a socket with TCP_NODELAY
at once          yes          unix
END

cat > "$folder/filter.py" <<'END'
"""A milter that accepts each message; its first argument is its socket, its second whether it adds a field."""

import sys

import Milter


class Accepting(Milter.Base):
    def eom(self):
        if sys.argv[2] == "yes":
            self.addheader("X-Finding", "seen")
        return Milter.ACCEPT


Milter.factory = Accepting
Milter.set_flags(Milter.ADDHDRS)
Milter.runmilter("finding", sys.argv[1])
END

cat > "$folder/mta.py" <<'END'
import socket
import statistics
import struct
import subprocess
import sys
import time
from importlib.metadata import version

MESSAGES = 25
TCP = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
ENVELOPE = (b"M<sender@example.org>\0", b"R<recipient@example.net>\0", b"LSubject\0test\0", b"N", b"Btext\r\n")
folder = sys.argv[1]


class Session:
    """One session, in which each step is sent and answered."""

    def __init__(self, connection, acknowledges):
        self.connection = connection
        self.acknowledges = acknowledges

    def send(self, packet):
        self.connection.sendall(struct.pack("!I", len(packet)) + packet)

    def exactly(self, size):
        read = b""
        while len(read) < size:
            if self.acknowledges:
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            some = self.connection.recv(size - len(read))
            if not some:
                sys.exit("the milter hung up")
            read += some
        return read

    def answer(self):
        return self.exactly(struct.unpack("!I", self.exactly(4))[0])

    def ask(self, packet):
        self.send(packet)
        return self.answer()

    def message(self):
        """Send a message; return the seconds that its end took."""
        for packet in ENVELOPE:
            self.ask(packet)
        start = time.monotonic()
        fields = 0
        reply = self.ask(b"E")
        while reply[:1] == b"h":
            fields += 1
            reply = self.answer()
        seconds = time.monotonic() - start
        if reply != b"a" or fields != (added == "yes"):
            sys.exit(f"{fields} fields, and {reply!r}")
        return seconds


def listening():
    """Return a TCP socket that is bound to a free port, as systemd might hand over."""
    bound = socket.socket()
    bound.setsockopt(*TCP)
    bound.bind(("127.0.0.1", 0))
    return bound


def median(where, added, acknowledges=False):
    """Start the milter; return the median of the seconds that its messages' ends take."""
    family, address, name, passed = socket.AF_INET, None, None, ()
    if where == "unix":
        family, address = socket.AF_UNIX, f"{folder}/milter.sock"
        name = f"unix:{address}"
    else:
        bound = listening()
        address = bound.getsockname()
        if where == "fd":
            name, passed = f"fd:{bound.fileno()}", (bound.fileno(),)
        else:
            name = f"inet:{address[1]}@127.0.0.1"
            bound.close()
    command = [sys.executable, f"{folder}/filter.py", name, added]
    with subprocess.Popen(command, pass_fds=passed) as milter:
        try:
            with socket.socket(family) as connection:
                while connection.connect_ex(address):
                    if milter.poll() is not None:
                        sys.exit("the milter ended before it listened")
                    time.sleep(0.01)
                if family == socket.AF_INET:
                    connection.setsockopt(*TCP)
                session = Session(connection, acknowledges)
                session.ask(struct.pack("!cIII", b"O", 6, 0x1FF, 0))
                session.ask(b"Cclient.example.org\x004" + struct.pack("!H", 25) + b"192.0.2.1\0")
                session.ask(b"Hclient.example.org\0")
                return statistics.median(session.message() for _ in range(MESSAGES))
        finally:
            milter.kill()


print(f"libmilter {sys.argv[2]}, pymilter {version('pymilter')}")
print("a message's end  field added  socket")
for title, added, arguments in (
    ("inet", "no", ("inet",)),
    ("inet", "yes", ("inet",)),
    ("inet, and the client acknowledges at once", "yes", ("inet", True)),
    ("fd:N, a socket with TCP_NODELAY", "yes", ("fd",)),
    ("unix", "yes", ("unix",)),
):
    where, *acknowledges = arguments
    seconds = median(where, added, *acknowledges)
    print(f"{seconds * 1000:5.2f} ms  {added:11}  {title}", file=sys.stderr)
    taken = "at once" if seconds < 0.02 else "after 40 ms" if 0.035 < seconds < 0.2 else f"{seconds:.3f} s"
    print(f"{taken:15}  {added:11}  {title}")
END

"$folder/venv/bin/python" "$folder/mta.py" "$folder" "$libmilter" > "$folder/seen"
cat "$folder/seen"
diff "$folder/recorded" "$folder/seen" || exit 1
