"""allow, block, forget and list, as an admin types them."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from milter64.cli.main import main
from milter64.lists import commanded

Run = Callable[..., tuple[int, str, str]]
NOW = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "milter64.toml"
    path.write_text(f"""
        [greylist]
        store = "sqlite:{tmp_path}/rows"
        skip_recipients = ["quick@lab.example"]
        [allow]
        entries = [{{ who = "198.51.100.0/24", spares = "all", because = "ours" }}]
        files = ["{tmp_path}/allowed"]
        [block]
        entries = ["203.0.113.0/24", {{ who = "x.example.org", until = "2020-01-01" }}]
        [[recipient]]
        domain = "lab.example"
    """)
    (tmp_path / "allowed").write_text("# partners\n@partner.example spares=spf\ny.example.org until=2020-01-01\n")
    return path


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a verb, and return its exit code and what it has written, blanks in one."""
    monkeypatch.setattr("time.time", NOW.timestamp)

    def run(verb: str, *words: str) -> tuple[int, str, str]:
        try:
            code = main([verb, "--config", str(config), *words])
        except SystemExit as ended:
            code = int(str(ended.code))
        out, err = capsys.readouterr()
        return code, "\n".join(" ".join(line.split()) for line in out.splitlines()), err

    return run


LISTS = ("block", "allow")
HEAD = "LIST WHO SPARES UNTIL BECAUSE WHERE"


def test_all_that_is_in_force_is_listed_with_where_it_is(run: Run, config: Path) -> None:
    run("block", "192.0.2.0/24", "--because", "a flood")
    assert run("list") == (
        os.EX_OK,
        "\n".join(
            [
                HEAD,
                "block 203.0.113.0/24 - - - block.entries",
                "block 192.0.2.0/24 - - a flood by command",
                "allow 198.51.100.0/24 all - ours allow.entries",
                "allow to:@lab.example greylist - - recipient",
                "allow to:quick@lab.example greylist - - greylist.skip_recipients",
                f"allow @partner.example spf - - {config.parent}/allowed:2",
            ]
        ),
        "",
    )


def test_programs_get_json(run: Run) -> None:
    run("allow", "192.0.2.25", "--spares", "all", "--for", "7d", "--because", "ticket 12")
    code, out, _ = run("list", "--json")
    assert code == os.EX_OK
    assert json.loads(out)[-1] == {
        "list": "allow",
        "who": "192.0.2.25",
        "kind": "network",
        "spares": "all",
        "until": "2026-12-05T12:00:30Z",
        "because": "ticket 12",
        "place": "by command",
    }


def test_without_any_entry_that_is_said(run: Run, config: Path) -> None:
    config.write_text(f'greylist.store = "sqlite:{config.parent}/rows"')
    assert run("list") == (os.EX_OK, "nobody is listed", "")
    assert run("list", "--json") == (os.EX_OK, "[]", "")


def test_what_cant_be_read_is_told_of_and_the_rest_listed(run: Run, config: Path) -> None:
    (config.parent / "allowed").unlink()
    (config.parent / "rows.block").write_text(".com\n192.0.2.0/24\n192.0.2.0/24 until=2020-01-01\n192.0.2.1\n")
    code, out, err = run("list")
    assert code == os.EX_UNAVAILABLE
    assert "block 192.0.2.1 - - - by command" in out
    assert "192.0.2.0/24" not in out, "the last line of those that name the same"
    assert [line.partition(";")[0] for line in err.splitlines()] == [
        f"milter64 list: {config.parent}/rows.block:1: below com anybody may have a name",
        f"milter64 list: {config.parent}/allowed: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("words", "row"),
    [
        (["@new.example"], "allow @new.example greylist - - by command"),
        (["@new.example", "--spares", "spf"], "allow @new.example spf - - by command"),
        (["192.0.2.1", "--for", "90s"], "allow 192.0.2.1 greylist 2026-11-28T12:02:00Z - by command"),
        (["192.0.2.1", "--until", "2027-01-31"], "allow 192.0.2.1 greylist 2027-01-31T00:00:00Z - by command"),
        (["a.example.org", "--because", "  für\n sie "], "allow a.example.org greylist - für sie by command"),
        (["to:a@lab.example"], "allow to:a@lab.example greylist - - by command"),
    ],
)
def test_who_is_let_in_is_said(run: Run, words: list[str], row: str) -> None:
    assert run("allow", *words) == (os.EX_OK, f"Counts within a second\n{HEAD}\n{row}", "")
    assert row in run("list")[1]


