"""Filters that see the wire: they are asked by Postfix, and told by what `milter64 neighbours` prints, or not."""

from pathlib import Path

import pytest

from milter64.audit.facts import told_filters
from milter64.audit.facts.told_filters import RSPAMD, SPAMASSASSIN
from rig.scene import Scene

OURS = "inet:127.0.0.1:8864"


def said(milters: str, told: str = "", families: str = "ipv6") -> list[tuple[str, str]]:
    scene = Scene(main={"inet_protocols": families, "smtpd_milters": milters}, told=frozenset(filter(None, [told])))
    return [(line.level.value, line.subject) for line in scene.lines("neighbours")]


@pytest.mark.parametrize(
    ("milters", "told", "lines"),
    [
        (OURS, "", []),
        (f"{OURS}, inet:127.0.0.1:11332", "", [("warning", RSPAMD)]),
        (f"{OURS}, {{ inet:rspamd:9900, default_action=accept }}", "", [("warning", RSPAMD)]),
        (f"{OURS}, inet:127.0.0.1:11332", RSPAMD, [("ok", RSPAMD)]),
        (f"{OURS}, inet:127.0.0.1:11332", SPAMASSASSIN, [("warning", RSPAMD)]),
        (f"{OURS} unix:spamass/spamass.sock", "", [("warning", SPAMASSASSIN)]),
        (f"{OURS}, inet:127.0.0.1:113321", "", []),
    ],
)
def test_a_filter_that_sees_the_wire_is_told_of(milters: str, told: str, lines: list[tuple[str, str]]) -> None:
    assert said(milters, told) == lines


def test_where_nobody_comes_by_a_translator_nothing_is_said() -> None:
    assert said(f"{OURS}, inet:127.0.0.1:11332", families="all") == []


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("rspamd/rspamd.local.lua", 'dofile("/etc/rspamd/milter64.lua")', {RSPAMD}),
        ("rspamd/rspamd.local.lua", '-- dofile("/etc/rspamd/milter64.lua")', set()),
        ("spamassassin/milter64.pre", "loadplugin Milter64 /etc/spamassassin/Milter64.pm", {SPAMASSASSIN}),
        ("spamassassin/local.cf", "loadplugin Milter64 /etc/spamassassin/Milter64.pm", {SPAMASSASSIN}),
        ("spamassassin/local.cf", "# loadplugin Milter64", set()),
        ("spamassassin/Milter64.pm", "package Milter64;", set()),
    ],
)
def test_who_has_been_told_stands_in_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, line: str, told: set[str]
) -> None:
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(f"# settings\n{line}\n")
    places = {name: (tmp_path / folder.name, *rest) for name, (folder, *rest) in told_filters._PLACES.items()}  # noqa: SLF001  as Debian's, elsewhere
    monkeypatch.setattr(told_filters, "_PLACES", places)
    assert set(told_filters.read()) == told
