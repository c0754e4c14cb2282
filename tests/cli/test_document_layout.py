"""A document as text: whole where it is piped, fitting and with bars on a terminal, and harmless everywhere."""

import io
from dataclasses import replace

import pytest

from milter64.cli.document_layout import show
from milter64.cli.terminal_layout import Screen
from milter64.pages.document import Bars, Column, Document, Finding, Findings, Level, Section, Series, Table
from rig.documents import BARS, DISTRIBUTION, DOCUMENT, FINDINGS, HOSTILE, SHARES, TABLE

PIPED = """\
Report
mx.example.org, a day, as of 2026-05-28 20:26:40Z

In short
  mails    1,289
  put off  310, a quarter

By hour
  What was said, hour by hour.
  hour  let in  refused
  00         8        8
  01         4        0
  02         0        1

Time to pass
  time to pass  senders
  0 s to 5 min        2
  5 min to 1 h       40
  1 h or more         5

Reasons
  reason                                                                        mails
  spf fail                                                                         30
  <img src=x onerror=alert(1)>"'&</title></svg><script>alert(2)</script>?[31m?     10
  and 3 more

Senders
  sender                                                                        mails  first seen            waited
  joe@honest.example                                                            1,200  2026-05-28 20:26:40Z   5 min
  <img src=x onerror=alert(1)>"'&</title></svg><script>alert(2)</script>?[31m?      9  2026-05-28 21:26:40Z     1 d
  ann@other.example                                                                80  -                      1 min
  and 12 more

Judgement
  good     nobody waits for more than an hour
  problem  <img src=x onerror=alert(1)>"'&</title></svg><script>alert(2)</script>?[31m?: would be refused, and
           looks honest
           evidence: 30 mails; each with a list's header
           see: milter64 why list@honest.example
           remedy: let it in
             milter64 allow sender  list@honest.example

Nothing else
  There is nothing else.
"""


class Terminal(io.TextIOWrapper):
    """A terminal of so many columns."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.octets = io.BytesIO()
        super().__init__(self.octets, encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        return self.octets.getvalue().decode(self.encoding).splitlines()


def _document(*contents: object) -> Document:
    sections = tuple(Section(title="S", content=content) for content in contents)  # type: ignore[arg-type]
    return Document(title="T", of="o", made_at=0, sections=sections)


def _piped(document: Document) -> list[str]:
    out = io.StringIO()
    show(document, Screen(out))
    return out.getvalue().splitlines()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    return Terminal()


def test_all_of_a_document_is_told_to_a_pipe() -> None:
    assert _piped(DOCUMENT) == PIPED.splitlines()


@pytest.mark.parametrize("columns", [46, 60, 80, 200])
def test_on_a_terminal_the_longest_cells_are_cut_until_a_row_fits(
    monkeypatch: pytest.MonkeyPatch, terminal: Terminal, columns: int
) -> None:
    wide = Table(columns=TABLE.columns[:2], rows=tuple(row[:2] for row in TABLE.rows))
    monkeypatch.setenv("COLUMNS", str(columns))
    show(_document(wide), Screen(terminal))
    head, joe, hostile, _ = terminal.lines[4:]
    assert {len(line) for line in (head, joe, hostile)} == {min(columns, 85)}
    assert ("..." in hostile) == (columns < 85)


def test_times_and_the_labels_of_a_plot_are_whole_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: Terminal
) -> None:
    monkeypatch.setenv("COLUMNS", "46")
    series = tuple(Series(name=f"put off for the {nth} reason", values=(1,)) for nth in ("first", "second", "third"))
    hours = Bars(by="from", labels=("2026-11-30 05:00Z",), series=series)
    show(_document(hours, replace(TABLE, rows=TABLE.rows[:1])), Screen(terminal))
    assert "2026-11-30 05:00Z" in terminal.lines[5]
    assert "2026-05-28 20:26:40Z" in terminal.lines[9]


def test_prose_is_wrapped_and_what_is_to_be_pasted_is_not(terminal: Terminal) -> None:
    long = Finding(level=Level.NOTICE, text="word " * 30, see="look " * 30, lines=("paste " * 30,))
    show(_document(Findings(findings=(long,))), Screen(terminal))
    assert max(len(line) for line in terminal.lines if "word" in line) <= 60
    assert [line.count("look") or line.count("paste") for line in terminal.lines[-2:]] == [30, 30]


def test_plots_have_bars_as_long_as_what_they_stand_for(terminal: Terminal) -> None:
    show(_document(BARS, DISTRIBUTION, SHARES), Screen(terminal))
    full = "\u2588"
    lines = {line.split()[0]: line for line in terminal.lines if full in line}
    assert {name: line.count(full) for name, line in lines.items()} == {
        "00": 30,
        "01": 7,
        "02": 1,
        "0": 1,
        "5": 30,
        "1": 3,
        "spf": 10,
        HOSTILE.split()[0]: 3,
    }
    assert [lines[name][-1] for name in ("00", "01", "02")] == [full, "\u258c", "\u2589"]  # 16, 4 and 1 of 16
    assert max(map(len, terminal.lines)) <= 60


def test_there_are_no_bars_on_a_terminal_that_has_no_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal("latin-1")
    show(_document(SHARES), Screen(terminal))
    assert "\u2588" not in "".join(terminal.lines)


def test_levels_are_coloured_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    show(_document(FINDINGS), Screen(terminal))
    assert "  \x1b[31mproblem  \x1b[0m" in "\n".join(terminal.lines)
    assert "\x1b" not in "\n".join(_piped(DOCUMENT))


def test_an_empty_table_and_a_plot_of_nothing_are_shown() -> None:
    assert _piped(_document(Table(columns=(Column(name="who"),), rows=())))[-1] == "  who"
