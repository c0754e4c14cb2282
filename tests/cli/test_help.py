"""What --help says, read as people read it; each example is run as it stands there."""

import argparse
import os
import re
import signal
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from milter64.cli import audit
from milter64.cli.main import VERBS, main
from milter64.greylist.export_text import dump
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.lists.listed import KINDS
from milter64.lists.mistakes import Mistakes
from milter64.lists.who import parse
from milter64.store.sqlite_merging import Merging
from rig.helptext import examples, options, section, shown
from rig.lab import Lab
from rig.network import Namespace
from rig.typed import Host

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_it_fits_80_columns_however_wide_the_terminal_is(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lines = shown(verb).splitlines()
    assert lines
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("words", [[], *([verb] for verb in VERBS)])
def test_who_asks_for_it_has_made_no_mistake(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*words, "--help"])
    assert caught.value.code == os.EX_OK
    assert capsys.readouterr().err == ""


# Options


@pytest.mark.parametrize("verb", VERBS)
def test_each_option_says_what_it_is(verb: str) -> None:
    said = options(shown(verb))
    assert "--config FILE" in said
    assert [name for name, text in said.items() if not text] == []


@pytest.mark.parametrize("verb", VERBS)
def test_no_option_is_left_out(verb: str) -> None:
    parser = argparse.ArgumentParser()
    import_module(f"milter64.cli.{verb.replace('-', '_')}").arguments(parser)
    taken = {each for action in parser._actions for each in action.option_strings or [str(action.metavar)]}  # noqa: SLF001  no other way
    listed = {word for name in options(shown(verb)) for word in name.replace(",", "").split()}
    assert taken - listed == set()


@pytest.mark.parametrize("verb", ["allow", "block", "forget"])
def test_it_says_whom_an_entry_may_name_and_so_does_the_page(verb: str) -> None:
    forms = re.findall(r"^  (\S+)", section("WHO", shown(verb)), flags=re.MULTILINE)
    kinds = [parse(form, Mistakes()).kind for form in forms]
    assert list(dict.fromkeys(kinds)) == list(KINDS)
    page = (ROOT / "docs" / "lists.md").read_text()
    assert [form for form in forms if f"`{form}`" not in page] == []


# The list of verbs


