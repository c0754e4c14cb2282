import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench import chart
from bench.loads import EARLIER, IN_C, PYSPF, Load
from bench.measure import Ratio, Report
from bench.report import Result, show, whole, write
from bench.svg import redraw
from bench.target import CPU, MEMORY, Target

SVG = {"svg": "http://www.w3.org/2000/svg"}
FASTER = Target(against=IN_C, ratio=0.8)
CHEAPER = Target(against=IN_C, ratio=1.6, metric=CPU, at_most=True)
FLAT = Target(against=EARLIER, ratio=1.05, metric=MEMORY, at_most=True)
BESIDE_A_PEER = Target(against=PYSPF, ratio=10)
LOAD = Load(name="hot", title="known <senders>", workload="hot", targets=(FASTER, CHEAPER, FLAT, BESIDE_A_PEER))


def run(**figures: object) -> Report:
    report = {
        "sessions": 100,
        "failed": 0,
        "seconds": 2.0,
        "elsewhere_cpu_seconds": 0.1,
        "cpu_seconds_afterwards": 0.01,
    }
    server = {"cpu_us_per_session": 200.0, "rss_kib": 2048}
    return {**report, "sessions_per_second": 1234.5, "server": server, **figures}


def seen(median: float) -> Ratio:
    return Ratio(median=median, least=median / 2, most=median * 2)


RESULT = Result(
    load=LOAD,
    reports={"milter64": [run()], IN_C: [run(cpu_seconds_afterwards=0.0)], PYSPF: [run()]},
    ratios=[(FASTER, seen(0.9)), (CHEAPER, seen(2.0)), (FLAT, seen(1.0)), (BESIDE_A_PEER, seen(12.0))],
)


def canned(result: Result = RESULT) -> dict[str, Any]:
    """Return a report as it is read back from its file."""
    read: dict[str, Any] = json.loads(json.dumps(whole(7, {"time": "2030-01-02T03:04:05Z"}, [result])))
    return read


def test_the_report_has_each_ratio_with_its_target_and_what_was_spent_afterwards() -> None:
    rows = canned()["loads"][0]["ratios"]
    assert [(row["against"], row["median"], row["ratio"], row["met"]) for row in rows] == [
        (IN_C, 0.9, 0.8, True),
        (IN_C, 2.0, 1.6, False),
        (EARLIER, 1.0, 1.05, True),
        (PYSPF, 12.0, 10, True),
    ]
    assert rows[0]["cpu_us_per_session_afterwards"] == {"milter64": 100.0, IN_C: 0.0}
    assert rows[2]["cpu_us_per_session_afterwards"] == {"milter64": 100.0}


def test_a_ratio_that_is_no_number_is_null_in_json(tmp_path: Path) -> None:
    nothing = Ratio(median=math.nan, least=1.0, most=math.inf)
    write(tmp_path / "report.json", whole(7, {}, [replace(RESULT, ratios=[(FASTER, nothing)])]))
    (row,) = json.loads((tmp_path / "report.json").read_text())["loads"][0]["ratios"]
    assert (row["median"], row["least"], row["most"], row["met"]) == (None, 1.0, None, False)


@pytest.mark.parametrize(
    ("result", "doubts"),
    [
        (RESULT, []),
        (replace(RESULT, missing={PYSPF: "no such file"}), ["pyspf-milter is not measured: no such file"]),
        (replace(RESULT, faulty=[PYSPF]), ["pyspf-milter raised exceptions"]),
        (replace(RESULT, reports={IN_C: [run(failed=2), run(failed=1)]}), ["3 sessions of C libmilter had no verdict"]),
        (
            replace(RESULT, reports={IN_C: [run(elsewhere_cpu_seconds=1.0)]}),
            ["other programs used 50% of a CPU meanwhile"],
        ),
    ],
)
def test_why_figures_are_not_to_be_trusted_is_said(result: Result, doubts: list[str]) -> None:
    assert list(result.doubts()) == doubts


