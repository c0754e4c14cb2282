import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench import growth_chart
from bench.axes import Axis, Point
from bench.growth_report import show, whole
from bench.measure import Report
from bench.svg import redraw

SVG = {"svg": "http://www.w3.org/2000/svg"}
AXIS = Axis(
    name="rows",
    title="rows & more",
    load="<known>",
    points=(Point(at=10_000), Point(at=100_000), Point(at=10_000_000)),
    per_second=200,
)


def turn(rate: float, *, latency: float = 1.5, failed: int = 0, elsewhere: float = 0.0) -> Report:
    ms = {"until_rcpt": {"p50": latency, "p99": 10 * latency}}
    return {
        "fast": {"sessions_per_second": rate, "failed": failed},
        "steady": {"latency_ms": ms, "failed": 0},
        "memory_mb": 64.5,
        "elsewhere_cpus": elsewhere,
        "exceptions": 0,
    }


GOOD = {
    ("rows", 10_000): [turn(900), turn(1_000), turn(1_400)],
    ("rows", 100_000): [turn(500, latency=30)],
    ("rows", 10_000_000): [turn(250)],
}


def canned(axis: Axis = AXIS, turned: dict[tuple[str, int], list[Report]] = GOOD) -> dict[str, Any]:
    """Return a report as it is read back from its file."""
    report = whole({"time": "2030-01-02T03:04:05Z"}, [axis], turned)
    read: dict[str, Any] = json.loads(json.dumps(report, allow_nan=False))
    return read


GAP = canned(turned={**GOOD, ("rows", 100_000): []})


def test_a_point_has_the_median_and_the_spread_of_its_turns() -> None:
    first, _, _ = canned()["axes"][0]["points"]
    assert first["figures"]["throughput"] == {"median": 1_000, "least": 900, "most": 1_400}
    assert first["figures"]["p99"] == {"median": 15, "least": 15, "most": 15}
    assert first["figures"]["memory"]["median"] == 64.5
    assert first["at"] == 10_000


def test_what_was_not_measured_is_null() -> None:
    _, second, _ = GAP["axes"][0]["points"]
    assert set(second["figures"].values()) == {None}
    assert second["doubts"] == []


@pytest.mark.parametrize(
    ("turns", "doubts"),
    [
        ([turn(1)], []),
        ([turn(1, failed=2), turn(1, failed=1)], ["3 sessions had no verdict"]),
        ([{**turn(1), "exceptions": 2}], ["it raised 2 exceptions"]),
        ([turn(1, elsewhere=0.5), turn(1, elsewhere=0.5), turn(1)], ["other programs used 50% of a CPU meanwhile"]),
        ([turn(1, elsewhere=0.5), turn(1), turn(1)], []),
    ],
)
def test_why_figures_are_not_to_be_trusted_is_said(turns: list[Report], doubts: list[str]) -> None:
    report = canned(replace(AXIS, points=(Point(at=1),)), {("rows", 1): turns})
    assert report["axes"][0]["points"][0]["doubts"] == doubts


def test_each_axis_has_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(canned(turned={**GOOD, ("rows", 100_000): [], ("rows", 10_000_000): [turn(1, failed=1)]}))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "rows & more: <known>; latency at 200 sessions/s"
    assert "10,000 1,000 900 to 1,400 1.5 1.5 to 1.5 15 15 to 15 64.5 64.5 to 64.5" in lines
    assert "100,000 - - - -" in lines
    assert "10,000,000: 1 sessions had no verdict" in lines


# The picture


def drawn(report: dict[str, Any]) -> ET.Element:
    return ET.fromstring(growth_chart.draw(report))


def texts(svg: ET.Element, kind: str) -> list[str]:
    return [text.text or "" for text in svg.iterfind(f".//svg:text[@class='{kind}']", SVG)]


def dots(svg: ET.Element) -> list[tuple[float, float, str]]:
    """Return across, down and the words of each point."""
    return [
        (float(dot.get("cx", "")), float(dot.get("cy", "")), dot.findtext("svg:title", "", SVG))
        for dot in svg.iterfind(".//svg:circle", SVG)
    ]


def lines(svg: ET.Element) -> list[int]:
    """Return through how many points each line goes."""
    found = [path for path in svg.iterfind(".//svg:path", SVG) if path.get("class", "").startswith("line")]
    return [path.get("d", "").count("L") + 1 for path in found]


def test_each_figure_has_a_panel_and_each_axis_its_label_and_ticks() -> None:
    svg = drawn(canned())
    assert [text.split(",")[0] for text in texts(svg, "panel")] == [
        "Throughput",
        "Latency until the reply to RCPT at a steady rate",
        "Memory of all processes",
    ]
    assert texts(svg, "dim").count("rows & more") == 3
    for tick in ("10k", "100k", "10M"):
        assert texts(svg, "tick").count(tick) == 3
    assert "3 rounds, 20 connections" in texts(svg, "dim")[1]
    assert "2030-01-02" in texts(svg, "dim")[1]


