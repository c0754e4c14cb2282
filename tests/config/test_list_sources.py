"""The lists that a configuration makes: what is in it, in its files, and in those of commands."""

from pathlib import Path

import pytest

from milter64.config.list_sources import admin_lists
from milter64.config.load_file import parse
from milter64.config.settings import Settings
from milter64.lists.admin_lists import AdminLists
from rig.envelopes import envelope


def made(text: str) -> Settings:
    settings, problems = parse(text)
    assert not problems
    return settings


def said(lists: AdminLists, recipient: str = "you@lab.example") -> list[tuple[str, ...]]:
    of_sender = lists.of_sender(envelope("192.31.196.10", "mail.example", "joe@partner.example"), {})
    found = (*of_sender.findings, *lists.of_recipient(recipient).findings)
    return [(each.check, each.property, each.result, each.fact("aside") or "") for each in found]


def test_without_lists_nobody_is_listed() -> None:
    assert said(admin_lists(Settings(), pytest.fail)) == []


def test_entries_are_in_the_configuration_in_files_and_by_command(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("# who\n192.31.0.0/16 spares=all # ours\n")
    (tmp_path / "store.block").write_text("192.31.196.0/25\n")
    settings = made(f"""
        [greylist]
        store = "sqlite:{tmp_path}/store"
        [allow]
        entries = [{{ who = "192.31.196.0/24", spares = "spf", because = "ticket" }}]
        files = ["{tmp_path}/mine"]
    """)
    assert said(admin_lists(settings, pytest.fail)) == [
        ("block", "network", "listed", "by command"),
        ("allow", "network", "spf", "ticket, allow.entries"),
        ("allow", "network", "all", f"ours, {tmp_path}/mine:2"),
    ]


@pytest.mark.parametrize(
    ("recipient", "spared"),
    [
        ("you@lab.example", "all, recipient"),
        ("You@Lab.Example", "all, recipient"),
        ("me@lab.example", ""),
        ("me@quick.example", "greylist, recipient"),
        ("joe@old.example", "greylist, greylist.skip_recipients"),
        ("any@older.example", "greylist, greylist.skip_recipients"),
        ("any@below.older.example", ""),
    ],
)
def test_recipients_are_spared_what_is_off_for_them(recipient: str, spared: str) -> None:
    lists = admin_lists(
        made("""
        [greylist]
        store = "memory:"
        skip_recipients = ["joe@old.example", "older.example"]
        [[recipient]]
        address = "you@lab.example"
        off = "all"
        [[recipient]]
        domain = "quick.example"
    """),
        pytest.fail,
    )
    assert [f"{result}, {aside}" for _, _, result, aside in said(lists, recipient)] == [spared] * bool(spared)


def test_a_file_that_cant_be_used_and_its_wrong_lines_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("64:ff9b::/96\n3fff:64::/96\n192.31.196.10\n")
    settings = made(f"""
        translation.prefixes = ["3fff:64::/96"]
        [greylist]
        store = "memory:"
        [block]
        files = ["{tmp_path}/none", "{tmp_path}/mine"]
    """)
    told: list[str] = []
    assert said(admin_lists(settings, told.append)) == [("block", "network", "listed", f"{tmp_path}/mine:3")]
    assert [line.partition(";")[0] for line in told] == [
        f"{tmp_path}/none: No such file or directory: nothing in it counts",
        f"{tmp_path}/mine:1: 64:ff9b::/96 is IPv4's, which stands behind 64:ff9b::/96",
        f"{tmp_path}/mine:2: 3fff:64::/96 is IPv4's, which stands behind 3fff:64::/96",
    ]
