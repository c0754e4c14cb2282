"""fail2ban acts on milter64's log: on whom it names, and on nobody whom a stranger writes into it."""

import subprocess
from pathlib import Path

import pytest

from rig.direct import Message
from rig.fail2ban import Fail2ban, WritingMilter64, banned
from rig.lab import Lab
from rig.nat64 import CLIENT_IPV6, SERVER_IPV4, SERVER_IPV6, Nat64
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import until
from rig.smtp import Smtp
from rig.stage import MEMORY
from rig.strangers import BANS, MALFORMED, Lines
from rig.world import STRANGER_IPV6, ZONES, behind

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("", id="as it writes them"),
        pytest.param("Nov 21 02:40:39 mx milter64[12]: ", id="with syslog's old head"),
        pytest.param("2026-11-21T02:40:39.123456+00:00 mx milter64[12]: ", id="with rsyslog's head, as on Debian"),
        pytest.param("Nov 21 02:40:39 mx milter64: ", id="without a process id"),
    ],
)
def test_those_refused_are_banned_and_nobody_whom_they_name(tmp_path: Path, lines: Lines, head: str) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{head}{line}\n" for line in lines))
    assert banned(log) == BANS


@pytest.mark.slow
def test_a_line_that_was_cut_on_its_way_bans_whom_it_would_have_or_nobody(tmp_path: Path, lines: Lines) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{line[:end]}\n" for line in lines for end in range(50, len(line))))
    assert set(banned(log)) == set(BANS)


def test_in_a_journal_they_are_found_too(tmp_path: Path, lines: Lines) -> None:
    entries = [
        f"__REALTIME_TIMESTAMP={1795222387644000 + number}\n__MONOTONIC_TIMESTAMP={number + 1}\n"
        f"_BOOT_ID={1:032}\n_HOSTNAME=mx\n_SYSTEMD_UNIT={unit}\nSYSLOG_IDENTIFIER=milter64\n_PID=12\nMESSAGE={line}\n\n"
        for number, (unit, line) in enumerate(
            [*(("milter64.service", line) for line in lines), *(("other.service", line) for line in lines)]
        )
    ]
    journal = tmp_path / "lines.journal"
    subprocess.run(
        ["/lib/systemd/systemd-journal-remote", "-o", str(journal), "-"],
        input="".join(entries).encode(),
        check=True,
        capture_output=True,
    )
    assert banned(f"systemd-journal[journalfiles='{journal}']") == BANS


@pytest.mark.parametrize("program", ["postfix/smtpd", "milter64x", "x milter64", "x[1]: milter64"])
def test_what_another_program_writes_bans_nobody(tmp_path: Path, program: str, lines: Lines) -> None:
    log = tmp_path / "log"
    heads = ("Nov 21 02:40:39 mx", "2026-11-21T02:40:39.123456+00:00 mx")
    log.write_text("".join(f"{head} {program}[12]: {line}\n" for head in heads for line in lines))
    assert banned(log) == []


def test_what_was_only_observed_bans_nobody(lab: Lab) -> None:
    settings = f'mode = "observe"\n{MEMORY}\n{MALFORMED}[log]\nformat = "logfmt"\n'
    milter = lab.start(WritingMilter64, settings)
    Message(address=STRANGER_IPV6, helo="no name", sender="").send(milter)
    until(lambda: "observe=rejected" in milter.lines.read_text(), "the line")
    assert banned(milter.lines) == []


def test_nftables_cuts_the_banned_sender_off_and_not_its_neighbour_behind_the_same_prefix(lab: Lab) -> None:
    nat = lab.start(Nat64, "64:ff9b::/96", dual_stack=True)
    nsd = lab.start(Nsd, ZONES, network=nat.server)
    settings = f'{MEMORY}\n[log]\nformat = "logfmt"\n[dns]\nnameservers = ["{nsd.server}"]\n'
    milter = lab.start(WritingMilter64, settings, network=nat.server)
    postfix = lab.start(Postfix, milters=milter.milters, network=nat.server, addresses=(SERVER_IPV6,))
    jail = f"backend = polling\nlogpath = {milter.lines}\nport = {postfix.port}\nmaxretry = 3\n"
    fail2ban = lab.start(Fail2ban, jail, network=nat.server)

    def send(host: str, source: str, count: int = 1) -> list[int]:
        codes = []
        for _ in range(count):
            with Smtp(host, postfix.port, network=nat.client, source=source) as client:
                client.ehlo("client.example")
                codes.append(client.transaction("a@honest.example", ["u@lab.example"]).code)
        return codes

    def cut_off(host: str, source: str) -> bool:
        try:
            nat.client.connect(host, postfix.port, source=source, timeout=1).close()
        except OSError:
            return True
        return False

    bad, neighbour = "192.31.196.11", "192.31.196.10"
    assert send(SERVER_IPV4, bad, 3) == [550] * 3
    until(lambda: cut_off(SERVER_IPV4, bad), "the banned sender to be cut off")
    assert fail2ban.client("get", "milter64", "banip").split() == [behind(bad)]
    assert send(SERVER_IPV4, neighbour) == [250]

    assert send(SERVER_IPV6, CLIENT_IPV6, 3) == [550] * 3
    until(lambda: cut_off(SERVER_IPV6, CLIENT_IPV6), "the /64 to be cut off")
    nat.client.run("ip", "addr", "add", "3fff:4::99/64", "dev", "eth0")
    assert cut_off(SERVER_IPV6, "3fff:4::99")
    assert send(SERVER_IPV4, neighbour) == [250]
    assert "3fff:4::/64" in nat.server.run("nft", "list", "ruleset")

    fail2ban.client("unban", "--all")
    assert send(SERVER_IPV6, "3fff:4::99") == [550]
    assert send(SERVER_IPV4, bad) == [550]
