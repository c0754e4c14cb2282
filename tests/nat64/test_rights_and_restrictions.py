"""What Postfix lets or refuses by the address on the wire, played before the remedy and after it, as it is printed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rig.lab import Lab
from rig.nat64 import SERVER_IPV4, SERVER_IPV6, Nat64
from rig.postfix import Postfix
from rig.process import until
from rig.smtp import Smtp

pytestmark = pytest.mark.long

WELL_KNOWN, ON_LINK = "64:ff9b::/96", "3fff:25:0:0:1::/96"
RELAY = "permit_mynetworks, reject_unauth_destination"
HERE, FOREIGN = "you@lab.example", "you@foreign.example"
PORT = 2525
"""Of an smtpd with parameters of its own."""


SLOW = pytest.mark.slow  # the same as its neighbours, of another setting


class Host:
    """A mail host behind a translator, and a stranger before that."""

    def __init__(self, lab: Lab, main: Mapping[str, str], *, prefix: str = WELL_KNOWN, own: str = "") -> None:
        self._nat = lab.start(Nat64, prefix)
        if prefix == ON_LINK:
            self._nat.server.run("ip", "route", "add", prefix, "via", "3fff:25::1")
        self._config = lab.folder / "milter64.toml"
        self._config.write_text(f'translation.prefixes = ["{prefix}"]\n')
        tables = lab.folder / "tables"
        tables.mkdir(mode=0o755)
        (tables / "main.cf").touch()
        for name, row in {
            "ok.cidr": f"{prefix} OK",
            "bad.cidr": "192.31.196.0/24 REJECT",
            "no": "64:ff9b REJECT",
            "nameless": "unknown REJECT",
        }.items():
            (tables / name).write_text(f"{row}\n")
            if "." not in name:
                subprocess.run(["postmap", "-c", str(tables), f"hash:{tables}/{name}"], check=True)
        values: dict[str, Any] = {name: value.format(tables=tables) for name, value in main.items()}
        self._postfix = lab.start(
            Postfix,
            network=self._nat.server,
            addresses=(SERVER_IPV6,),
            services=[f"[{SERVER_IPV6}]:{PORT} inet n - n - 30 smtpd {own}"] if own else [],
            **values,
        )
        self._port = PORT if own else self._postfix.port
        self._etc = self._postfix.queue.parent / "etc"

    def answer(self, recipient: str, *, claim: str = "") -> int:
        """Return what a stranger is told who writes to somebody, and claims to be another client if that is given."""
        with Smtp(SERVER_IPV4, self._port, network=self._nat.client, source="192.31.196.10") as client:
            client.ehlo("mail.example.org")
            if claim and (reply := client.xclient(addr=claim)).code != 220:
                return reply.code
            return client.transaction("a@example.org", [recipient]).code

    def troubles(self) -> dict[str, str]:
        """Return what `milter64 postfix` has against who may what here, each with its remedy."""
        options = ["--config", str(self._config), "--config-directory", str(self._etc), "--json"]
        command = self._nat.server.command(sys.executable, "-m", "milter64", "postfix", *options)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = json.loads(done.stdout)["troubles"]
        return {each["where"]: each["remedy"] for each in found if "-c " in each["remedy"]}

    def mend(self, where: str) -> None:
        """Paste what is printed for a trouble into a shell."""
        line = self.troubles()[where]
        command = line[re.search("milter64 translate|postconf -c", line).start() :]  # type: ignore[union-attr]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        subprocess.run(["sh", "-euc", command], check=True, capture_output=True, env={**os.environ, "PATH": path})


@pytest.mark.parametrize(
    ("where", "main", "prefix"),
    [
        pytest.param("mynetworks", {"mynetworks": "127.0.0.0/8 [64:ff9b::]/96"}, WELL_KNOWN, id="the prefix"),
        pytest.param("mynetworks", {"mynetworks": "127.0.0.0/8 [64:ff9b::]/64"}, WELL_KNOWN, id="its /64", marks=SLOW),
        pytest.param(
            "mynetworks", {"mynetworks": "127.0.0.0/8 cidr:{tables}/ok.cidr"}, WELL_KNOWN, id="a table", marks=SLOW
        ),
        pytest.param("mynetworks", {"mynetworks_style": "subnet"}, ON_LINK, id="the link's /64"),
        pytest.param(
            "smtpd_relay_restrictions",
            {"smtpd_relay_restrictions": "check_client_access cidr:{tables}/ok.cidr, reject_unauth_destination"},
            WELL_KNOWN,
            id="an access table",
            marks=SLOW,
        ),
    ],
)
def test_a_strangers_mail_is_relayed_before_the_remedy_and_refused_after_it(
    lab: Lab, where: str, main: Mapping[str, str], prefix: str
) -> None:
    host = Host(lab, {"smtpd_relay_restrictions": RELAY, **main}, prefix=prefix)
    assert host.answer(FOREIGN) == 250
    host.mend(where)
    until(lambda: host.answer(FOREIGN) == 554, "it to be refused")
    assert host.answer(HERE) == 250
    assert host.troubles() == {}


def test_a_stranger_may_claim_to_be_the_host_itself_before_the_remedy_and_not_after_it(lab: Lab) -> None:
    main = {"smtpd_authorized_xclient_hosts": "[64:ff9b::]/96", "mynetworks": "127.0.0.0/8"}
    host = Host(lab, {"smtpd_relay_restrictions": RELAY, **main})
    assert host.answer(FOREIGN, claim="127.0.0.1") == 250
    assert host.answer(FOREIGN) == 554
    host.mend("smtpd_authorized_xclient_hosts")
    until(lambda: host.answer(FOREIGN, claim="127.0.0.1") >= 500, "it to be refused")


@pytest.mark.parametrize(
    ("where", "main"),
    [
        ("smtpd_client_restrictions", {"smtpd_client_restrictions": "reject_unknown_client_hostname"}),
        pytest.param(
            "smtpd_helo_restrictions",
            {"smtpd_helo_restrictions": "reject_unknown_reverse_client_hostname"},
            marks=SLOW,
        ),
        pytest.param(
            "smtpd_sender_restrictions",
            {"smtpd_sender_restrictions": "permit_mynetworks, reject_unknown_client"},
            marks=SLOW,
        ),
        (
            "greedy",
            {
                "smtpd_restriction_classes": "greedy",
                "greedy": "reject_unknown_client_hostname",
                "smtpd_recipient_restrictions": "reject_unauth_pipelining, greedy",
            },
        ),
        pytest.param(
            "smtpd_recipient_restrictions",
            {"smtpd_recipient_restrictions": "check_client_access hash:{tables}/no"},
            marks=SLOW,
        ),
        pytest.param(
            "smtpd_end_of_data_restrictions",
            {"smtpd_end_of_data_restrictions": "check_reverse_client_hostname_access hash:{tables}/nameless"},
            marks=SLOW,
        ),
    ],
)
def test_a_stranger_is_refused_before_the_remedy_and_let_in_after_it(
    lab: Lab, where: str, main: Mapping[str, str]
) -> None:
    host = Host(lab, main)
    assert host.answer(HERE) >= 400
    host.mend(where)
    until(lambda: host.answer(HERE) == 250, "it to be let in")
    assert host.troubles() == {}


def test_rows_of_ipv4_refuse_whom_they_name_after_the_remedy_and_not_before_it(lab: Lab) -> None:
    value = "reject_unauth_destination, check_client_access cidr:{tables}/bad.cidr"
    host = Host(lab, {"smtpd_recipient_restrictions": value})
    assert host.answer(HERE) == 250
    host.mend("smtpd_recipient_restrictions")
    until(lambda: host.answer(HERE) == 554, "it to be refused")
    assert host.troubles() == {}


def test_what_stands_in_master_cf_is_mended_there(lab: Lab) -> None:
    host = Host(lab, {}, own="-o smtpd_client_restrictions=permit_mynetworks,reject_unknown_client_hostname,permit")
    assert host.answer(HERE) >= 400
    host.mend(f"[{SERVER_IPV6}]:{PORT}/inet smtpd_client_restrictions")
    until(lambda: host.answer(HERE) == 250, "it to be let in")


def test_a_list_is_moved_by_the_line_that_is_printed(lab: Lab, tmp_path: Path) -> None:
    host = Host(lab, {"smtpd_recipient_restrictions": "reject_rbl_client zen.example.net, reject_unauth_destination"})
    line = host.troubles()["smtpd_recipient_restrictions"]
    printed = line.partition(" >> ")[0].removeprefix("have milter64 ask it: ")
    file = tmp_path / "milter64.toml"
    file.write_bytes(subprocess.run(["sh", "-euc", printed], capture_output=True, check=True).stdout)
    command = [sys.executable, "-m", "milter64", "check-config", "--print", str(file)]
    assert b'zone = "zen.example.net"' in subprocess.run(command, capture_output=True, check=True).stdout