def test_each_verb_has_a_line_and_no_other() -> None:
    listed = re.findall(r"^  ([a-z-]+)  +(\S.*)$", section("verbs", shown()), flags=re.MULTILINE)
    assert dict(listed) == VERBS
    assert len(section("verbs", shown()).splitlines()) == len(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_own_page_begins_with_what_its_line_says(verb: str) -> None:
    purpose = " ".join(shown(verb).split("\n\n")[1].split())
    assert purpose.removesuffix(".") == VERBS[verb][0].upper() + VERBS[verb][1:]


def test_it_says_where_to_read_on() -> None:
    further = section("read on", shown())
    pages = {f"{name}.{number}" for number, name in re.findall(r"\bman (\d) (\S+)", further)}
    assert pages == {path.name for path in (ROOT / "packaging" / "man").iterdir()}
    files = re.findall(r"^  (\S+[/.]\S*) ", further, flags=re.MULTILINE)
    assert files == ["packaging/man/", "README.md"]
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_exit_codes_are_those_that_the_code_knows() -> None:
    house = ROOT / "milter" / "milter64"
    named = {name for path in house.rglob("*.py") for name in re.findall(r"os\.(EX_[A-Z]+)", path.read_text())}
    codes = re.findall(r"^  (\d+)  +\S", section("exit codes (sysexits.h)", shown()), flags=re.MULTILINE)
    assert [int(code) for code in codes] == sorted({audit.PROBLEMS, *(getattr(os, name) for name in named)})


# Examples

ZONES = {
    ".": """
        honest.example. TXT "v=spf1 ip4:192.31.196.10 -all"
        mail.honest.example. A 192.31.196.10
        mail.honest.example. TXT "v=spf1 a -all"
        10.196.31.192.in-addr.arpa. PTR mail.honest.example.
        ipv4only.arpa. A 192.0.0.170
        ipv4only.arpa. A 192.0.0.171
        """,
}
NOW = time.time()
WAITS = Record(generation=0, first_seen=NOW - 10)
PASSED = Record(generation=0, first_seen=NOW - 600, passed_at=NOW - 300)
SHOWN = {
    "milter64 check-config new.toml": (0, "new.toml is valid"),
    "milter64 check-config --print": (0, '\ndelay = "61s"\n'),
    "milter64 translate 'unknown[64:ff9b::c01f:c40a]'": (0, "translated  192.31.196.10  decoded by 64:ff9b::/96"),
    "milter64 translate 192.31.196.0/24": (0, "ipv4    64:ff9b::c01f:c400/120  encoded by 64:ff9b::/96"),
    "milter64 translate <clients.cidr": (0, "64:ff9b::c01f:c40a OK  # a partner\n"),
    "milter64 why '550 5.7.23 SPF fail: no (milter64 d26eb094)'": (69, "nothing is known of the token d26eb094\n"),
    "milter64 why 64:ff9b::c01f:c428 --log milter64.log --log mail.log": (0, "  refused for good\n"),
    "milter64 explain 64:ff9b::c01f:c40a --to you@example.org": (0, "  from  <>\n  to    <you@example.org>\n"),
    "milter64 explain 64:ff9b::c01f:c40a --helo mail.honest.example --from joe@honest.example --to you@example.org": (
        0,
        "pass    ip4:192.31.196.10 of honest.example",
    ),
    "milter64 explain <line": (0, "  from  <joe@honest.example>\n  to    <you@example.org>\n"),
    'milter64 allow @partner.example --because "ticket 12"': (0, "@partner.example  greylist  -      ticket 12"),
    "milter64 allow 192.0.2.25 --spares all --for 7d": (0, "allow  192.0.2.25  all     20"),
    'milter64 block 192.0.2.0/24 --for 24h --because "a flood"': (0, "Z  a flood  by command\n"),
    "milter64 block @.spammer.example": (0, "block  @.spammer.example  -       -      -        by command\n"),
    "milter64 forget 192.0.2.0/24": (0, "Forgotten\n"),
    "milter64 list": (0, "to:list@example.org  greylist  "),
    "milter64 greylist list --waiting": (0, "Z  net:192.0.2.0/24  <joe@honest.example>  <list@example.org>\n"),
    "milter64 greylist show --from joe@honest.example --to you@example.org": (0, "  from 192.31.196.0/24  passes\n"),
    "milter64 greylist forget --network 192.0.2.0/24": (0, "\n1 forgotten\n"),
    "milter64 greylist stats": (0, "\n  honest.example  "),
    "milter64 greylist stats --html greylist.html": (0, ""),
    "milter64 greylist export --file greylist.jsonl": (0, ""),
    "milter64 greylist import --file greylist.jsonl": (0, " rows imported: 1 that have passed, "),
    "milter64 greylist import --file postgrey.db": (0, "1 rows imported: 1 that have passed, 0 that wait"),
    "milter64 greylist import --allow-list whitelist_clients": (0, "partner.example spares=greylist\n"),
    "milter64 discover": (0, "no router has advertised within 4 s"),
    "milter64 discover --wait 0": (0, "not asked (--wait 0)"),
    "milter64 postfix": (78, "postconf -e 'smtpd_milters = inet:127.0.0.1:8864'\n"),
    "milter64 postfix --config new.toml": (78, "postconf -e 'smtpd_milters = inet:127.0.0.1:8865'\n"),
    "milter64 neighbours rspamd": (0, "task:set_from_ip(address)"),
    "milter64 neighbours spamassassin --config new.toml": (0, "  '64:ff9b::/96',\n);"),
    "milter64 cluster": (69, "no shared store is configured"),
    "milter64 cluster --json": (69, "no shared store is configured"),
    "milter64 report --since 7d": (69, "there is nothing in it that milter64 has decided"),
    "milter64 report --log /var/log/milter64.log": (69, ""),
    "milter64 report --html report.html": (69, ""),
    "milter64 replay /var/log/mail.log": (69, "/var/log/mail.log"),
    "milter64 replay /var/log/mail.log --ask --answers answers.jsonl": (69, "/var/log/mail.log"),
    "milter64 replay /var/log/mail.log --answers answers.jsonl": (69, ""),
    "milter64 audit": (1, "MX of lab.example "),
    "milter64 audit --domain example.org --domain example.net": (1, "MX of example.net "),
    "milter64 audit --html audit.html": (1, ""),
}
"""Each example on one line, its exit code, and words of what it prints."""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Namespace() as network, Lab() as lab:
        store = f'[greylist]\nstore = "sqlite:{lab.folder}/greylist.sqlite"\n'
        etc = {
            "milter64/milter64.toml": f'{store}delay = "61s"\n',
            "postfix/main.cf": "myhostname = mx.lab.example\nmydomain = lab.example\nsmtpd_milters =\n",
            "postfix/master.cf": "smtp inet n - y - - smtpd\n",
        }
        host = Host(lab, network, ZONES, etc)
        with Merging(lab.folder / "greylist.sqlite", RecordKind(Settings()), lambda _: None) as merging:
            merging.merge([("<joe@honest.example> <you@example.org>", {"net:192.31.196.0/24": PASSED})])
            merging.merge([("<joe@honest.example> <list@example.org>", {"net:192.0.2.0/24": WAITS})])
        export = dump([("<ann@honest.example> <you@example.org>", "net:192.31.196.0/24", PASSED)])
        (host.folder / "greylist.jsonl").write_text("".join(f"{line}\n" for line in export))
        seen = int(time.time()) - 3600
        row = f" 192.31.196.0/joe@honest.example/you@example.org\n {seen},{seen + 600}\n"
        head = "VERSION=3\nformat=print\ntype=btree\nHEADER=END\n"
        (host.folder / "postgrey.db").write_text(f"{head}{row}DATA=END\n")
        (host.folder / "whitelist_clients").write_text("partner.example\n")
        (host.folder / "milter64.log").write_text(
            "time=2026-11-21T00:53:07.644Z level=info event=rejected session=1 wire=64:ff9b::c01f:c428\n"
        )
        (lab.folder / "greylist.sqlite.block").write_text("192.0.2.0/24\n")
        (lab.folder / "greylist.sqlite.allow").write_text("to:list@example.org # a list\n")
        (host.folder / "new.toml").write_text(f'milter.socket = "inet:8865@localhost"\n{store}')
        (host.folder / "clients.cidr").write_text("192.31.196.10 OK  # a partner\n")
        (host.folder / "line").write_text(
            "postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[64:ff9b::c01f:c40a]: 450 4.7.1 later;"
            " from=<joe@honest.example> to=<you@example.org> proto=ESMTP helo=<mail.honest.example>\n"
        )
        yield host


EXAMPLES = {" ".join(text.replace("\\\n", "").split()): text for verb in VERBS for text in examples(shown(verb))}
"""As they stand there, by what they are on one line."""
SERVICE = "milter64 run --config new.toml"
SERVED = {
    "milter64 page": r"^http://127\.0\.0\.1:\d+/",
    "milter64 page --log /var/log/milter64.log": r"^http://127\.0\.0\.1:\d+/",
    "milter64 page --port 8064": r"^http://127\.0\.0\.1:8064/",
}
"""What is printed of pages that are served until Ctrl-C is pressed."""


def test_each_verb_shows_examples_and_none_but_its_own() -> None:
    for verb in VERBS:
        assert {example.split()[1] for example in examples(shown(verb))} == {verb}


def test_each_example_is_tried() -> None:
    assert list(EXAMPLES) == [SERVICE, *SHOWN, *SERVED]


@pytest.mark.parametrize("example", SHOWN)
def test_an_example_does_what_it_says(host: Host, example: str) -> None:
    code, words = SHOWN[example]
    ended, output = host.run(EXAMPLES[example])
    assert words in output
    assert ended == code


def test_the_example_of_the_service_serves_until_it_is_interrupted(host: Host) -> None:
    with host.start(f"exec {EXAMPLES[SERVICE]}") as process:
        process.expect("event=ready .*8865")
        assert process.stop(signal.SIGINT) == os.EX_OK


@pytest.mark.parametrize("example", SERVED)
def test_an_example_of_pages_serves_them_until_it_is_interrupted(host: Host, example: str) -> None:
    with host.start(f"exec {EXAMPLES[example]}") as process:
        process.expect(SERVED[example])
        assert process.stop(signal.SIGINT) == os.EX_OK
