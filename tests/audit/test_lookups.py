"""The door to names and tables, opened with the real `postmap`, and with programs that fail."""

from pathlib import Path

import pytest

from milter64.audit.facts import lookups
from milter64.audit.facts.lookups import Asked, Untold


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n")
    (tmp_path / "clients").write_text("64:ff9b::/96 DISABLE\n192.0.2.0/24 inet:localhost:1\n")
    (tmp_path / "patterns").write_text("/^[*]$/ never\n/example/ smtp:[a]\n")
    (tmp_path / "rows").write_text("one smtp:\ntwo other:[b]:25\n")
    return Asked(tmp_path)


@pytest.mark.parametrize(
    ("tables", "key", "partial", "found"),
    [
        ("cidr:{0}/clients", "64:ff9b::c01f:c40a", False, "DISABLE"),
        ("cidr:{0}/clients", "2001:db8::1", False, None),
        ("texthash:{0}/rows, cidr:{0}/clients", "192.0.2.1", False, "inet:localhost:1"),
        ("inline:{{ one=first, {{ x = y, z }} }} texthash:{0}/rows", "one", False, "first"),
        ("inline:{{ one=first, {{ x = y, z }} }} texthash:{0}/rows", "x", False, "y, z"),
        ("proxy:texthash:{0}/rows", "two", False, "other:[b]:25"),
        ("regexp:{0}/patterns", "a@example.org", False, "smtp:[a]"),
        ("regexp:{0}/patterns, static:all", "*", True, "all"),
        ("", "one", False, None),
    ],
)
def test_tables_are_asked_in_order_as_postfix_reads_them(  # noqa: PLR0917
    asked: Asked,
    tmp_path: Path,
    tables: str,
    key: str,
    partial: bool,  # noqa: FBT001  a case
    found: str | None,
) -> None:
    assert asked.find(tables.format(tmp_path), key, partial=partial) == found


@pytest.mark.parametrize("tables", ["texthash:{0}/none", "nosuch:x", "texthash:{0}/rows, texthash:{0}/none"])
def test_a_table_that_cannot_be_asked_is_no_table_without_the_key(asked: Asked, tmp_path: Path, tables: str) -> None:
    with pytest.raises(Untold, match="fatal: "):
        asked.find(tables.format(tmp_path), "three")


def test_rows_are_read_through_where_the_table_lets_them(asked: Asked, tmp_path: Path) -> None:
    assert sorted(asked.values(f"texthash:{tmp_path}/rows")) == ["other:[b]:25", "smtp:"]
    assert asked.values("") == ()
    with pytest.raises(Untold):
        asked.values(f"regexp:{tmp_path}/patterns")


@pytest.mark.parametrize(
    ("program", "complaint"),
    [("exec sleep 60", "postmap does not run"), ("kill -9 $$", "postmap ended with -9"), ("exit 3", "ended with 3")],
)
def test_a_postmap_that_hangs_or_dies_is_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, complaint: str
) -> None:
    (tmp_path / "postmap").write_text(f"#!/bin/sh\n{program}\n")
    (tmp_path / "postmap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(lookups, "_PATIENCE", 0.5)
    asked = Asked(None)
    with pytest.raises(Untold, match=complaint):
        asked.find("hash:x", "key")
    (tmp_path / "postmap").write_text("#!/bin/sh\necho found\n")
    with pytest.raises(Untold, match=complaint):  # it is not waited for again
        asked.find("hash:x", "other")
    assert asked.find("hash:y", "key") == "found"


def test_a_machine_without_postmap_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lookups, "FOLDERS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Untold, match="not installed"):
        Asked(None).find("hash:x", "key")
    assert Asked(None).addresses("localhost") == ()


def test_names_are_looked_up_one_family_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = "2001:db8::25 STREAM\\n2001:db8::25 DGRAM\\n::ffff:192.0.2.25 STREAM"
    script = f'#!/bin/sh\ncase $1 in ahostsv4) echo "192.0.2.25 STREAM $2";; *) printf "{answers}\\n";; esac\n'
    (tmp_path / "getent").write_text(script)
    (tmp_path / "getent").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert Asked(None).addresses("mx.example.org") == ("192.0.2.25", "2001:db8::25")


@pytest.mark.parametrize(
    ("name", "found"), [("[2001:DB8::25]", ("2001:db8::25",)), ("192.0.2.1", ("192.0.2.1",)), ("nowhere.invalid", ())]
)
def test_an_address_is_itself_and_an_unknown_name_has_none(name: str, found: tuple[str, ...]) -> None:
    assert Asked(None).addresses(name) == found


def test_the_loopback_is_here_and_another_host_is_not() -> None:
    assert Asked(None).addresses("localhost")[0] == "127.0.0.1"
    assert Asked(None).here("127.0.0.1")
    assert not Asked(None).here("192.0.2.99")