def test_each_point_is_there_with_its_figures_in_words_and_lines_join_them() -> None:
    svg = drawn(canned())
    said = [words for _, _, words in dots(svg)]
    assert len(said) == 3 * 4
    assert "10,000 rows & more: 1,000 (900 to 1,400) sessions/s" in said
    assert "100,000 rows & more: 99th percentile 300 (300 to 300) ms" in said
    assert lines(svg) == [3] * 4
    assert len([path for path in svg.iterfind(".//svg:path", SVG) if path.get("class", "").startswith("spread")]) == 12
    assert texts(svg, "missing first") == []


def test_an_axis_is_logarithmic_and_more_is_higher() -> None:
    (one, high, _), (ten, lower, _), (thousand, lowest, _) = dots(drawn(canned()))[:3]
    assert thousand - ten == pytest.approx(2 * (ten - one), abs=0.2)
    assert high < lower < lowest
    # Throughput is not: 1,000 is as far above 500 as that above nothing.
    assert lower - high == pytest.approx(2 * (lowest - lower), abs=0.2)


def test_latency_is_logarithmic() -> None:
    """The 99th percentile is ten times the median, at 1.5 ms as at 30."""
    downs = {words.split(" ", 1)[1]: y for _, y, words in dots(drawn(canned())) if words.endswith(" ms")}
    of = {words.partition(":")[2].split("(")[0].strip(): y for words, y in downs.items()}
    assert of["median 1.5"] - of["99th percentile 15"] == pytest.approx(
        of["median 30"] - of["99th percentile 300"], abs=0.2
    )


def test_nothing_comes_before_the_least_on_an_axis() -> None:
    axis = replace(AXIS, points=(Point(at=0), Point(at=5), Point(at=20)))
    places = [at for at, _, _ in dots(drawn(canned(axis, {("rows", at): [turn(1)] for at in (0, 5, 20)})))[:3]]
    before, after = (right - left for left, right in pairwise(places))
    assert before == pytest.approx(after, abs=0.2)


def test_a_missing_figure_is_said_to_be_and_no_line_goes_past_it() -> None:
    svg = drawn(GAP)
    assert len(dots(svg)) == 2 * 4
    assert lines(svg) == [1, 1] * 4
    assert texts(svg, "missing first") == ["none"] * 3
    assert texts(svg, "missing second") == ["none"]


def test_a_report_of_one_point_and_of_no_figure_at_all_is_drawn() -> None:
    one = replace(AXIS, points=(Point(at=7),))
    assert len(dots(drawn(canned(one, {("rows", 7): [turn(0, latency=0)]})))) == 4
    assert dots(drawn(canned(one, {("rows", 7): []}))) == []


def test_everything_is_within_the_picture() -> None:
    svg = drawn(canned())
    width, height = float(svg.get("width", "")), float(svg.get("height", ""))
    assert all(0 < x < width and 0 < y < height for x, y, _ in dots(svg))
    assert all(0 < float(text.get("x", "")) < width for text in svg.iterfind(".//svg:text", SVG))


def test_the_picture_has_a_title_and_follows_light_and_dark_mode_and_needs_nothing_from_elsewhere() -> None:
    text = growth_chart.draw(canned())
    svg = ET.fromstring(text)
    assert svg.get("role") == "img"
    assert svg.findtext("svg:title", "", SVG).startswith("How milter64 grows")
    assert "@media (prefers-color-scheme: dark)" in text
    assert "href" not in text
    assert "<script" not in text


@pytest.mark.parametrize(
    ("values", "ticks"),
    [([1_900.0], [0, 500, 1_000, 1_500, 2_000]), ([2.0], [0, 0.5, 1, 1.5, 2]), ([], [0, 0.5, 1]), ([0.0], [0, 0.5, 1])],
)
def test_a_linear_scale_goes_from_0_in_round_steps(values: list[float], ticks: list[float]) -> None:
    assert growth_chart.steps(values) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [([0.8, 120.0], [0.1, 1, 10, 100, 1_000]), ([3.0], [1, 10]), ([10.0], [10, 100]), ([], [1, 10]), ([0.0], [1, 10])],
)
def test_a_logarithmic_scale_goes_in_powers_of_ten(values: list[float], ticks: list[float]) -> None:
    assert growth_chart.decades(values) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0"), (0.5, "0.5"), (500, "500"), (1_500, "1.5k"), (10_000, "10k"), (10_000_000, "10M")]
)
def test_an_amount_is_short(number: float, said: str) -> None:
    assert growth_chart.amount(number) == said


def test_a_report_is_drawn_by_one_command(tmp_path: Path) -> None:
    (tmp_path / "growth.json").write_text(json.dumps(canned()))
    paths = [str(tmp_path / name) for name in ("growth.json", "growth.svg")]
    redraw(paths, growth_chart.draw, growth_chart.REPORT, growth_chart.CHART)
    assert (tmp_path / "growth.svg").read_text() == growth_chart.draw(canned())
