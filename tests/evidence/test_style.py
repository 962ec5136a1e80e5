"""How figures look: colours that stand out from the page, and stay apart for every eye, light and dark."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from resnet_lib.evidence import style
from resnet_lib.evidence.style import COLOURS

LIGHT, DARK, THEME = (1.0, 1.0, 1.0), to_rgb("#121212"), to_rgb("#14181e")


def palette(*, dark: bool) -> dict[str, tuple[float, float, float]]:
    with style.style(dark=dark):
        return {name: to_rgb(colour) for name, colour in COLOURS.items()}


def linear(colour: tuple[float, float, float]) -> np.ndarray:
    c = np.array(colour)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    """WCAG 2.2, contrast ratio."""
    high, low = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_formula() -> None:
    assert contrast(LIGHT, (0, 0, 0)) == pytest.approx(21)
    assert contrast(to_rgb("#777777"), LIGHT) == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize(("dark", "background"), [(False, LIGHT), (True, DARK), (True, THEME)])
def test_every_colour_stands_out_from_the_page(dark: bool, background: tuple[float, float, float]) -> None:
    for name, colour in palette(dark=dark).items():
        assert contrast(colour, background) >= 3, (name, to_hex(colour))
    with style.style(dark=dark):
        for name in ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.labelcolor", "ytick.labelcolor"):
            assert contrast(to_rgb(mpl.rcParams[name]), background) >= 4.5, name
        for name in ("axes.edgecolor", "xtick.color", "ytick.color"):
            assert contrast(to_rgb(mpl.rcParams[name]), background) >= 3, name


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
EYES = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of linear sRGB, white point D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    t = xyz / [0.9505, 1.0, 1.089]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("dark", [False, True])
def test_colours_stay_apart_for_every_eye(eye: str, dark: bool) -> None:
    seen = {name: lab(np.array(EYES[eye]) @ linear(colour)) for name, colour in palette(dark=dark).items()}
    for a, b in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[a] - seen[b]) > 12, (a, b)  # 2.3 is just noticeable, side by side


def test_every_variant_has_a_colour_and_a_marker_of_its_own() -> None:
    named = {"plain", "post", "pre", "scaled", "zero-gamma", "bottleneck", "theory", "reference", "control"}
    assert set(COLOURS) == set(style.MARKERS) == named
    for dark in (False, True):
        assert len(set(palette(dark=dark).values())) == len(named)
    assert len(set(style.MARKERS.values())) == len(named)


def test_the_style_asks_for_nothing_and_leaves_nothing() -> None:
    with mpl.rc_context({"font.size": 31, "axes.xmargin": 0.4}):
        before = dict(mpl.rcParams)
        with style.style():
            light = dict(mpl.rcParams)
        assert dict(mpl.rcParams) == before
    with style.style():
        assert dict(mpl.rcParams) == light
    assert light["font.size"] == 10.8  # so that "small" is 9, which a page shows as 12 pixels


def test_ink_is_the_colour_of_the_style_that_is_drawn():
    with style.style():
        assert style.ink("plain") == "#d55e00"
    with style.style(dark=True):
        assert style.ink("plain") == "#ff8a2b"
