#!/bin/sh
# DNS64: a host whose AAAA record can't be asked for has an address by Unbound, and none by BIND.
#
# Some nameservers fail when they are asked for AAAA, and have an A record all the same. RFC 6147 has a word on it
# (section 5.1.2): any error but NXDOMAIN counts as an empty answer, so that a DNS64 goes on to ask for A. One would
# guess that every DNS64 does, and that two of them give the same hosts.
#
# Unbound does; BIND says SERVFAIL. A mail server that has IPv6 only delivers to such a host by Unbound, and by BIND its
# mail waits.
#
# Both forward here to a nameserver with three names that have an A record. Asked for AAAA, it has no such record for
# the first, and fails at the others. Each resolver is Debian 12's package, unpacked and not installed, with libraries.
#
# 0: as recorded here; 1: it has changed; 69: a package can't be had.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

{
    python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" -q install dnspython==2.8.0 && mkdir "$folder/debs" &&
        cd "$folder/debs" && apt-get -q -o APT::Sandbox::User=root download \
        unbound=1.17.1-2+deb12u4 bind9=1:9.18.49-1~deb12u3 bind9-libs=1:9.18.49-1~deb12u3 \
        libevent-2.1-7 libfstrm0 libjemalloc2 libjson-c5 liblmdb0 libmaxminddb0 libnghttp2-14 libprotobuf-c1 \
        libpython3.11 libuv1 libxml2 libicu72 &&
        for deb in *.deb; do dpkg -x "$deb" "$folder/root"; done
} >&2 || exit 69
LD_LIBRARY_PATH=$(echo "$folder"/root/usr/lib/*-linux-gnu)
PATH=$folder/root/usr/sbin:$PATH
export LD_LIBRARY_PATH PATH
{ unbound -V && named -v; } > "$folder/versions" || exit 69
unbound=$(sed -n 's/^Version //p' "$folder/versions")
bind=$(sed -n 's/^BIND \([0-9.]*\).*/\1/p' "$folder/versions")

cat > "$folder/recorded" <<'END'
Unbound 1.17.1, BIND 9.18.49
answer to AAAA upstream  Unbound as DNS64    BIND as DNS64
no such record           64:ff9b::c01f:c40a  64:ff9b::c01f:c40a
SERVFAIL                 64:ff9b::c01f:c40a  SERVFAIL
REFUSED                  64:ff9b::c01f:c40a  SERVFAIL
END

cat > "$folder/unbound.conf" <<END
server:
    chroot: ""
    username: ""
    directory: "$folder"
    pidfile: ""
    use-syslog: no
    do-not-query-localhost: no
    module-config: "dns64 iterator"
    dns64-prefix: 64:ff9b::/96
    interface: 127.0.0.1@PORT
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@UPSTREAM
END
cat > "$folder/named.conf" <<END
controls {};
options {
    directory "$folder"; pid-file none; lock-file none; session-keyfile none;
    dnssec-validation no;
    dns64 64:ff9b::/96 {};
    listen-on port PORT { 127.0.0.1; };
    listen-on-v6 { none; };
    forward only;
    forwarders { 127.0.0.1 port UPSTREAM; };
};
END

cat > "$folder/ask.py" <<'END'
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from socket import SOCK_DGRAM, create_server, socket

from dns import flags, message, query, rcode, rdatatype, rrset

NAMES = {"empty": "no such record", "servfail": "SERVFAIL", "refused": "REFUSED"}
SOA = "ns.lab.example. admin.lab.example. 1 3600 3600 3600 60"


def answer(nameserver):
    """Answer as the nameserver: A with an address, AAAA as the name says, all else with nothing."""
    while True:
        wire, client = nameserver.recvfrom(4096)
        response = message.make_response(message.from_wire(wire))
        response.flags |= flags.AA
        asked, name = response.question[0], response.question[0].name.labels[0].decode().lower()
        if asked.rdtype == rdatatype.A and name in NAMES:
            response.answer.append(rrset.from_text(asked.name, 60, "IN", "A", "192.31.196.10"))
        elif asked.rdtype == rdatatype.AAAA and name in ("servfail", "refused"):
            response.set_rcode(rcode.from_text(name))
        else:
            response.authority.append(rrset.from_text("lab.example.", 60, "IN", "SOA", SOA))
        nameserver.sendto(response.to_wire(), client)


@contextmanager
def resolver(*command, ready):
    """Run a resolver until the block ends, and give its port; `ready` is in the line that says that it serves."""
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = Path(sys.argv[1], f"{command[0]}.conf")
    path.write_text(path.read_text().replace("PORT", str(port)).replace("UPSTREAM", str(upstream)))
    with subprocess.Popen([*command, "-c", path], stderr=subprocess.PIPE, text=True) as process:
        try:
            said = []
            while ready not in (line := process.stderr.readline()):
                said.append(line)
                if not line:
                    sys.exit("".join(said))
            yield port
        finally:
            process.kill()


def ask(name, port):
    """Return the address that a resolver gives for AAAA, or its error."""
    question = message.make_query(f"{name}.lab.example", "AAAA")
    response = query.udp(question, "127.0.0.1", port=port, timeout=20)
    return str(response.answer[0][0]) if response.answer else rcode.to_text(response.rcode())


with socket(type=SOCK_DGRAM) as nameserver:
    nameserver.bind(("127.0.0.1", 0))
    upstream = nameserver.getsockname()[1]
    threading.Thread(target=answer, args=(nameserver,), daemon=True).start()
    unbound = resolver("unbound", "-d", "-v", ready="start of service")
    bind = resolver("named", "-g", "-n", "1", ready=" running\n")
    print("answer to AAAA upstream  Unbound as DNS64    BIND as DNS64")
    with unbound as first, bind as second:
        for name, title in NAMES.items():
            print(f"{title:23}  {ask(name, first):18}  {ask(name, second)}")
END

{
    echo "Unbound $unbound, BIND $bind"
    "$folder/venv/bin/python" "$folder/ask.py" "$folder"
} > "$folder/seen"
cat "$folder/seen"
diff "$folder/recorded" "$folder/seen" || exit 1
