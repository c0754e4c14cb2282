#!/bin/sh
# pflogsumm: what a milter refuses at RCPT is not among the rejected.
#
# Postfix logs a refusal of its own as "reject:", and one of a milter as "milter-reject:", with the same stage, client,
# reply and envelope behind it. pflogsumm's report has "rejected" among its grand totals, by the hour, and in detail, so
# one would guess that it counts both.
#
# It knows "milter-reject" in lines of cleanup, which tells of refusals at the end of a message, and not in those of
# smtpd, which tells of CONNECT, HELO, MAIL and RCPT. So of a milter that refuses or puts off at RCPT, as greylisting and
# SPF milters do, the report says nothing, and a host that has moved its checks from Postfix's restrictions to such a
# milter seems to be no longer attacked. Whoever compares a milter's own figures with this report finds none of them.
#
# pflogsumm is Debian 12's, unpacked and not installed; each kind of line is read by itself.
#
# 0: as recorded here; 1: it has changed; 69: a package can't be had.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

{
    cd "$folder" && apt-get -q -o APT::Sandbox::User=root download pflogsumm=1.1.5-8 &&
        dpkg -x pflogsumm_*.deb root
} >&2 || exit 69

cat > "$folder/recorded" <<'END'
pflogsumm 1.1.5
rejected  of a line of
1         smtpd, reject: RCPT
0         smtpd, milter-reject: RCPT
0         smtpd, milter-reject: MAIL
1         cleanup, milter-reject: END-OF-MESSAGE
END

client='from client.example[192.0.2.1]'
envelope='from=<a@client.example> to=<b@lab.example> proto=ESMTP helo=<client.example>'

# Show how many messages were rejected, by a log of one line.
rejected() {
    echo "Nov 21 10:00:01 mx postfix/$1[101]: $2: $3 $client: $4; $envelope" > "$folder/log"
    number=$(perl "$folder/root/usr/sbin/pflogsumm" "$folder/log" | awk '$2 == "rejected" { print $1; exit }')
    printf '%-8s  %s, %s\n' "$number" "$1" "$3"
}

{
    echo "pflogsumm $(perl "$folder/root/usr/sbin/pflogsumm" --version | awk '{ print $NF; exit }')"
    echo 'rejected  of a line of'
    rejected smtpd NOQUEUE 'reject: RCPT' '554 5.7.1 no'
    rejected smtpd NOQUEUE 'milter-reject: RCPT' '550 5.7.1 no'
    rejected smtpd NOQUEUE 'milter-reject: MAIL' '451 4.7.1 later'
    rejected cleanup 4F1A2B3C4D 'milter-reject: END-OF-MESSAGE' '5.7.1 no'
} > "$folder/seen"

cat "$folder/seen"
diff "$folder/recorded" "$folder/seen" || exit 1
