import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from milter64.dns import public_suffixes
from milter64.dns.public_suffixes import registered_domain, suffix_list

OLD = "// VERSION: 2020-02-29_00-00-00_UTC\ncom\n"
NEW = """// VERSION: 2026-10-22_08-36-41_UTC

// ===BEGIN ICANN DOMAINS===
com
*.ck
!www.ck
公司.cn
// ===BEGIN PRIVATE DOMAINS===
hosting.com  // what follows a blank is no rule's
"""


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Let there be two lists of the test's own."""
    paths = tmp_path / "a.dat", tmp_path / "b.dat"
    monkeypatch.setattr(public_suffixes, "_files", lambda: iter(paths))
    monkeypatch.setattr(public_suffixes, "suffix_list", suffix_list.__wrapped__)
    return paths


@pytest.mark.parametrize("newest", [0, 1])
def test_the_newest_list_at_hand_counts(lists: tuple[Path, Path], newest: int) -> None:
    lists[newest].write_text(NEW)
    lists[1 - newest].write_text(OLD)
    found = public_suffixes.suffix_list()
    assert (found.path, str(found.published)) == (lists[newest], "2026-10-22")
    assert registered_domain("a.b.hosting.com") == "b.hosting.com"


def test_a_list_that_is_not_there_is_not_missed(lists: tuple[Path, Path]) -> None:
    lists[1].write_text(OLD)
    assert public_suffixes.suffix_list().path == lists[1]


def test_a_list_without_a_version_is_as_old_as_its_file(lists: tuple[Path, Path]) -> None:
    lists[0].write_text("com\n")
    stamp = datetime(2023, 2, 9, 12, tzinfo=UTC).timestamp()
    os.utime(lists[0], (stamp, stamp))
    assert str(public_suffixes.suffix_list().published) == "2023-02-09"


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        pytest.param("a.b.c.com", "c.com", id="a rule"),
        pytest.param("com", "com", id="a suffix is its own"),
        pytest.param("a.b.c.ck", "b.c.ck", id="a wildcard"),
        pytest.param("c.ck", "c.ck", id="what a wildcard stands for"),
        pytest.param("a.www.ck", "www.ck", id="an exception"),
        pytest.param("a.b.xn--55qx5d.cn", "b.xn--55qx5d.cn", id="A-labels"),
        pytest.param("a.b.hosting.com", "b.hosting.com", id="a private suffix"),
        pytest.param("a.b.unlisted", "b.unlisted", id="an unlisted TLD"),
        pytest.param(f"{'a.' * 120}b.com", "b.com", id="many labels"),
    ],
)
def test_the_longest_rule_decides(lists: tuple[Path, Path], name: str, domain: str) -> None:
    lists[0].write_text(NEW)
    assert registered_domain(name) == domain


def test_the_list_at_hand_is_of_this_decade() -> None:
    assert suffix_list().published.year >= 2023
    assert len(suffix_list().suffixes) > 8000


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("com", True),
        ("c.com", False),
        ("hosting.com", True),
        ("a.hosting.com", False),
        ("ck", True),
        ("c.ck", True),
        ("www.ck", False),
        ("a.c.ck", False),
        ("example", True),
        ("a.example", False),
    ],
)
def test_below_a_suffix_anybody_may_have_a_name(lists: tuple[Path, Path], name: str, *, is_one: bool) -> None:
    lists[0].write_text(NEW)
    assert public_suffixes.suffix_list().is_suffix(name) is is_one
