"""Measures of the networks on digits: sizes and cosines of what blocks add, one value a seed."""

import numpy as np
import pandas as pd

from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.learning_the_difference.digits import LINEAR, MIDDLE, TRUE, TWENTIETH


def of(table: pd.DataFrame, blocks: int, labels: str = TRUE, *, end: bool = True) -> pd.DataFrame:
    """The rows of a trained network at the end of training, or before it."""
    rows = table[(table["blocks"] == blocks) & (table["labels"] == labels) & (table["lr"] > 0)]
    return rows[rows["epoch"] == (rows["epochs"] if end else 0)]


def exceeded(rows: pd.DataFrame, column: str, minus: str) -> np.ndarray:
    """What two thirds of the blocks exceed of a difference of two columns, one value per seed.

    Example:
        >>> rows = pd.DataFrame({"seed": 0, "block": [0, 1, 2], "own": [0.3, 0.2, 0.1], "other": 0.0})
        >>> exceeded(rows, "own", "other").tolist()
        [0.2]
    """
    wide = rows.assign(value=rows[column] - rows[minus]).pivot(index="seed", columns="block", values="value")
    ordered = -np.sort(-wide.to_numpy(), axis=1)
    return ordered[:, -(-2 * ordered.shape[1] // 3) - 1]


def aligned(table: pd.DataFrame) -> Evidence:
    """Cosine that two thirds of 9 blocks exceed, own image minus others, a value a seed; control: others alone."""
    rows = of(table, MIDDLE)
    return Evidence(exceeded(rows, "own", "other"), exceeded(rows, "another", "other"))


def turns(table: pd.DataFrame) -> Evidence:
    """Mean cosine over 9 blocks, own minus others, after training minus before, a value a seed; control: others."""
    ends = [of(table, MIDDLE, end=end).groupby("seed")[["own", "other", "another"]].mean() for end in (True, False)]
    values, control = (
        np.subtract(*((means[column] - means["other"]).to_numpy() for means in ends)) for column in ("own", "another")
    )
    return Evidence(values, control)


def medians(table: pd.DataFrame) -> pd.DataFrame:
    """Median size over the blocks: one row per seed, one column per number of blocks."""
    return table.groupby(["seed", "blocks"])["size"].median().unstack("blocks")


def slopes(wide: pd.DataFrame) -> np.ndarray:
    """Slope of the log of each row on the log of its columns.

    Example:
        >>> slopes(pd.DataFrame({3: [1.0], 12: [0.5]})).round(9).tolist()
        [-0.5]
    """
    logs = np.log(wide.columns.to_numpy(dtype=float))
    centred = logs - logs.mean()
    return np.log(wide.to_numpy()) @ centred / (centred @ centred)


def _untrained(table: pd.DataFrame, gain: float) -> pd.DataFrame:
    return table[(table["lr"] == 0) & (table["blocks"] > 0) & (table["gain"] == gain)]


def smaller(table: pd.DataFrame) -> Evidence:
    """Slope of log median size on log blocks, trained, one value a seed; control: without normalisation, untrained."""
    ends = table[(table["lr"] > 0) & (table["epoch"] == table["epochs"])]
    return Evidence(slopes(medians(ends)), slopes(medians(_untrained(table, 1.0))))


def small(table: pd.DataFrame) -> Evidence:
    """Median size at the greatest depth, trained, one value a seed; control: last weights a twentieth, untrained."""
    ends = table[(table["lr"] > 0) & (table["epoch"] == table["epochs"])]
    values, control = (medians(rows).iloc[:, -1].to_numpy() for rows in (ends, _untrained(table, TWENTIETH)))
    return Evidence(values, control)


def demand(table: pd.DataFrame) -> Evidence:
    """Median size with linear labels over that with the true ones, a value a seed; control: turns by 10 and 90."""
    sizes = [of(table, MIDDLE, each).groupby("seed")["size"].median().to_numpy() for each in (LINEAR, TRUE)]
    known = table[table["blocks"] == 0].pivot(index="seed", columns="block", values="size").to_numpy()
    return Evidence(sizes[0] / sizes[1], known[:, 0] / known[:, 1])
