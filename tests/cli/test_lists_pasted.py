"""Clients as logs have them, given to allow, block and forget."""

import os
from pathlib import Path

import pytest

from milter64.cli.main import main


@pytest.mark.parametrize(
    ("pasted", "who"),
    [
        ("unknown[64:ff9b::c01f:c428]:40000", "64:ff9b::c01f:c428"),
        ("[IPv6:2001:db8:6::25]", "2001:db8:6::25"),
        ("mail.stranger.example[192.31.196.40]", "192.31.196.40"),
        ("[192.31.196.40]:25", "192.31.196.40"),
        ("[2001:db8:6::]/64", "2001:db8:6::/64"),
    ],
)
def test_who_is_pasted_from_a_log_is_named_by_his_address_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pasted: str, who: str
) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text(f'greylist.store = "sqlite:{tmp_path}/rows"\n')
    for verb in ("block", "forget"):
        assert main([verb, pasted, "--config", str(file)]) == os.EX_OK
        assert f"block  {who}  " in capsys.readouterr().out


@pytest.mark.parametrize("who", ["joe@[192.0.2.1]", "to:joe@[192.0.2.1]", "192.0.2.1/24", "unknown[unknown]"])
def test_what_is_no_client_of_a_log_is_left_as_it_was_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], who: str
) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text(f'greylist.store = "sqlite:{tmp_path}/rows"\n')
    assert main(["block", who, "--config", str(file)]) == os.EX_USAGE
    assert capsys.readouterr().err.startswith(f"milter64 block: {who} ")
