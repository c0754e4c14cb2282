"""milter64 as Debian installs it judges mail from Debian's Postfix, chrooted as Debian has it.

    mail.py [STORY...]      all of them, or some: inet, unix, greylist, again, lists, listed

It changes the configuration of milter64 and of Postfix, and needs root. Where systemd runs, it runs both; elsewhere the
lines of milter64's unit are run as its user, and READY=1 is waited for. DNS is a server of this script's.
"""

import json
import mailbox
import os
import shlex
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import dns.flags
import dns.message
import dns.rrset

SETTINGS = Path("/etc/milter64/milter64.toml")
UNIT = Path("/usr/lib/systemd/system/milter64.service")
STATE = Path("/var/lib/milter64")
LIST = SETTINGS.with_name("block")
QUEUE = Path("/var/spool/postfix")
SYSTEMD = Path("/run/systemd/system").exists()

INET = ("inet:8864@localhost", "")
UNIX = (f"unix:{QUEUE}/milter64/milter64.sock", "unix:milter64/milter64.sock")
"""A socket as milter64 and as Postfix name it; where that is left out, it is as `milter64 postfix` says."""

POSTFIX = (
    *("myhostname=mx.example.org", "mydestination=example.org", "local_recipient_maps=", "alias_maps="),
    *("inet_interfaces=all", "inet_protocols=all", "smtpd_authorized_xclient_hosts=127.0.0.1, [::1]"),
    *("smtpd_peername_lookup=no", "milter_default_action=tempfail", "maillog_file=/var/log/postfix.log"),
)
"""Mail for example.org is root's; clients of this host are who they say they are (XCLIENT)."""

RECORDS = """
honest.example. 60 IN TXT "v=spf1 ip4:192.31.196.10 -all"
mail.honest.example. 60 IN A 192.31.196.10
10.196.31.192.in-addr.arpa. 60 IN PTR mail.honest.example.
"""

HONEST, STRANGER, FORWARDER = "64:ff9b::c01f:c40a", "64:ff9b::c01f:c428", "64:ff9b::c01f:c429"
"""192.31.196.10, 192.31.196.40 and 192.31.196.41, as the translator shows them."""


def main() -> None:
    known = {"inet": inet, "unix": unix, "greylist": greylist, "again": again, "lists": lists, "listed": listed}
    with nameserver(), postfix():
        for name in sys.argv[1:] or known:
            known[name]()
            print(f"{name}: ok")


def inet() -> None:
    """An honest sender gets in and a forger is refused, over inet, whatever families Postfix has."""
    for protocols in ("ipv6", "ipv4", "all"):
        configure(f"inet_protocols={protocols}")
        restart()
        judge(INET)


def unix() -> None:
    """The same over a unix socket in the queue folder, which others than Postfix can't connect to."""
    judge(UNIX, "milter.socket_group = 'postfix'")
    judge(UNIX)


def greylist() -> None:
    """Somebody new, of whom nothing is known, must come back."""
    with milter64(INET):
        code, text = send(STRANGER, "joe@unknown.example")
        assert code == 450, text


def again() -> None:
    """Who was told so by an earlier process, before an upgrade perhaps, gets in."""
    with milter64(INET):
        deadline = time.monotonic() + 20
        while (answer := send(STRANGER, "joe@unknown.example"))[0] == 450:
            assert time.monotonic() < deadline, answer
            assert "greylist" in answer[1].lower(), answer
            time.sleep(0.2)
        assert answer[0] == 250, answer


def lists() -> None:
    """Who is kept out by a file, let in by root and kept out by the service's user; nobody else changes that."""
    LIST.write_text("192.31.196.10 # a flood\nno entry, which keeps nobody from a reload\n")
    with milter64(INET, f"block.files = ['{LIST}']"):
        code, text = send(HONEST, "joe@honest.example")
        assert (code, text.partition(" (")[0]) == (550, "5.7.1 Blocked here: network 192.31.196.10")
        LIST.write_text("")
        wait(lambda: send(HONEST, "joe@honest.example")[0] == 250, "the file to count as it is now")
        assert send(FORWARDER, "joe@honest.example")[0] == 550
        run("milter64", "allow", "192.31.196.41", "--spares", "all", "--because", "ticket 12")
        wait(lambda: send(FORWARDER, "joe@honest.example")[0] == 250, "who is let in")
        run("runuser", "-u", "milter64", "--", "milter64", "block", "192.31.196.10", "--for", "7d")
        wait(lambda: send(HONEST, "joe@honest.example")[0] == 550, "who is kept out")
        forget = ("runuser", "-u", "nobody", "--", "milter64", "forget", "192.31.196.10")
        assert subprocess.run(forget, check=False).returncode == os.EX_UNAVAILABLE
        assert {(path.owner(), path.stat().st_mode & 0o777) for path in STATE.glob("greylist.sqlite.[ab]*")} == {
            ("milter64", 0o640)
        }


