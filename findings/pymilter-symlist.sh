#!/bin/sh
# pymilter: a callback marked with @symlist has the MTA send all that the milter has said it doesn't want.
#
# Milter.symlist names the macros that a callback wants, Milter.nocallback and Milter.noreply what it doesn't. All three
# are settled when the MTA connects. One would guess that a milter that marks envrcpt with @symlist is asked for those
# macros, and is spared headers and body as before.
#
# With Python 3, asking for the macros raises a TypeError, since pymilter hands bytes to its C part, which takes str.
# pymilter catches it, says nothing, and settles on everything: no macros are asked for, and each header line and each
# piece of each body is sent to the milter, which has no use for it. What works is to override negotiate and call
# self._ctx.setsymlist(stage, "{rcpt_addr} ...") there, with str.
#
# The MTA here is a dozen lines of the milter protocol: it offers everything, and shows what was agreed on. pymilter is
# built from source, which takes a C compiler and libmilter's headers (libmilter-dev).
#
# 0: as recorded here; 1: it has changed; 69: a package can't be had.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

{ python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" -q install pymilter==1.0.5; } >&2 || exit 69

cat > "$folder/recorded" <<'END'
pymilter 1.0.5
milter            headers and body  macros asked for
without @symlist  not wanted        none
with @symlist     wanted            none
by negotiate      not wanted        {rcpt_addr} at RCPT
END

cat > "$folder/filter.py" <<'END'
"""A milter that wants neither headers nor body; its first argument is its socket, its second how it asks for macros."""

import sys

import Milter


class Plain(Milter.Base):
    def envrcpt(self, to, *parameters):
        return Milter.CONTINUE


class Marked(Milter.Base):
    @Milter.symlist("{rcpt_addr}")
    def envrcpt(self, to, *parameters):
        return Milter.CONTINUE


class Negotiating(Plain):
    def negotiate(self, opts):
        self._ctx.setsymlist(Milter.M_ENVRCPT, "{rcpt_addr}")
        return super().negotiate(opts)


Milter.factory = {"without @symlist": Plain, "with @symlist": Marked, "by negotiate": Negotiating}[sys.argv[2]]
Milter.runmilter("finding", sys.argv[1])
END

cat > "$folder/mta.py" <<'END'
import os
import socket
import struct
import subprocess
import sys
from importlib.metadata import version

NO_BODY, NO_HEADERS, ALL_STEPS, ALL_ACTIONS = 0x10, 0x20, 0x1FFFFF, 0x1FF
STAGES = {3: "RCPT"}
folder = sys.argv[1]


def agreed(way):
    """Start the milter, and return the steps that it doesn't want, and the macros that it asks for."""
    path = f"{folder}/{way.replace(' ', '-')}.sock"
    with subprocess.Popen([sys.executable, f"{folder}/filter.py", f"unix:{path}", way]) as milter:
        try:
            with socket.socket(socket.AF_UNIX) as mta:
                while mta.connect_ex(path):
                    if milter.poll() is not None:
                        sys.exit("the milter ended before it listened")
                    os.sched_yield()
                offer = struct.pack("!cIII", b"O", 6, ALL_ACTIONS, ALL_STEPS)
                mta.sendall(struct.pack("!I", len(offer)) + offer)
                stream = mta.makefile("rb")
                reply = stream.read(struct.unpack("!I", stream.read(4))[0])
        finally:
            milter.kill()
    _, _, _, steps = struct.unpack("!cIII", reply[:13])
    return steps, reply[13:]


print("pymilter", version("pymilter"))
print("milter            headers and body  macros asked for")
for way in ("without @symlist", "with @symlist", "by negotiate"):
    steps, macros = agreed(way)
    wanted = "not wanted" if steps & NO_BODY and steps & NO_HEADERS else "wanted"
    asked = f"{macros[4:-1].decode()} at {STAGES[struct.unpack('!I', macros[:4])[0]]}" if macros else "none"
    print(f"{way:16}  {wanted:16}  {asked}")
END

"$folder/venv/bin/python" "$folder/mta.py" "$folder" > "$folder/seen"
cat "$folder/seen"
diff "$folder/recorded" "$folder/seen" || exit 1
