"""`milter64 translate` as a filter: maps of Postfix, and lists of addresses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.cli.main import main

WELL_KNOWN = "64:ff9b::/96"
LOCAL = "2001:db8:64::/48"
NO_SOURCE = "no IPv4 packet comes from such an address (RFC 1812 5.3.7)"
FORBIDDEN = "64:ff9b::/96 must not carry a non-global address (RFC 6052 3.1)"


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "milter64.toml"
    path.write_text(f"""
        dns.nameservers = ["127.0.0.1:1"]
        greylist.store = "sqlite:{tmp_path}/greylist.sqlite"
        [translation]
        prefixes = ["{WELL_KNOWN}", "{LOCAL}"]
        explicit = [{{ ipv4 = "198.51.100.7", ipv6 = "2001:db8:aaaa::7" }}]
    """)
    return str(path)


TABLE = """\
# partners, \xfcber all
192.31.196.0/24\tOK
  and a line that continues it
192.31.197.10   REJECT go away # 192.31.197.11

\t# a comment that is indented
\tprefer the phone
!192.31.0.0/16  DUNNO
if 192.31.0.0/16
192.31.196.10   OK
endif
2001:db8:1::/48 OK
"""
IN_ONE_PREFIX = """\
# partners, \xfcber all
64:ff9b::c01f:c400/120\tOK
  and a line that continues it
64:ff9b::c01f:c50a   REJECT go away # 192.31.197.11

\t# a comment that is indented
\tprefer the phone
!64:ff9b::c01f:0/112  DUNNO
if 64:ff9b::c01f:0/112
64:ff9b::c01f:c40a   OK
endif
2001:db8:1::/48 OK
"""
IN_TWO = """\
# partners, \xfcber all
64:ff9b::c01f:c400/120\tOK
  and a line that continues it
2001:db8:64:c01f:c4::/80\tOK
  and a line that continues it
64:ff9b::c01f:c50a   REJECT go away # 192.31.197.11

\t# a comment that is indented
\tprefer the phone
2001:db8:64:c01f:c5:a00::   REJECT go away # 192.31.197.11

\t# a comment that is indented
\tprefer the phone
if !64:ff9b::c01f:0/112
!2001:db8:64:c01f::/64  DUNNO
endif
if 64:ff9b::c01f:0/112
64:ff9b::c01f:c40a   OK
2001:db8:64:c01f:c4:a00::   OK
endif
if 2001:db8:64:c01f::/64
64:ff9b::c01f:c40a   OK
2001:db8:64:c01f:c4:a00::   OK
endif
2001:db8:1::/48 OK
"""


def piped(config: str, text: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "milter64", "translate", "--config", config, *words]
    return subprocess.run(command, input=text.encode("latin-1"), capture_output=True, check=False)


def one_prefix(config: str) -> str:
    path = Path(config)
    path.write_text(path.read_text().replace(', "2001:db8:64::/48"', ""))
    return config


def test_a_table_is_translated_with_all_else_kept(config: str) -> None:
    done = piped(one_prefix(config), TABLE)
    assert (done.returncode, done.stdout.decode("latin-1"), done.stderr) == (os.EX_OK, IN_ONE_PREFIX, b"")


def test_with_several_prefixes_a_table_says_of_each_form_what_it_said_of_the_address(config: str) -> None:
    done = piped(config, TABLE)
    assert (done.returncode, done.stdout.decode("latin-1"), done.stderr) == (os.EX_OK, IN_TWO, b"")


def test_a_table_that_was_translated_says_of_each_client_in_wire_form_what_it_said_of_him(
    config: str, tmp_path: Path
) -> None:
    before, after = tmp_path / "before.cidr", tmp_path / "after.cidr"
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n")
    before.write_text(
        "if !192.31.196.0/24\nif 192.31.0.0/16\n192.31.200.1 one\nendif\nif !192.31.0.0/17\n!192.31.192.0/20 two\n"
        "endif\n192.0.0.0/8 three\nendif\n!192.31.196.8/29 four\n192.31.196.10 five\n0.0.0.0/0 six\n"
    )
    after.write_bytes(piped(config, before.read_text()).stdout)

    def told(table: Path, address: str) -> str:
        command = ["postmap", "-c", str(tmp_path), "-q", address, f"cidr:{table}"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    translator = Translator(map(Prefix, (WELL_KNOWN, LOCAL)))
    said = set()
    for address in (
        "192.31.200.1",
        "192.31.128.1",
        "192.31.196.10",
        "192.31.196.9",
        "192.31.1.1",
        "192.1.1.1",
        "9.9.9.9",
    ):
        said.add(answer := told(before, address))
        for form, _ in translator.encode(address):
            assert (address, form, told(after, form)) == (address, form, answer)
    assert len(said) > 3


def test_in_a_table_what_has_no_other_form_stays_and_is_told_of(config: str) -> None:
    text = "10.0.0.1 OK\nmail.example.org OK\n127.0.0.1 OK\n2001:db8:1::/48 OK\n"
    done = piped(one_prefix(config), text)
    assert (done.returncode, done.stdout.decode()) == (os.EX_USAGE, text)
    assert done.stderr.decode().splitlines() == [
        "milter64 translate: 'mail.example.org' is not an IP address",
        f"milter64 translate: 10.0.0.1 stays as it is: {FORBIDDEN}",
        f"milter64 translate: 127.0.0.1 stays as it is: {NO_SOURCE}",
    ]
    done = piped(config, "2001:db8::/32 OK\n")
    assert done.stdout == b"2001:db8::/32 OK\n"
    assert b"2001:db8::/32 stays as it is: holds all of 198.51.100.7/32 = 2001:db8:aaaa::7/128, and more" in done.stderr


def test_a_table_that_is_mixed_is_told_of(config: str) -> None:
    done = piped(one_prefix(config), "192.31.196.10 OK\n64:ff9b::c01f:c40b OK")
    assert done.stdout == b"64:ff9b::c01f:c40a OK\n192.31.196.11 OK\n"
    assert done.stderr.decode() == (
        "milter64 translate: IPv4 was encoded, and what was in wire form before is IPv4 now: 64:ff9b::c01f:c40b\n"
    )
    assert piped(config, "64:ff9b::c01f:c40b OK\n").stderr == b""


def test_programs_get_the_forms_of_standard_input_too(config: str) -> None:
    rows = json.loads(piped(one_prefix(config), TABLE, "--json").stdout)
    assert {row["address"]: row["other"] for row in rows} == {
        "192.31.196.0/24": "64:ff9b::c01f:c400/120",
        "192.31.197.10": "64:ff9b::c01f:c50a",
        "192.31.0.0/16": "64:ff9b::c01f:0/112",
        "192.31.196.10": "64:ff9b::c01f:c40a",
        "2001:db8:1::/48": "",
    }


def test_who_gives_nothing_at_a_terminal_is_told_what_to_give(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert main(["translate", "--config", config]) == os.EX_USAGE
    told = "milter64 translate: name an address or a network, or give some on standard input\n"
    assert capsys.readouterr().err == told
