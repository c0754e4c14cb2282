"""What is noted of the entries by command, beside their files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from milter64.lists.entry import moment
from milter64.sharing.lists_journal import Journal
from milter64.sharing.said import Said

NOW = moment("2026-11-28")
FIELD = "allow .x.example.org"
SAID = Said(NOW, "mx1", "x.example.org")


def journal(path: Path, clock: float = NOW) -> Journal:
    """Return a journal that has been read."""
    found = Journal(path, ["allow", "block"])
    for _ in found.read(lambda: clock):
        pass
    return found


def test_what_was_written_down_is_read(tmp_path: Path) -> None:
    first = journal(tmp_path / "journal")
    first.ahead(12.5)
    first.found("allow", (3, 4))
    first.put(FIELD, SAID, held=True)
    first.put("block @y.example", Said(NOW, "mx1", ""))
    first.save()
    assert not first.changed
    second = journal(tmp_path / "journal")
    assert (second.offset, second.stamps, second.held) == (12.5, {"allow": (3, 4), "block": (0, 0)}, {FIELD})
    assert second.said == {"allow": {FIELD: SAID}, "block": {"block @y.example": Said(NOW, "mx1", "")}}
    assert not second.changed


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (lambda journal: journal.ahead(1.0), True),
        (lambda journal: journal.ahead(0.0), False),
        (lambda journal: journal.found("allow", (1, 2)), True),
        (lambda journal: journal.drop(FIELD), True),
    ],
)
def test_what_changes_is_to_be_written_down(
    tmp_path: Path, change: Callable[[Journal], None], *, changed: bool
) -> None:
    found = journal(tmp_path / "journal")
    change(found)
    assert found.changed is changed


def test_what_is_dropped_is_held_no_more(tmp_path: Path) -> None:
    found = journal(tmp_path / "journal")
    found.put(FIELD, SAID, held=True)
    found.drop(FIELD)
    assert (found.get(FIELD), found.held) == (None, set())


@pytest.mark.parametrize(("ahead", "offset"), [(300.0, 300.0), (-300.0, -300.0), (301.0, 0.0), (-1e300, 0.0)])
def test_no_clock_is_believed_to_be_far_ahead(tmp_path: Path, ahead: float, offset: float) -> None:
    (tmp_path / "journal").write_text(f'["ahead", {ahead}, 0]\n')
    assert journal(tmp_path / "journal").offset == offset


def test_what_was_said_is_compared_with_the_servers_clock(tmp_path: Path) -> None:
    first = journal(tmp_path / "journal")
    first.ahead(-250.0)
    first.put(FIELD, SAID)
    first.save()
    assert journal(tmp_path / "journal", NOW - 250.0 - 590.0).get(FIELD) == SAID
    assert journal(tmp_path / "journal", NOW - 250.0 - 610.0).get(FIELD) is None


def test_a_journal_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    first = journal(tmp_path / "elsewhere")
    first.put(FIELD, SAID)
    first.save()
    (tmp_path / "journal").symlink_to(tmp_path / "elsewhere")
    assert journal(tmp_path / "journal").get(FIELD) is None
