"""Does the border of the image hide a growth? The last state's field where reflected copies continue the image.

An image is continued on all sides by its mirror images, three by three, and the unit stands in the middle of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from resnet_lib.analysis import fields
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.what_a_unit_sees import published
from resnet_lib.experiments.what_a_unit_sees.published import DATA, DEPTHS, WEIGHTS
from resnet_lib.sweep import ROUNDED, Experiment, Grid


@dataclass(frozen=True)
class Mosaic:
    """A network of the published architecture, and the images that are continued.

    Attributes:
        depth: Weight layers.
        weights: One of `published.WEIGHTS`.
        size: Images of a group.
        probes: Random weights of channels, over which energies are summed.
    """

    depth: int
    weights: str = "trained"
    size: int = 4
    probes: int = 4


def mosaic_trial(setting: Mosaic, seeds: Sequence[int]) -> pd.DataFrame:
    """Variance of the map in the last state, and its share on the image in the middle; one row per group."""
    records = []
    for seed in seeds:
        net = published.network(published.Fields(setting.depth, setting.weights), seed)
        x = continued(published.group(seed, setting.size))
        maps = published.energy(net, len(net.blocks), x, setting.probes, seed)
        inner = maps.shape[1] // 3
        middle = maps[:, inner : 2 * inner, inner : 2 * inner].sum((1, 2)).mean()
        records.append({"seed": seed, "variance": float(fields.variances(maps).mean()), "middle": float(middle)})
    return pd.DataFrame(records).assign(depth=setting.depth, weights=setting.weights)


def continued(x: Tensor) -> Tensor:
    """Each image among eight mirror images of it, so that nothing jumps at its border.

    Example:
        >>> continued(torch.tensor([[[[1.0, 2.0]]]]))[0, 0, 0].tolist()
        [2.0, 1.0, 1.0, 2.0, 2.0, 1.0]
    """
    rows = torch.cat([x.flip(3), x, x.flip(3)], 3)
    return torch.cat([rows.flip(2), rows, rows.flip(2)], 2)


def widths(table: pd.DataFrame, weights: str = "trained") -> pd.DataFrame:
    """Width of the field in the last state: one row a group, one column a depth."""
    rows = table[table["weights"] == weights]
    return rows.pivot(index="seed", columns="depth", values="variance").pow(0.5)


def border(table: pd.DataFrame) -> Evidence:
    """Log of the width of ResNet-56 over that of ResNet-20, trained, one value a group; control: weights redrawn."""
    found = (widths(table, weights) for weights in WEIGHTS)
    return Evidence(*(np.log(each[DEPTHS[-1]] / each[DEPTHS[0]]).to_numpy() for each in found))


_SETTINGS = [Mosaic(depth, weights) for weights in WEIGHTS for depth in (DEPTHS[0], DEPTHS[-1])]
MOSAIC = Experiment(
    name="fields-mosaic",
    trial=mosaic_trial,
    quick=Grid(_SETTINGS[:1], seeds=(0,)),
    full=Grid(_SETTINGS, seeds=range(20), group=5),
    data=DATA,
    agrees=ROUNDED,
)
