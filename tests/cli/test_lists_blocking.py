"""Whoever is let in, and blocked all the same, is told so."""

from pathlib import Path

import pytest

from milter64.cli.main import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "milter64.toml"
    prefixes = '["64:ff9b::/96", "2001:db8:64::/96"]'
    path.write_text(f'greylist.store = "sqlite:{tmp_path}/rows"\ntranslation.prefixes = {prefixes}\n')
    return path


def said(capsys: pytest.CaptureFixture[str], config: Path, *words: str) -> list[str]:
    main([*words, "--config", str(config)])
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("blocked", "who"),
    [
        ("192.31.196.0/24", "192.31.196.40"),
        ("64:ff9b::c01f:c428", "192.31.196.40"),
        ("2001:db8:64::c01f:c428", "192.31.196.40"),
        ("192.31.0.0/16", "64:ff9b::c01f:c428"),
        ("64:ff9b::c01f:c400/120", "192.31.196.40/30"),
        ("2001:db8:1::/48", "2001:db8:1::1"),
        ("partner.example", "mail.partner.example"),
        ("@partner.example", "joe@partner.example"),
        ("@.partner.example", "@mail.partner.example"),
        ("to:@here.example", "to:you@here.example"),
    ],
)
def test_what_blocks_all_whom_an_entry_lets_in_is_shown(
    config: Path, capsys: pytest.CaptureFixture[str], blocked: str, who: str
) -> None:
    said(capsys, config, "block", blocked)
    assert said(capsys, config, "allow", who)[-3:] == [
        "The block list has it too, and goes first",
        "LIST WHO SPARES UNTIL BECAUSE WHERE",
        f"block {blocked} - - - by command",
    ]


@pytest.mark.parametrize(
    ("blocked", "who"),
    [
        ("192.31.196.41", "192.31.196.40"),
        ("192.31.196.0/25", "192.31.196.0/24"),
        ("2001:db8:64::a00:1", "10.0.0.1"),
        ("10.0.0.0/8", "2001:db8:64::a00:1"),
        ("mail.partner.example", "partner.example"),
        ("ner.example", "partner.example"),
        ("joe@partner.example", "@partner.example"),
        ("to:you@here.example", "you@here.example"),
    ],
)
def test_what_blocks_others_is_not(config: Path, capsys: pytest.CaptureFixture[str], blocked: str, who: str) -> None:
    said(capsys, config, "block", blocked)
    assert "The block list has it too, and goes first" not in said(capsys, config, "allow", who)