def test_ratios_are_shown_with_spread_and_what_came_afterwards_and_each_system_with_its_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show([replace(RESULT, missing={PYSPF: "no such file"})])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "hot C libmilter sessions/s at least 0.8x 0.90x 0.45 to 1.80 met 100 us, theirs 0 us" in lines
    assert "hot C libmilter CPU per session at most 1.6x 2.00x 1.00 to 4.00 missed 100 us, theirs 0 us" in lines
    assert "hot milter64 1,234 200 us 2 MB" in lines
    assert "hot C libmilter 1,234 200 us 2 MB" in lines
    assert "hot: pyspf-milter is not measured: no such file" in lines
    assert any(line.startswith("C libmilter: libmilter without Python") for line in lines)


# The chart


def drawn(result: Result = RESULT) -> ET.Element:
    return ET.fromstring(chart.draw(canned(result)))


def texts(svg: ET.Element) -> list[str]:
    return [text.text or "" for text in svg.iterfind(".//svg:text", SVG)]


def widths(svg: ET.Element, kind: str) -> list[float]:
    return [float(bar.get("width", "")) for bar in svg.iterfind(f".//svg:rect[@class='{kind}']", SVG)]


def ends(svg: ET.Element) -> list[float]:
    """Return where the marks of targets are."""
    return [float(mark.get("d", "M0 ")[1:].split()[0]) for mark in svg.iterfind(".//svg:path[@class='target']", SVG)]


def test_the_chart_has_a_bar_for_each_ratio_in_its_group() -> None:
    said = texts(drawn())
    assert said[0] == "milter64's figures as multiples of the others': 3 of 4 targets met"
    assert "7 rounds, 20 connections" in said[2]
    assert "2030-01-02" in said[2]
    assert [text for text in said if "is better" in text or text.endswith(("x", "missed"))] == [
        "More is better: beside milters that accept everything",
        "0.90x",
        "More is better: beside other programs",
        "12.00x",
        "Less is better: cost and latency",
        "2.00x missed",
        "1.00x",
    ]
    assert said.count("known <senders>") == 4
    assert "CPU per session, C libmilter" in said


def test_bars_and_marks_of_a_group_have_one_scale() -> None:
    svg = drawn()
    floor, peer, flat = widths(svg, "met")
    (missed,) = widths(svg, "missed")
    at = [end - 510 for end in ends(svg)]
    assert floor / at[0] == pytest.approx(0.9 / 0.8, rel=0.01)
    assert peer / at[1] == pytest.approx(12 / 10, rel=0.01)
    assert missed / at[2] == pytest.approx(2.0 / 1.6, rel=0.01)
    assert flat / missed == pytest.approx(1.0 / 2.0, rel=0.01)


def test_a_spread_beyond_the_chart_ends_at_its_edge_and_what_was_not_measured_has_no_bar() -> None:
    wild = Ratio(median=math.nan, least=0.1, most=1e9)
    svg = drawn(replace(RESULT, ratios=[(FASTER, wild), (BESIDE_A_PEER, Ratio(median=1, least=1, most=1e9))]))
    assert "no figure missed" not in texts(svg)
    assert "no figure" in texts(svg)
    assert len(widths(svg, "met")) + len(widths(svg, "missed")) == 1
    lines = [path.get("d", "") for path in svg.iterfind(".//svg:path[@class='spread']", SVG)]
    assert [line.partition("H")[2] for line in lines] == ["810.0", "810.0"]


def test_the_chart_follows_light_and_dark_mode_and_needs_nothing_from_elsewhere() -> None:
    text = chart.draw(canned())
    assert "@media (prefers-color-scheme: dark)" in text
    assert "href" not in text
    assert "<script" not in text


def test_a_report_is_drawn_by_one_command(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(canned()))
    redraw([str(tmp_path / "report.json"), str(tmp_path / "speed.svg")], chart.draw, chart.REPORT, chart.CHART)
    assert (tmp_path / "speed.svg").read_text() == chart.draw(canned())


def test_the_floors_of_the_chart_are_those_of_the_loads() -> None:
    assert {"plain pymilter", "pinned prefork pymilter", IN_C} == set(chart.FLOORS)
