"""The stored errors of the published networks for CIFAR-10, with a price beside each: parameters, or seconds.

The errors are those that another chapter has measured, in groups of 500 images; nothing is computed here.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.basic_and_bottleneck.growth import WIDTH

PRICES = ("parameters", "multiply_adds", "seconds")


def priced(grown: pd.DataFrame, timed: pd.DataFrame) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """What puts the prices of each depth beside its errors on new images.

    Args:
        grown: The table of `growth.GROWTH`.
        timed: That of `times.TIMES`.

    Returns:
        A function of the table of errors: a row a group and depth, with `error`, `permuted` and the `PRICES`.
    """
    counted = grown[grown["width"] == WIDTH].set_index("depth")[["parameters", "multiply_adds"]]
    called = timed[timed["role"] == "depth"].groupby("place")["seconds"].mean().rename("seconds")

    def select(errors: pd.DataFrame) -> pd.DataFrame:
        rows = errors[errors["part"] == "test"][["depth", "seed", "error", "permuted"]]
        return rows.join(counted, on="depth").join(called, on="depth").reset_index(drop=True)

    return select


def doubling(table: pd.DataFrame, column: str, price: str = "parameters") -> np.ndarray:
    """Factor of an error for each doubling of a price, by least squares on logarithms, one value a group.

    Example:
        >>> table = pd.DataFrame({"seed": 0, "depth": [1, 2], "error": [0.2, 0.1], "parameters": [10, 20]})
        >>> doubling(table, "error").round(6).tolist()
        [0.5]
    """
    wide = table.pivot(index="seed", columns="depth", values=column)
    logs = np.log2(table.groupby("depth")[price].first().loc[wide.columns].to_numpy(dtype=float))
    centred = logs - logs.mean()
    return 2 ** (np.log2(wide.to_numpy(dtype=float)) @ centred / (centred @ centred))


def pareto(table: pd.DataFrame) -> Evidence:
    """Factor of the error for each doubling of the parameters, one value a group; control: permuted labels."""
    return Evidence(doubling(table, "error"), doubling(table, "permuted"))
