"""What people see is aligned."""

import io
from collections.abc import Iterator

import pytest

from milter64.cli import terminal_layout
from milter64.cli.terminal_layout import Screen


def test_of_very_many_rows_the_first_are_aligned_without_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_layout, "_ALIGNED", 3)
    out = io.StringIO()
    Screen(out).table([(who, "x") for who in ("a", "bcd", "e", "long one", "f", "g")], ("WHO", "WHAT"))
    assert out.getvalue().splitlines() == [
        "WHO  WHAT",
        "a    x",
        "bcd  x",
        "e         x",
        "long one  x",
        "f         x",
        "g         x",
    ]


def test_the_first_rows_are_written_before_the_last_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_layout, "_ALIGNED", 2)
    out, rows = io.StringIO(), iter([("a", "x"), ("b", "y"), ("c", "z")])

    def watched() -> Iterator[tuple[str, str]]:
        for number, row in enumerate(rows):
            assert out.getvalue().count("\n") == number // 2 * 2
            yield row

    Screen(out).table(watched())
    assert out.getvalue() == "a  x\nb  y\nc  z\n"
