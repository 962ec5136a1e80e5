"""Drawings that a page would show too small, or cut off, are refused where they are published."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from resnet_lib.evidence import figures

TABLE = pd.DataFrame({"x": [1.0, 2.0]})


def lettered(width: float, **look: Any) -> Callable[[pd.DataFrame], Figure]:
    def draw(table: pd.DataFrame) -> Figure:
        figure = Figure(figsize=(width, 3))
        figure.subplots().set_xlabel("a name", **look)
        return figure

    return draw


@pytest.mark.parametrize(("draw", "size"), [(lettered(6, fontsize=8), "8 points"), (lettered(10), "8 points")])
def test_words_that_a_page_shows_too_small_are_refused(draw: Callable[[pd.DataFrame], Figure], size: str) -> None:
    """A page is 8 inches wide: labels of 10 points in a figure of 10 inches come out at 8."""
    with pytest.raises(ValueError, match=f"letters: a page would show .* at {size}.*leave out the fontsize"):
        figures._drawings("letters", draw, TABLE, "alt")
    figures._drawings("letters", lettered(8), TABLE, "alt")


def test_what_is_drawn_beyond_the_figure_is_refused() -> None:
    def draw(table: pd.DataFrame) -> Figure:
        figure = Figure(figsize=(3, 3))
        figure.subplots().set_xlabel("a name that is much longer than the axis that it belongs to")
        return figure

    with pytest.raises(ValueError, match=r"edges: .* points at the left edge and .* points at the right edge"):
        figures._drawings("edges", draw, TABLE, "alt")
