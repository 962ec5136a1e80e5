"""What stands on the axes of a figure, for the tests of drawings."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from resnet_lib.evidence import style


def drawn(draw: Callable[[pd.DataFrame], Figure], table: pd.DataFrame) -> Figure:
    """A figure in the book's style, closed: its artists stay."""
    with style.style():
        figure = draw(table)
    plt.close(figure)
    return figure


def lines(axis: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Where the points of each line lie, x and y."""
    return [(np.asarray(each.get_xdata()), np.asarray(each.get_ydata())) for each in axis.get_lines()]


def line(axis: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Where the points of the one line with this label lie, x and y."""
    (found,) = (place for each, place in zip(axis.get_lines(), lines(axis), strict=True) if each.get_label() == label)
    return found


def scattered(axis: Axes) -> list[np.ndarray]:
    """Where the points of each scatter lie, a row a point."""
    return [np.asarray(each.get_offsets()) for each in axis.collections if isinstance(each, PathCollection)]


def bars(axis: Axes) -> list[list[tuple[float, float, float]]]:
    """The bars of each histogram that are not empty: from where to where, and how high."""
    histograms = [each for each in axis.containers if isinstance(each, BarContainer)]
    full = [[bar for bar in each if bar.get_height() > 0] for each in histograms]
    return [[(bar.get_x(), bar.get_x() + bar.get_width(), bar.get_height()) for bar in each] for each in full]


def labels(axis: Axes) -> list[str]:
    """What the legend of a panel would call its artists, in their order."""
    return axis.get_legend_handles_labels()[1]


def title(axis: Axes) -> str:
    """The title of a panel, which the book's style sets at the left."""
    return axis.get_title(loc="left")
