"""Whom other greylisters let in, as lines of an allow list."""

from pathlib import Path

import pytest

from milter64.greylist.settings import Settings
from milter64.lists.entry import read_line
from milter64.lists.mistakes import Mistakes
from milter64.takeover import allow_lines
from milter64.takeover.conversion import Conversion, LeftOut, Unreadable
from rig.envelopes import TRANSLATOR

DEBIAN = Path("/etc/postgrey")


def taken(path: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the lines, and what is left out with the reason."""
    left_out = LeftOut()
    lines = list(allow_lines.lines(path, Conversion(TRANSLATOR, Settings(), 0.0), Mistakes(), left_out))
    assert all(read_line(line.encode(), Mistakes(), blocks=False) for line in lines)
    return lines, [(what, omission.reason) for omission in left_out for what in omission.first]


def of(folder: Path, text: str) -> tuple[list[str], list[tuple[str, str]]]:
    (folder / "list").write_text(text)
    return taken(folder / "list")


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("example.org", "example.org spares=greylist"),
        ("mail.example.org # no retry", "mail.example.org spares=greylist # no retry"),
        ("192.31.196.10", "192.31.196.10 spares=greylist"),
        ("192.31.196.10/24", "192.31.196.0/24 spares=greylist"),
        ("192.31.196", "192.31.196.0/24 spares=greylist"),
        ("192.31", "192.31.0.0/24 spares=greylist"),
        ("2001:db8:1::/48", "2001:db8:1::/48 spares=greylist"),
        ("2001:db8:1::25", "2001:db8:1::25 spares=greylist"),
        ("*.example.org", ".example.org spares=greylist"),  # as sqlgrey's clients_fqdn_whitelist has it
    ],
)
def test_a_line_of_postgreys_whitelist_clients_becomes_one_of_ours(line: str, entry: str, tmp_path: Path) -> None:
    assert of(tmp_path, f"# postgrey whitelist\n\n{line}\n") == ([entry], [])


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x0b", "\x0c"])
@pytest.mark.parametrize(
    ("line", "more"),
    [
        ("mail.example.org", "evil.example"),
        ("racl whitelist domain mail.example.org", "racl whitelist domain evil.example"),
    ],
)
def test_a_comment_ends_with_its_line_alone(line: str, more: str, end: str, tmp_path: Path) -> None:
    lines, left_out = of(tmp_path, f"{line} # not{end}{more}\r\n")
    assert ([text.split()[0] for text in lines], left_out) == (["mail.example.org"], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (r"/^mail\d+\.example\.org$/", "regular expressions"),
        ("com", "below com anybody may have a name; write a name of theirs"),
        ("64:ff9b::/96", "IPv4's"),
        ("192.31.196.999", "no network"),
        ("two words", "no name of a host"),
    ],
)
def test_a_line_of_postgreys_that_can_not_be_taken_over_is_told_by_number_with_the_remedy(
    line: str, reason: str, tmp_path: Path
) -> None:
    lines, [(what, why)] = of(tmp_path, f"example.org\n{line}\n")
    assert lines == ["example.org spares=greylist"]
    assert what == f"line 2: {line}"
    assert reason in why
    assert ";" in why


def test_postgreys_whitelist_recipients_become_recipients(tmp_path: Path) -> None:
    lines, left_out = of(tmp_path, "list@example.net\nexample.org\npostmaster@\n/^a.*@/\n")
    assert lines == ["to:list@example.net spares=greylist", "to:@.example.org spares=greylist"]
    assert [what for what, _ in left_out] == ["line 3: postmaster@", "line 4: /^a.*@/"]


def test_the_list_that_debian_gives_postgrey_is_taken_over_whole_but_for_patterns() -> None:
    text = (DEBIAN / "whitelist_clients").read_text().splitlines()
    said = [line.partition("#")[0].strip() for line in text]
    lines, left_out = taken(DEBIAN / "whitelist_clients")
    patterns = [line for line in said if line.startswith("/")]
    assert len(lines) == len([line for line in said if line]) - len(patterns)
    assert len(lines) > 100
    assert {reason for _, reason in left_out} <= {allow_lines.REGEX}


GREYLIST_CONF = r"""
# a comment
socket "/run/milter-greylist/milter-greylist.sock"
list "my network" addr { 127.0.0.1/8 192.31.196.0/24 }
list "broken mta" addr {   \
    12.5.136.141/32    \ # Southwest Airlines
    64.124.204.39      \ # moveon.org
}
list "grey users" rcpt { user1@example.com user2@example.com }
list "countries" geoip { DE FR }
racl whitelist list "my network"
racl "named" whitelist list "broken mta"
RACL whitelist domain example.net nolog
racl whitelist from <joe@partner.example> report "a friend"
racl whitelist rcpt info@lab.example
racl whitelist list "grey users"
racl whitelist domain /\.example\.org$/
racl whitelist helo "mail"
racl whitelist not addr 192.0.2.0/24
racl whitelist addr 198.51.100.0/24 rcpt info@lab.example
racl whitelist list "countries"
racl whitelist default
racl blacklist addr 203.0.113.0/24
racl greylist from slow@example.org delay 1h
racl greylist default
"""


def test_greylist_conf_lets_in_by_address_name_sender_and_recipient(tmp_path: Path) -> None:
    lines, left_out = of(tmp_path, GREYLIST_CONF)
    assert [line.removesuffix(" spares=greylist") for line in lines] == [
        "127.0.0.0/8",
        "192.31.196.0/24",
        "12.5.136.141",
        "64.124.204.39",
        "example.net",
        "joe@partner.example",
        "to:info@lab.example",
        "to:user1@example.com",
        "to:user2@example.com",
    ]
    numbers = sorted(int(what.split(":")[0].removeprefix("line ")) for what, _ in left_out)
    assert numbers == list(range(17, 25))


@pytest.mark.parametrize("octets", [b"", b"\x1f\x8b\x08\0"], ids=["empty", "gzip"])
def test_says_of_another_file_what_it_is(octets: bytes, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(octets)
    with pytest.raises(Unreadable):
        taken(tmp_path / "list")
