"""The page in a real Chromium: it is for everybody, is sorted, filtered and printed, and runs nobody's script."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from milter64.mail.clean_text import clean
from milter64.pages.document import Bars, Distribution, Section, Series, Table
from milter64.pages.html import page
from rig.chromium import Chromium, Tab
from rig.documents import BARS, DISTRIBUTION, DOCUMENT, HOSTILE, TABLE

pytestmark = pytest.mark.long

AXE = files("axe_core_python").joinpath("axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
LONG = Table(
    columns=TABLE.columns,
    rows=tuple((f"{at + 3} {name}", at * 10, None, 60.0) for at, name in enumerate("ihgfedcba")),
)
DOCUMENT_OF_ALL = replace(DOCUMENT, sections=(*DOCUMENT.sections, Section(title="Many", content=LONG)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "page.html"
    file.write_text(page(DOCUMENT_OF_ALL, {"Report": "report", "Audit": "audit"}))
    return file.as_uri()


@pytest.fixture
def tab(browser: Chromium, address: str) -> Tab:
    return browser.open(address)


def _column(tab: Tab, name: str, number: int = 0) -> list[str]:
    """Return the cells of a column that are shown, in the table of a section."""
    rows = f"[...document.querySelectorAll('[aria-label={name}] tbody tr')].filter((row) => row.checkVisibility())"
    return list(tab.run(f"{rows}.map((row) => row.cells[{number}].textContent)"))


def _tab_to(tab: Tab, what: str) -> None:
    """Press the tabulator until the focus is on what is to be found so."""
    for _ in range(60):
        tab.press("Tab")
        if tab.run(f"document.activeElement.matches({what!r})"):
            return
    raise AssertionError(what)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_axe_finds_nothing_in_any_light_and_on_any_screen(tab: Tab, *, width: int, dark: bool) -> None:
    tab.look(width=width, dark=dark)
    tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    tab.run(AXE)
    assert tab.run("getComputedStyle(document.documentElement).backgroundColor") == (
        "rgb(20, 23, 27)" if dark else "rgb(253, 253, 251)"
    )
    found = tab.run(f"axe.run({{runOnly: {RULES}}})")
    assert [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found["violations"]] == []
    checked = {each["id"] for each in found["passes"]}
    assert checked >= {"color-contrast", "html-has-lang", "label", "svg-img-alt"}
    assert ("scrollable-region-focusable" in checked) == (width == 360)  # else there are none
    assert tab.complaints == []


def test_on_a_telephone_wide_tables_scroll_and_the_page_does_not(tab: Tab) -> None:
    tab.look(width=360)
    assert tab.run("document.documentElement.scrollWidth") == 360
    assert tab.run("document.querySelector('[aria-label=Senders]').scrollWidth") > 360


HOURS = Bars(
    by="from",
    labels=tuple(f"2026-11-{day:02} {hour:02}:00Z" for day in (1, 2) for hour in range(24)),
    series=(Series(name="let in", values=(1234567,) * 48),),
)


@pytest.mark.parametrize("width", [360, 1000])
@pytest.mark.parametrize("plot", [HOURS, BARS, DISTRIBUTION, replace(HOURS, labels=("1" * 60,) * 48)])
def test_labels_of_a_plot_do_not_touch_nor_stick_out(
    browser: Chromium, tmp_path: Path, plot: Bars | Distribution, width: int
) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(replace(DOCUMENT, sections=(Section(title="Plot", content=plot),))))
    tab = browser.open(file.as_uri())
    tab.look(width=width)
    edges = tab.run("""
        [...document.querySelectorAll('.label')].filter((each) => each.checkVisibility())
            .map((each) => each.getBoundingClientRect()).map((box) => [box.left, box.right])
    """)
    assert edges
    assert edges[0][0] >= 0
    assert [left for (_, right), (left, _) in pairwise(edges) if left <= right] == []
    assert tab.run("document.documentElement.scrollWidth") == width
    scale = tab.run("Math.min(...[...document.querySelectorAll('.scale')].map((e) => e.getBoundingClientRect().left))")
    assert scale >= 0


def test_a_table_is_sorted_by_keyboard_and_what_is_missing_stands_last(tab: Tab) -> None:
    _tab_to(tab, "[aria-label=Senders] th:nth-child(2) button")
    assert _column(tab, "Senders", 1) == ["1,200", "9", "80"]
    tab.press("Enter")
    assert _column(tab, "Senders", 1) == ["1,200", "80", "9"]
    assert tab.run("document.activeElement.parentElement.ariaSort") == "descending"
    tab.press(" ")
    assert _column(tab, "Senders", 1) == ["9", "80", "1,200"]
    assert tab.run("document.activeElement.parentElement.ariaSort") == "ascending"
    tab.press("Tab")
    for order in (
        ["2026-05-28 21:26:40Z", "2026-05-28 20:26:40Z", "-"],
        ["2026-05-28 20:26:40Z", "2026-05-28 21:26:40Z", "-"],
    ):
        tab.press("Enter")
        assert _column(tab, "Senders", 2) == order
    assert tab.run("document.querySelectorAll('[aria-label=Senders] [aria-sort]').length") == 1


def test_texts_are_sorted_from_the_first_on_and_numbers_in_them_by_size(tab: Tab) -> None:
    _tab_to(tab, "[aria-label=Senders] th button")
    tab.press("Enter")
    assert _column(tab, "Senders") == [clean(HOSTILE), "ann@other.example", "joe@honest.example"]
    _tab_to(tab, "[aria-label=Many] th button")
    tab.press("Enter", times=2)
    assert _column(tab, "Many")[:3] == ["11 a", "10 b", "9 c"]


def test_a_long_table_is_filtered_by_keyboard_and_says_how_many_are_left(tab: Tab) -> None:
    _tab_to(tab, "input[type=search]")
    tab.type("C 9")
    assert _column(tab, "Many") == ["9 c"]
    assert tab.run("document.querySelector('[role=status]').textContent") == "1 of 9"
    tab.press("Escape")
    assert len(_column(tab, "Many")) == 9


def test_a_short_table_has_no_filter(tab: Tab) -> None:
    assert tab.run("document.querySelectorAll('input').length") == 1


def test_a_page_without_script_has_all_there_is_to_read(browser: Chromium, address: str) -> None:
    tab = browser.open(address, script=False)
    assert tab.run("document.querySelectorAll('button, input').length") == 0
    assert len(_column(tab, "Many")) == 9
    tab.press("Tab", times=2 + len(DOCUMENT_OF_ALL.sections))  # behind the links
    _tab_to(tab, "[aria-label=Senders]")  # to be scrolled by keyboard
    assert tab.complaints == []


def test_a_page_is_printed_on_light_paper_without_what_is_to_be_clicked(tab: Tab) -> None:
    tab.look(dark=True)
    printed = tab.pdf()
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") >= 1
    tab.ask("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert tab.run("getComputedStyle(document.documentElement).backgroundColor") == "rgb(253, 253, 251)"
    assert tab.run("[...document.querySelectorAll('nav, .filter')].some((each) => each.checkVisibility())") is False


def test_what_strangers_call_themselves_is_text_everywhere(tab: Tab) -> None:
    shown = clean(HOSTILE)
    assert tab.run("document.body.innerText").count(shown) == 2  # in a table, and in a finding
    assert tab.run("document.querySelectorAll('img, script:not(body > script), style:not(head > style)').length") == 0
    assert tab.run("[...document.querySelectorAll('svg rect title')].at(-1).textContent") == f"{shown}: 10"
    assert tab.complaints == []


@pytest.mark.parametrize(
    "markup",
    [
        "<img src=x onerror='window.hit = 1'>",
        "<a href='javascript:window.hit = 1' id=press>x</a>",
        "<p style='color: red' id=press>x</p>",
        "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
        "<form action='http://127.0.0.1:9/' id=form><input name=x></form>",
        "<img src='http://127.0.0.1:9/x.png'>",
        "<base href='http://127.0.0.1:9/'>",
    ],
)
def test_markup_that_got_in_all_the_same_could_do_nothing(tab: Tab, markup: str) -> None:
    assert tab.run("window.hit") is None
    tab.run(f"document.body.insertAdjacentHTML('beforeend', {markup!r})")
    tab.run("document.querySelector('#press')?.click(); document.querySelector('#form')?.submit()")
    tab.run("new Promise((done) => setTimeout(done, 0))")
    said = [each["entry"]["text"] for each in tab.complaints]
    assert any("Content Security Policy" in text for text in said), said
    assert tab.run("window.hit") is None