def listed() -> None:
    """Both are so still in another process, after an upgrade perhaps, until that is taken back."""
    with milter64(INET):
        assert send(FORWARDER, "joe@honest.example")[0] == 250
        assert send(HONEST, "joe@honest.example")[0] == 550
        run("milter64", "forget", "192.31.196.41")
        run("milter64", "forget", "192.31.196.10")
        wait(lambda: send(HONEST, "joe@honest.example")[0] == 250, "who is kept out no more")
        assert send(FORWARDER, "joe@honest.example")[0] == 550
    LIST.unlink()


def judge(names: tuple[str, str], *settings: str) -> None:
    with milter64(names, *settings):
        assert send(HONEST, "joe@honest.example") == (250, "")
        header = " ".join(" ".join(delivered().get_all("Authentication-Results", [])).split())
        assert "spf=pass (ip4:192.31.196.10 of honest.example)" in header, header
        wire = "" if protocols() == "ipv4" else ", wire 64:ff9b::c01f:c40a, translated"
        assert f"(client 192.31.196.10{wire}" in header, header
        code, text = send(STRANGER, "joe@honest.example")
        assert code == 550, text
        assert text.startswith("5.7.23 SPF fail: 192.31.196.40 is not permitted"), text
        if names == UNIX:
            path = Path(names[0].removeprefix("unix:"))
            assert (path.owner(), path.group(), path.stat().st_mode & 0o7777) == ("milter64", "postfix", 0o660)
            assert path.parent.stat().st_mode & 0o7777 == 0o2750


# Mail


def send(wire: str, sender: str) -> tuple[int, str]:
    """Send a message as the client at `wire`; return the reply that refused it, or (250, "").

    A Postfix of IPv4 alone meets it without the translator.
    """
    host, address = "::1", f"IPV6:{wire}"
    if protocols() == "ipv4":
        host, address = "127.0.0.1", socket.inet_ntoa(socket.inet_pton(socket.AF_INET6, wire)[12:])
    with smtplib.SMTP(host, 25, timeout=60) as client:
        code, text = client.docmd("XCLIENT", f"ADDR={address} NAME=[UNAVAILABLE] PORT=40000")
        assert code == 220, text
        try:
            client.sendmail(sender, ["root@example.org"], "Subject: test\n\nHello.\n")
        except smtplib.SMTPRecipientsRefused as error:
            ((code, text),) = error.recipients.values()
            return code, text.decode()
    return 250, ""


def delivered() -> mailbox.mboxMessage:
    """Wait for root's mail, take it and return it."""
    path = Path("/var/mail/root")
    wait(lambda: path.exists() and path.stat().st_size, "mail for root")
    box = mailbox.mbox(path)
    wait(lambda: locked(box), "Postfix to let go of root's mailbox")
    (_, message) = box.popitem()
    box.clear()
    box.close()
    return message


def locked(box: mailbox.mbox) -> bool:
    """Lock a mailbox, unless somebody else has."""
    try:
        box.lock()
    except mailbox.ExternalClashError:
        return False
    return True


# Servers


