#!/bin/sh
# OpenDKIM: an IPv6 network in InternalHosts holds a client, or doesn't, by how it is spelled.
#
# InternalHosts says whose mail is signed: hosts, addresses and CIDR blocks, opendkim.conf(5) has it. An IPv6 network
# may be written in several ways that mean the same (RFC 4291 2.2), and one would guess that each holds the same clients.
#
# For each prefix length OpenDKIM makes a text of the client's network, in its shortest form, and looks that up in the
# list as it stands there. So a network counts if it is written as inet_ntop() writes it, without host bits. Any other
# spelling is taken without a word, holds nobody, and mail that should be signed leaves unsigned.
#
# OpenDKIM and miltertest are the packages of Debian 12, unpacked and not installed. No DNS is asked.
#
# 0: as recorded here; 1: it has changed; 69: a package can't be had.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

{
    mkdir "$folder/debs" && cd "$folder/debs" && apt-get -q -o APT::Sandbox::User=root download \
        opendkim=2.11.0~beta2-8+deb12u1 miltertest=2.11.0~beta2-8+deb12u1 libopendkim11 libvbr2 librbl1 \
        libmilter1.0.1 libopendbx1 libmemcached11 libhashkit2 liblua5.3-0 libunbound8 libevent-2.1-7 \
        libbsd0 libmd0 libdb5.3 libldap-2.5-0 libsasl2-2 &&
        for deb in *.deb; do dpkg -x "$deb" "$folder/root"; done
} >&2 || exit 69
LD_LIBRARY_PATH=$folder/root/usr/lib:$(echo "$folder"/root/usr/lib/*-linux-gnu)
PATH=$folder/root/usr/bin:$folder/root/usr/sbin:$PATH
export LD_LIBRARY_PATH PATH
opendkim -V > "$folder/version" 2>&1 || exit 69

cat > "$folder/recorded" <<'END'
OpenDKIM 2.11.0
InternalHosts              mail of 2001:db8::c01f:c40a is
2001:db8::/32              signed
2001:0db8::/32             not signed
2001:db8:0::/48            not signed
2001:db8::/64              signed
2001:db8:0:0::/64          not signed
2001:db8::1/64             not signed
2001:db8::c01f:c40a        signed
2001:db8:0:0:0:0:c01f:c40a not signed
END

cd "$folder"
openssl genrsa -out key.pem 2048 2> /dev/null
cat > session.lua <<'END'
local conn = mt.connect("inet:" .. port .. "@127.0.0.1", 50, 0.1)
mt.conninfo(conn, "host.example", "2001:db8::c01f:c40a")
mt.mailfrom(conn, "<a@lab.example>")
mt.rcptto(conn, "<b@example.org>")
mt.header(conn, "From", "a@lab.example")
mt.header(conn, "Subject", "test")
mt.eoh(conn)
mt.bodystring(conn, "Hello.\r\n")
mt.eom(conn)
mt.echo(mt.eom_check(conn, MT_HDRINSERT, "DKIM-Signature") and "signed" or "not signed")
mt.disconnect(conn)
END

{
    sed -n 's/^opendkim: OpenDKIM Filter v\([0-9.]*\).*/OpenDKIM \1/p' version
    printf '%-26s %s\n' InternalHosts 'mail of 2001:db8::c01f:c40a is'
    port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    sed -n '3,$s/  *\(not \)\{0,1\}signed$//p' recorded | while read -r network; do
        echo "$network" > hosts
        cat > opendkim.conf <<END
Socket inet:$port@127.0.0.1
Mode sv
Domain lab.example
Selector sel
KeyFile $folder/key.pem
RequireSafeKeys no
InternalHosts $folder/hosts
UserID $(id -un)
END
        opendkim -f -x opendkim.conf > opendkim.log 2>&1 < /dev/null &
        filter=$!
        printf '%-26s %s\n' "$network" "$(miltertest -D port="$port" -s session.lua 2>&1 < /dev/null)"
        kill -9 "$filter"
        wait "$filter" 2> /dev/null || true
    done
} > seen

cat seen
diff recorded seen || exit 1
