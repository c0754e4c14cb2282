"""Plots show what they are of: columns as high and bars as long as their numbers, with labels that have room."""

from xml.etree import ElementTree as ET

import pytest

from milter64.pages.document import Bars, Distribution, Plot, Series, Shares
from milter64.pages.plots import drawn
from rig.documents import BARS, DISTRIBUTION, HOSTILE, SHARES

BASE = 212.0
"""Where columns stand, in pixels from above."""


def _svg(plot: Plot) -> ET.Element:
    """Return a plot, which must be XML; a list of its colours may stand before it."""
    drawing = "".join(drawn(plot, title=HOSTILE, name="n"))
    whole = ET.fromstring(f"<div>{drawing}</div>")
    return whole[-1]


def _rects(plot: Plot) -> list[tuple[str, float, float, float, float]]:
    """Return the colour of each bar, and where it stands: left and width in per cent, top and height in pixels."""
    return [
        (each.attrib["class"], *(float(each.attrib[name].rstrip("%")) for name in ("x", "width", "y", "height")))  # type: ignore[misc]
        for each in _svg(plot).iter("rect")
    ]


def _written(plot: Plot, kind: str) -> list[str]:
    return [each.text or "" for each in _svg(plot).iter("text") if each.attrib["class"] == kind]


def test_series_are_stacked_in_their_order_as_high_as_their_numbers() -> None:
    first, second, third, fourth = _rects(BARS)  # nothing is drawn of 0; the scale ends at 20, 200 pixels high
    assert first == ("s0", 3.33, 26.67, 132.0, 80.0)
    assert second == ("s1", 3.33, 26.67, 52.0, 80.0)
    assert third == ("s0", 36.67, 26.67, 172.0, 40.0)
    assert fourth == ("s1", 70.0, 26.67, 202.0, 10.0)


def test_a_distribution_has_no_gaps_and_says_where_each_column_begins() -> None:
    rects = _rects(DISTRIBUTION)
    assert [(left, width) for _, left, width, _, _ in rects] == [(0, 33.33), (33.33, 33.33), (66.67, 33.33)]
    assert [height for *_, height in rects] == [10.0, 200.0, 25.0]
    assert [each.text for each in _labels(DISTRIBUTION)] == ["0 s", "5 min", "1 h"]


def test_shares_are_as_long_as_their_numbers_and_long_names_are_cut() -> None:
    assert [width for _, _, width, _, _ in _rects(SHARES)] == [100.0, 33.33]
    assert _written(SHARES, "number") == ["30", "10"]
    name, cut = _written(SHARES, "name")
    assert name == "spf fail"
    assert cut == HOSTILE[:35] + "..."


def test_each_bar_says_whose_it_is_to_who_points_at_it() -> None:
    assert [each[0].text for each in _svg(BARS).iter("rect")][:2] == ["00, let in: 8", "00, refused: 8"]


def test_a_plot_says_what_it_shows_to_who_cannot_see_it() -> None:
    svg = _svg(BARS)
    assert svg.attrib["role"] == "img"
    title, description = svg[0], svg[1]
    assert (svg.attrib["aria-labelledby"], svg.attrib["aria-describedby"]) == (
        title.attrib["id"],
        description.attrib["id"],
    )
    assert description.text == (
        "By hour. let in: 12 in all, most of them, 8, at 00. refused: 9 in all, most of them, 8, at 00."
    )


@pytest.mark.parametrize(
    ("most", "scale"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (4, ["0", "1", "2", "3", "4"]),
        (5, ["0", "2", "4", "6"]),
        (40, ["0", "10", "20", "30", "40"]),
        (41, ["0", "20", "40", "60"]),
        (2000000, ["0", "500,000", "1,000,000", "1,500,000", "2,000,000"]),
    ],
)
def test_a_scale_has_round_steps_and_holds_the_highest(most: int, scale: list[str]) -> None:
    assert _written(Bars(by="hour", labels=("0",), series=(Series(name="n", values=(most,)),)), "scale") == scale


@pytest.mark.parametrize("count", [1, 2, 12, 13, 24, 168, 1000])
@pytest.mark.parametrize(("width", "most", "on_telephones"), [(4, 12, 5), (17, 5, 1), (20, 5, 1)])
def test_there_are_no_more_labels_than_fit_and_each_stands_at_its_column(
    count: int, width: int, most: int, on_telephones: int
) -> None:
    names = tuple(f"{place:0{width}}" for place in range(count))
    labels = _labels(Bars(by="hour", labels=names, series=(Series(name="n", values=(1,) * count),)))
    assert min(count, most) / 2 - 1 < len(labels) <= most
    kept = [each for each in labels if "spare" not in each.attrib["class"]]
    assert min(count, on_telephones) / 2 - 1 < len(kept) <= on_telephones
    left = [float(each.attrib["x"].rstrip("%")) for each in labels]
    assert [each.text for each in labels] == [names[round(x * count / 100 - 0.5)] for x in left]


def _labels(plot: Plot) -> list[ET.Element]:
    return [each for each in _svg(plot).iter("text") if "label" in each.attrib["class"].split()]


def test_more_series_than_colours_begin_again() -> None:
    series = tuple(Series(name=str(number), values=(1,)) for number in range(8))
    plot = Bars(by="hour", labels=("0",), series=series)
    assert [colour for colour, *_ in _rects(plot)] == ["s0", "s1", "s2", "s3", "s4", "s5", "s0", "s1"]


@pytest.mark.parametrize(
    "plot",
    [
        Bars(by="hour", labels=(), series=()),
        Bars(by="hour", labels=("0",), series=(Series(name="n", values=(0,)),)),
        Distribution(by="time", of="n", edges=(0,), counts=()),
        Distribution(by="time", of="n", edges=(0, 1), counts=(0,)),
        Shares(by="who", of="n", shares=()),
    ],
)
def test_a_plot_of_nothing_can_be_drawn(plot: Plot) -> None:
    assert _rects(plot) == []


def test_a_share_of_nothing_has_no_length() -> None:
    assert [width for _, _, width, _, _ in _rects(Shares(by="who", of="n", shares=(("x", 0),)))] == [0.0]