@contextmanager
def nameserver() -> Iterator[None]:
    """Answer from RECORDS on port 5353 of 127.0.0.1; all other names have no records."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 5353))
        Thread(target=answer_all, args=(end,), daemon=True).start()
        yield


def answer_all(end: socket.socket) -> None:
    records = [line.split(" ", 4) for line in RECORDS.strip().splitlines()]
    while True:
        wire, client = end.recvfrom(512)
        query = dns.message.from_wire(wire)
        asked = query.question[0]
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        for name, ttl, kind, rdtype, data in records:
            if (asked.name.to_text().lower(), dns.rdatatype.to_text(asked.rdtype)) == (name, rdtype):
                answer.answer.append(dns.rrset.from_text(name, int(ttl), kind, rdtype, data))
        end.sendto(answer.to_wire(), client)


@contextmanager
def postfix() -> Iterator[None]:
    """Run Debian's Postfix."""
    smtpd = subprocess.check_output(["postconf", "-M", "smtp/inet"], text=True).split()
    assert smtpd[4] == "y", f"smtpd is not chrooted: {smtpd}"
    configure(*POSTFIX)
    run("systemctl", "restart", "postfix") if SYSTEMD else run("postfix", "start")
    try:
        yield
    finally:
        run("postfix", "stop")


def protocols() -> str:
    return subprocess.check_output(["postconf", "-h", "inet_protocols"], text=True).strip()


def restart() -> None:
    """Have Postfix open its sockets anew."""
    if SYSTEMD:
        run("systemctl", "restart", "postfix")
    else:
        run("postfix", "stop")
        run("postfix", "start")


def configure(*settings: str) -> None:
    run("postconf", "-e", *settings)
    back_date()


def back_date() -> None:
    os.utime(
        "/etc/postfix/main.cf", (0, 0)
    )  # every daemon sleeps until it is over a second old, lest it be half written


def tell() -> None:
    """Run the lines that milter64 has for Postfix."""
    said = subprocess.run(["milter64", "postfix", "--json"], stdout=subprocess.PIPE, check=False)
    assert said.returncode == os.EX_CONFIG, "something is to be done"
    for line in json.loads(said.stdout)["lines"]:
        run("sh", "-c", line)
    back_date()
    subprocess.run(["milter64", "postfix"], stdout=subprocess.DEVNULL, check=True)


@contextmanager
def milter64(names: tuple[str, str], *settings: str) -> Iterator[None]:
    """Run milter64 with its socket there, and tell Postfix."""
    socket_name, milter = names
    own = [f"milter.socket = '{socket_name}'", "dns.nameservers = ['127.0.0.1:5353']", "greylist.delay = '1s'"]
    SETTINGS.write_text("\n".join(["# Kept by upgrades.", *own, *settings]) + "\n")
    run("milter64", "check-config")
    configure(f"smtpd_milters={milter}")
    if not milter:
        tell()
    run("postfix", "reload")
    with by_systemd() if SYSTEMD else by_hand():
        yield


@contextmanager
def by_systemd() -> Iterator[None]:
    run("systemctl", "restart", "milter64")
    yield
    run("systemctl", "reload", "milter64")
    run("systemctl", "stop", "milter64")


@contextmanager
def by_hand() -> Iterator[None]:
    """Do what systemd would: the lines of the unit, its user, its UMask, its environment; a reload too."""
    for line in unit("ExecStartPre"):
        assert line.startswith("+-/"), "not as root, or it may not fail"
        run(*shlex.split(line.removeprefix("+-")))
    (start,), (user,), (group,), (umask,) = map(unit, ("ExecStart", "User", "Group", "UMask"))

    def as_service(line: str, **environment: str) -> subprocess.Popen[bytes]:
        env = {"PATH": os.defpath, "LANG": "C.UTF-8", **environment}
        mask = int(umask, 8)
        return subprocess.Popen(
            shlex.split(line), user=user, group=group, extra_groups=[], umask=mask, cwd="/", env=env
        )

    name = "milter64-test"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(f"\0{name}")
        notifications.settimeout(60)

        def wait_told(what: str) -> None:
            while what not in notifications.recv(4096).decode().split("\n"):
                pass

        service = as_service(start, NOTIFY_SOCKET=f"@{name}")
        try:
            wait_told("READY=1")
            for line in unit("ExecReload"):
                assert as_service(line, MAINPID=str(service.pid)).wait(60) == 0
            wait_told("RELOADING=1")
            wait_told("READY=1")
            yield
        finally:
            service.terminate()
            assert service.wait(20) == 0


def unit(key: str) -> list[str]:
    """Return what milter64's unit gives a key, line by line."""
    lines = [line.partition("=") for line in UNIT.read_text().splitlines()]
    return [value for name, _, value in lines if name == key]


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def wait(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


if __name__ == "__main__":
    main()
