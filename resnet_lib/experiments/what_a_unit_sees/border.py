"""What a unit of a published network sees of an image that goes on beyond its border, as its own mirror image.

The unit at the end of the third stage sees about as far as the border of a CIFAR-10 image is away, so that the border
could hide that deeper networks see more. A seed is a group of test images, as in `published`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor
from torch.nn import functional

from resnet_lib.analysis import fields
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.what_a_unit_sees import published
from resnet_lib.experiments.what_a_unit_sees.published import DATA, WEIGHTS, Fields
from resnet_lib.sweep import ROUNDED, Experiment, Grid

BEYOND = 16
"""Pixels that are added on each side: the border is twice as far from the middle."""
STAGE = 3


def border_trial(setting: Fields, seeds: Sequence[int]) -> pd.DataFrame:
    """Variance of the map of the central unit of the last state, in images and in continued ones; one row per group."""
    records = []
    for seed in seeds:
        net, x = published.network(setting, seed), published.group(seed, setting.size)
        end = published.ends(setting.depth)[STAGE - 1]
        for place, shown in (("image", x), ("continued", continued(x))):
            maps = published.energy(net, end, shown, setting.probes, seed)
            records.append({"seed": seed, "place": place, "variance": float(fields.variances(maps).mean())})
    return pd.DataFrame(records).assign(depth=setting.depth, weights=setting.weights)


def continued(x: Tensor) -> Tensor:
    """The images with their mirror images beyond each side, so that their central pixel is the central one again."""
    return functional.pad(x, (BEYOND,) * 4, mode="reflect")


def widths(table: pd.DataFrame, place: str, weights: str = "trained") -> pd.DataFrame:
    """Width of the field, from the mean variance of a group: one row a group, one column a depth."""
    rows = table[(table["place"] == place) & (table["weights"] == weights)]
    return rows.pivot(index="seed", columns="depth", values="variance").pow(0.5)


def growth(table: pd.DataFrame) -> Evidence:
    """Slope of log width on log depth in continued images, trained; control: of the same architectures drawn anew."""
    return Evidence(*(published.slopes(widths(table, "continued", weights)) for weights in WEIGHTS))  # pyright: ignore[reportArgumentType]


def wider(table: pd.DataFrame, weights: str = "trained") -> np.ndarray:
    """Width in continued images over that in images, mean over the depths, one value a group."""
    return (widths(table, "continued", weights) / widths(table, "image", weights)).mean(axis=1).to_numpy()


BORDER = Experiment(
    name="fields-border",
    trial=border_trial,
    quick=Grid(published.settings(4), seeds=range(5)),
    full=Grid(published.settings(8), seeds=range(20), group=10),
    data=DATA,
    agrees=ROUNDED,
)
