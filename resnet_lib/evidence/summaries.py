"""Means over draws or groups with their intervals, as a figure's table, and as points with whiskers.

It knows tables and axes; what was drawn or grouped is decided by who calls it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from resnet_lib import runtime
from resnet_lib.evidence import intervals


def summary(table: pd.DataFrame, by: Sequence[str], value: str, *, stream: str) -> pd.DataFrame:
    """Mean of a column over the rows of each group, and the ends of its 95% bootstrap interval.

    Args:
        table: With a row for each seed of a group, in a column `seed`.
        by: The columns that make a group.
        value: The column that is averaged.
        stream: Name of the random stream that resamples, which a chapter keeps: with another the last digits of its
            figures are others.

    Returns:
        The columns `by`, `mean`, `low` and `high`, a row for each group, in the order of the groups.

    Example:
        >>> table = pd.DataFrame({"depth": 20, "seed": range(5), "loss": [1.0, 2.0, 3.0, 2.0, 2.0]})
        >>> summary(table, ["depth"], "loss", stream="example")[["depth", "mean"]].to_numpy().tolist()
        [[20.0, 2.0]]
    """
    records = []
    for key, part in table.groupby(list(by), sort=True):
        values = part.sort_values("seed")[value].to_numpy(dtype=float)
        low, high = intervals.interval(values, "mean", rng=runtime.rng(0, stream, "drawing"))
        found = {"mean": values.mean(), "low": float(low), "high": float(high)}
        records.append(dict(zip(by, key, strict=True)) | found)
    return pd.DataFrame(records)


def whiskers(axis: Axes, x: pd.Series | np.ndarray, rows: pd.DataFrame, **look: Any) -> None:
    """Draw the means of a `summary` with their intervals; an interval is never shorter than nothing.

    Args:
        axis: Where.
        x: The places of the rows.
        rows: Of a `summary`.
        look: As for `Axes.errorbar`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> rows = pd.DataFrame({"depth": [20, 56], "mean": [2.0, 3.0], "low": [1.5, 3.0], "high": [2.5, 3.5]})
        >>> axis = Figure().add_subplot()
        >>> whiskers(axis, rows["depth"], rows, fmt="o")
        >>> axis.containers[0].lines[0].get_ydata().tolist()
        [2.0, 3.0]
    """
    below, above = (rows["mean"] - rows["low"]).clip(lower=0), (rows["high"] - rows["mean"]).clip(lower=0)
    axis.errorbar(x, rows["mean"], yerr=[below, above], elinewidth=1, markersize=5, **look)
