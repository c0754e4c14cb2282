"""Colours of plots stand out from the page, and from each other for those who see fewer of them.

Text is axe's matter. How red-blind and green-blind people see is simulated after Machado, Oliveira and Fernandes
(2009), and how different two colours look is CIE 1976's.
"""

import re
from itertools import combinations
from math import dist

import pytest

from milter64.pages.html import STYLE

Rgb = tuple[float, float, float]
_SEEN: dict[str, tuple[Rgb, Rgb, Rgb]] = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "red-blind": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "green-blind": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
_XYZ: tuple[Rgb, Rgb, Rgb] = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
_WHITE = (0.9505, 1.0, 1.089)
_LIGHT, _DARK = STYLE.split("prefers-color-scheme: dark")[:2]


def _linear(scheme: str, name: str) -> Rgb:
    (red, green, blue) = re.findall(rf"--{name}: #(..)(..)(..);", scheme)[0]
    parts = [int(part, 16) / 255 for part in (red, green, blue)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue


def _times(matrix: tuple[Rgb, Rgb, Rgb], colour: Rgb) -> Rgb:
    first, second, third = (sum(a * b for a, b in zip(row, colour, strict=True)) for row in matrix)
    return first, second, third


def _lab(colour: Rgb) -> Rgb:
    parts = [max(part, 0) / white for part, white in zip(_times(_XYZ, colour), _WHITE, strict=True)]
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in parts)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("scheme", [_LIGHT, _DARK], ids=["light", "dark"])
@pytest.mark.parametrize("number", range(6))
def test_each_has_a_contrast_of_3_to_1_to_the_page(scheme: str, number: int) -> None:
    lights = sorted(_times(_XYZ, _linear(scheme, name))[1] + 0.05 for name in (f"s{number}", "paper"))
    assert lights[1] / lights[0] >= 3


@pytest.mark.parametrize("scheme", [_LIGHT, _DARK], ids=["light", "dark"])
@pytest.mark.parametrize("eye", _SEEN)
def test_any_two_differ_for_everybody(scheme: str, eye: str) -> None:
    seen = {number: _lab(_times(_SEEN[eye], _linear(scheme, f"s{number}"))) for number in range(6)}
    apart = {(one, other): dist(seen[one], seen[other]) for one, other in combinations(seen, 2)}
    assert {pair: round(distance) for pair, distance in apart.items() if distance < _APART} == {}


_APART = 18
"""Some eight times what one can just see."""