def test_where_hosts_share_it_is_said_when_a_command_counts_on_the_others(run: Run, config: Path) -> None:
    shared = f'store = "redis://mx.invalid"\nlocal = "sqlite:{config.parent}/rows"'
    config.write_text(config.read_text().replace(f'store = "sqlite:{config.parent}/rows"', shared))
    others = "here, and on the hosts that share as soon as they hear of it"
    assert run("allow", "@new.example")[1].splitlines()[0] == f"Counts within a second {others}"
    assert run("forget", "@new.example")[1].splitlines()[0] == f"Forgotten {others}"


def test_an_entry_that_names_the_same_is_replaced_however_it_is_written(run: Run, config: Path) -> None:
    run("allow", "2001:db8::/32", "--spares", "all")
    code, out, _ = run("allow", "2001:DB8:0::/32", "--because", "why")
    assert code == os.EX_OK
    assert out.splitlines()[2:] == [
        "allow 2001:DB8:0::/32 greylist - why by command",
        "In the place of",
        HEAD,
        "allow 2001:db8::/32 all - - by command",
    ]
    assert (config.parent / "rows.allow").read_text() == "2001:DB8:0::/32 # why\n"


def test_who_is_let_in_and_blocked_all_the_same_is_told_so(run: Run) -> None:
    code, out, _ = run("allow", "203.0.113.0/24")
    assert code == os.EX_OK
    assert out.splitlines()[-3:] == [
        "The block list has it too, and goes first",
        HEAD,
        "block 203.0.113.0/24 - - - block.entries",
    ]
    assert "block list" not in run("block", "203.0.113.0/24")[1]


def test_who_blocks_while_milter64_only_watches_is_told_so(run: Run, config: Path) -> None:
    assert "observe" not in run("block", "192.0.2.0/24")[1]
    config.write_text(f'mode = "observe"\n{config.read_text()}')
    _, out, _ = run("block", "192.0.2.0/24")
    assert 'mode is "observe": nobody is refused, and the log says who would have been' in out
    assert "observe" not in run("allow", "192.0.2.0/24")[1]


