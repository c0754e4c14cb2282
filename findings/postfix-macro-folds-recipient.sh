#!/bin/sh
# Postfix and its milters: the macro {rcpt_addr} can name another mailbox than the one that gets the mail.
#
# With SMTPUTF8 a local part may hold any letter, and RFC 5321 leaves its case to the server that delivers. One would
# guess that {rcpt_addr} is the recipient as Postfix goes on with it, perhaps in lower case.
#
# Postfix folds the macro's case by Unicode's rules, the local part too: not to lower case, but so that all spellings of
# a word become one. Groß becomes gross, which is another name, and a final sigma becomes one within a word. The queue
# and what is delivered keep the address as it was given. A milter that looks up a mailbox's settings by the macro finds
# somebody else's, or none. It should take the argument of RCPT, whose brackets it strips itself.
#
# Postfix is the package of Debian 12, unpacked and not installed, with a queue and a configuration of its own, and
# discards what it accepts; its user is daemon, which every system has. Its milter is a few lines of the milter protocol.
# Root alone can start Postfix.
#
# 0: as recorded here; 1: it has changed; 69: a package, or root, can't be had.
set -eu
[ "$(id -u)" = 0 ] || exit 69
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

{
    mkdir "$folder/debs" && cd "$folder/debs" && apt-get -q -o APT::Sandbox::User=root download \
        postfix=3.7.11-0+deb12u1 libdb5.3 libicu72 libnsl2 libtirpc3 libsasl2-2 &&
        for deb in *.deb; do dpkg -x "$deb" "$folder/root"; done
} >&2 || exit 69
daemons=$folder/root/usr/lib/postfix/sbin
LD_LIBRARY_PATH=$folder/root/usr/lib/postfix:$(echo "$folder"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH

cat > "$folder/recorded" <<'END'
Postfix 3.7.11
argument of RCPT            {rcpt_addr}                 delivered to
<Anna.Smith@lab.example>    anna.smith@lab.example      Anna.Smith@lab.example
<Jürgen.Groß@lab.example>   jürgen.gross@lab.example    Jürgen.Groß@lab.example
<νίκος@lab.example>         νίκοσ@lab.example           νίκος@lab.example
END

cd "$folder"
chmod 755 . # daemons are not root
mkdir etc queue queue/pid data
for name in active bounce corrupt defer deferred flush hold incoming private saved trace maildrop public; do
    mkdir "queue/$name"
done
chown daemon data queue/[!p]* queue/private queue/public
cat > etc/main.cf <<END
compatibility_level = 3.6
queue_directory = $folder/queue
data_directory = $folder/data
command_directory = $folder/root/usr/sbin
daemon_directory = $daemons
import_environment = MAIL_CONFIG MAIL_LOGTAG LD_LIBRARY_PATH=$LD_LIBRARY_PATH
mail_owner = daemon
setgid_group = mail
maillog_file = /dev/stdout
multi_instance_name =
disable_dns_lookups = yes
smtpd_peername_lookup = no
myhostname = mx.lab.example
mydestination = lab.example
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
local_transport = discard:
default_transport = discard:
smtpd_relay_restrictions = reject_unauth_destination
END
cat > etc/master.cf <<END
cleanup    unix       n - n - 0 cleanup
qmgr       unix       n - n 300 1 qmgr
rewrite    unix       - - n - - trivial-rewrite
bounce     unix       - - n - 0 bounce
defer      unix       - - n - 0 bounce
trace      unix       - - n - 0 bounce
proxymap   unix       - - n - - proxymap
discard    unix       - - n - - discard
anvil      unix       - - n - 1 anvil
postlog    unix-dgram n - n - 1 postlogd
END

cat > run.py <<'END'
import os
import re
import smtplib
import struct
import subprocess
import sys
import threading
from socket import create_server

RECIPIENTS = ["Anna.Smith@lab.example", "Jürgen.Groß@lab.example", "νίκος@lab.example"]
told = []


def serve(listener):
    """Be the milter: note each RCPT with its macro, and let all go on."""
    mta, _ = listener.accept()
    stream, macros = mta.makefile("rb"), {}
    while length := stream.read(4):
        packet = stream.read(struct.unpack("!I", length)[0])
        command, words = packet[:1], packet[1:].decode(errors="replace").split("\0")
        reply = b"c"
        if command == b"O":  # options: all actions are off, every step is sent
            reply = b"O" + struct.pack("!III", 6, 0, 0)
        elif command == b"D":  # macros of the next command, whose letter comes first
            macros = dict(zip([words[0][1:], *words[2::2]], words[1::2]))
            continue
        elif command == b"R":
            told.append((words[0], macros["{rcpt_addr}"]))
        elif command in (b"A", b"Q", b"K"):  # abort and quit have no reply
            continue
        mta.sendall(struct.pack("!I", len(reply)) + reply)


def row(argument, macro, recipient):
    print(f"{argument:27} {macro:27} {recipient}")


milter = create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(milter,), daemon=True).start()
with create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
with open("etc/main.cf", "a") as main, open("etc/master.cf", "a") as master:
    main.write(f"smtpd_milters = inet:127.0.0.1:{milter.getsockname()[1]}\n")
    master.write(f"127.0.0.1:{port} inet n - n - 300 smtpd\n")
for name in ("etc/main.cf", "etc/master.cf"):
    os.utime(name, (0, 0))  # daemons wait while a file is younger than a second
delivered = []
master = [f"{sys.argv[1]}/master", "-c", f"{os.getcwd()}/etc", "-d"]
# Of a process group of its own, all of which master ends with itself.
with subprocess.Popen(master, stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True) as postfix:
    try:
        for line in postfix.stdout:
            if started := re.search(r"daemon started -- version ([\d.]+)", line):
                print("Postfix", started[1])
                with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as client:
                    client.sendmail("joe@example.net", RECIPIENTS, "Subject: hello\r\n\r\nhello\r\n", ["SMTPUTF8"])
            elif sent := re.search(r"discard\[.* to=<(.+?)>.* status=sent", line):
                delivered.append(sent[1])
                if len(delivered) == len(RECIPIENTS):
                    break
    finally:
        postfix.terminate()
row("argument of RCPT", "{rcpt_addr}", "delivered to")
for (argument, macro), recipient in zip(told, sorted(delivered), strict=True):
    row(argument, macro, recipient)
END
python3 run.py "$daemons" > seen
cat seen
diff recorded seen || exit 1
