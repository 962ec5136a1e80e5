"""How the error of the published networks changes with their depth, on images that they have learned and on others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.published_networks import networks
from resnet_lib.experiments.published_networks.networks import DATA, DEPTHS, Network
from resnet_lib.nets import Stack
from resnet_lib.sweep import ROUNDED, Experiment

AT_ONCE = 250
"""Images in one call."""

PERMUTATIONS = 20
"""Orders of the labels of a group: with one, the control scatters by half a point, which is what the rule asks for."""


@dataclass(frozen=True)
class Errors(Network):
    """A network and the part of the images.

    Attributes:
        part: `train`, which the network has learned, or `test`.
    """

    part: str = "test"


def trial(setting: Errors, seeds: Sequence[int]) -> pd.DataFrame:
    """The error of a group, and its mean over `PERMUTATIONS` orders of its labels; one row per group."""
    images = networks.groups(setting, seeds, setting.part)
    logits = answers(networks.network(setting), images.x)
    records = []
    for seed, found, y in zip(seeds, logits.split(setting.size), images.y.split(setting.size), strict=True):
        stream = runtime.stream(seed, "published", "permuted", setting.part)
        orders = [torch.randperm(len(y), generator=stream) for _ in range(PERMUTATIONS)]
        error, *permuted = (
            1 - float(networks.right(found, labels, setting.size)) for labels in (y, *(y[order] for order in orders))
        )
        records.append({"seed": seed, "error": error, "permuted": sum(permuted) / PERMUTATIONS})
    return pd.DataFrame(records).assign(depth=setting.depth, part=setting.part)


def answers(net: Stack, x: Tensor) -> Tensor:
    """The logits of all images, in calls of `AT_ONCE`."""
    with torch.no_grad():
        return torch.cat([net(piece) for piece in x.split(AT_ONCE)])


def by_depth(table: pd.DataFrame, part: str, column: str = "error") -> pd.DataFrame:
    """Percent of a group, one row a group and one column a depth."""
    return 100 * table[table["part"] == part].pivot(index="seed", columns="depth", values=column)


def degrade(table: pd.DataFrame) -> Evidence:
    """Error on learned images, 56 layers minus 20, one value a group; control: 56 layers on permuted labels."""
    errors, permuted = by_depth(table, "train"), by_depth(table, "train", "permuted")
    return _evidence(errors[56] - errors[20], permuted[56] - errors[20])


def falls(table: pd.DataFrame) -> Evidence:
    """Test error per doubling of depth, the slope over the networks, one value a group; control: permuted labels."""
    return _evidence(*(slopes(by_depth(table, "test", column)) for column in ("error", "permuted")))


def slopes(table: pd.DataFrame) -> np.ndarray:
    """Change per doubling of depth, by least squares, of each row of a table with a column for each depth.

    Example:
        >>> slopes(pd.DataFrame({10: [3.0], 20: [2.0], 40: [1.0]})).round(6).tolist()
        [-1.0]
    """
    doublings = np.log2(np.asarray(table.columns, dtype=float))
    centred = doublings - doublings.mean()
    return table.to_numpy() @ centred / (centred @ centred)


def _evidence(values: pd.Series | np.ndarray, control: pd.Series | np.ndarray) -> Evidence:
    return Evidence(values=np.asarray(values), control=np.asarray(control), unit="percentage points")


def _settings(size: int, *parts: str) -> tuple[Errors, ...]:
    return tuple(Errors(depth, size=size, part=part) for part in parts for depth in DEPTHS)


_GRIDS = networks.grids(_settings(40, "train", "test"), _settings(500, "train", "test"))
ERRORS = Experiment("published-errors", trial, *_GRIDS, data=DATA, agrees=ROUNDED)