def test_of_a_private_network_it_is_said_whom_it_means(run: Run) -> None:
    _, out, _ = run("allow", "10.0.0.0/8")
    assert out.splitlines()[-1] == (
        "10.0.0.0/8 is looked for on the wire alone: behind a translator it may be anybody's"
    )
    assert "wire" not in run("allow", "192.0.2.0/24")[1]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["allow", ".com"], "milter64 allow: below com anybody may have a name; write a name of theirs"),
        (["block", "64:ff9b::/96"], "milter64 block: 64:ff9b::/96 is IPv4's"),
        (["block", "192.0.2.1/24"], "milter64 block: 192.0.2.1/24 has bits set behind its length; write 192.0.2.0/24"),
        (["allow", "a.example.org spares=all"], "milter64 allow: a.example.org spares=all is no name"),
        (["allow", "a.example.org", "--because", "x" * 1000], "milter64 allow: more than 1000 octets"),
        (["allow", "a.example.org", "--because", "\x1b[2J"], "milter64 allow: holds the character U+001B"),
        (["allow", "a.example.org", "--because", "\udcff"], "milter64 allow: byte 0xff is not UTF-8"),
        (["allow", "a.example.org", "--until", "2026-11-28T12:00:30Z"], "milter64 allow: 2026-11-28T12:00:30Z is past"),
        (["allow", "a.example.org", "--until", "soon"], "argument --until: soon is no time; write 2027-01-31"),
        (["allow", "a.example.org", "--for", "7"], 'argument --for: "7" is no length of time; write it with a unit'),
        (["allow", "a.example.org", "--for", "7d", "--until", "2027-01-31"], "not allowed with argument"),
        (["allow", "a.example.org", "--spares", "rate"], "argument --spares: invalid choice: 'rate'"),
        (["block", "a.example.org", "--spares", "all"], "unrecognized arguments: --spares all"),
        (["forget", "a b"], "milter64 forget: a b is no name"),
    ],
)
def test_what_cant_be_meant_is_refused_and_nothing_changes(run: Run, config: Path, words: list[str], what: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (os.EX_USAGE, "")
    assert what in err
    assert not list(config.parent.glob("rows.*"))


def test_what_a_command_has_said_is_forgotten_and_what_stands_elsewhere_is_told(run: Run, config: Path) -> None:
    run("allow", "@partner.example")
    run("block", "@Partner.example")
    code, out, _ = run("forget", "@PARTNER.example")
    assert code == os.EX_OK
    assert out.splitlines() == [
        "Forgotten",
        HEAD,
        "block @Partner.example - - - by command",
        "allow @partner.example greylist - - by command",
        "In force all the same, until somebody takes it out there",
        HEAD,
        f"allow @partner.example spf - - {config.parent}/allowed:2",
    ]
    code, out, err = run("forget", "@partner.example")
    assert code == os.EX_UNAVAILABLE
    assert "In force all the same" in out
    assert err == "milter64 forget: no command has said anything of @partner.example\n"


def test_what_was_right_once_can_be_forgotten(run: Run, config: Path) -> None:
    (config.parent / "rows.allow").write_text(".com\n")
    assert run("forget", ".com")[0] == os.EX_OK
    assert (config.parent / "rows.allow").read_text() == ""


def test_without_a_file_for_the_greylist_there_is_a_remedy(run: Run, config: Path) -> None:
    for key, more in (("greylist.store", ""), ("greylist.local", 'greylist.store = "redis://h"')):
        config.write_text(f'{key} = "memory:"\n{more}')
        for words in (["allow", "a.example.org"], ["block", "a.example.org"], ["forget", "a.example.org"]):
            code, out, err = run(*words)
            assert (code, out) == (os.EX_UNAVAILABLE, "")
            assert f'{key} is "memory:"' in err
            assert "write them into [allow] and [block]" in err


def test_who_may_read_no_file_is_told_so_and_not_that_there_is_nothing_in_it(
    run: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    config.write_text(f'greylist.store = "sqlite:{config.parent}/rows"')
    monkeypatch.setattr("milter64.cli.listing.read_list", refuse)
    told = [
        f"milter64 list: {config.parent}/rows.{check}: Permission denied; try it as the service's user\n"
        for check in LISTS
    ]
    assert run("list") == (os.EX_UNAVAILABLE, "", "".join(told))
    assert run("list", "--json") == (os.EX_UNAVAILABLE, "[]", "".join(told))


def test_what_was_forgotten_is_told_though_the_other_list_could_not_be_written(
    run: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("allow", "192.0.2.1")
    run("block", "192.0.2.1")
    write = commanded.write  # as with a disk that is full from now on

    def full(path: Path, *rest: object) -> None:
        if path.suffix == ".allow":
            raise OSError(28, "No space left on device")
        write(path, *rest)  # type: ignore[arg-type]  # what it was given

    monkeypatch.setattr(commanded, "write", full)
    code, out, err = run("forget", "192.0.2.1")
    assert code == os.EX_UNAVAILABLE
    assert out.splitlines() == ["Forgotten", HEAD, "block 192.0.2.1 - - - by command"]
    assert err == f"milter64 forget: {config.parent}/rows.allow: No space left on device\n"


def test_without_the_folder_or_the_right_to_write_there_is_a_remedy(
    run: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(f'greylist.store = "sqlite:{config.parent}/none/rows"')
    code, _, err = run("allow", "a.example.org")
    assert code == os.EX_UNAVAILABLE
    assert err == f"milter64 allow: {config.parent}/none is not there; start milter64 once, or make it\n"

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(commanded, "alone", refuse)
    code, _, err = run("block", "a.example.org")
    assert code == os.EX_UNAVAILABLE
    assert err == f"milter64 block: {config.parent}/none/rows.block: Permission denied; try it as the service's user\n"


def test_an_entry_lasts_as_long_as_was_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("allow", "192.0.2.1", "--for", "1h")
    assert "192.0.2.1 " in run("list")[1]
    monkeypatch.setattr("time.time", (NOW + timedelta(hours=1)).timestamp)
    assert "192.0.2.1 " not in run("list")[1]
