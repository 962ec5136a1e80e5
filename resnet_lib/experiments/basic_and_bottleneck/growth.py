"""How the cost of the networks for CIFAR-10 grows with their blocks, and with their width."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from resnet_lib import nets, runtime
from resnet_lib.analysis import costs
from resnet_lib.evidence.claims import Evidence
from resnet_lib.sweep import Experiment

DEPTHS = (20, 32, 44, 56)
WIDTHS = (8, 16, 24, 32)
WIDTH = 16
"""Channels of the first stage of the published networks."""


@dataclass(frozen=True)
class Network:
    """A ResNet for images of 3 x 32 x 32.

    Attributes:
        depth: Weight layers.
        width: Channels of the first stage.
    """

    depth: int
    width: int = WIDTH


def trial(setting: Network, seeds: Sequence[int]) -> pd.DataFrame:
    """Parameters, multiply-adds and numbers kept for the backward pass, for one image; one row a seed."""
    draw = runtime.stream(0, "costs", setting.depth, setting.width)
    cost = costs.count(nets.cifar_resnet(setting.depth, width=setting.width, generator=draw), (3, 32, 32))
    row = {"parameters": cost.parameters, "multiply_adds": cost.multiply_adds, "saved": cost.saved}
    return pd.DataFrame([{"seed": seed, **row} for seed in seeds]).assign(depth=setting.depth, width=setting.width)


_SETTINGS = [Network(depth) for depth in DEPTHS] + [Network(DEPTHS[0], width) for width in WIDTHS if width != WIDTH]
GROWTH = Experiment.repeated("cost-growth", trial, _SETTINGS, quick=(0,), full=(0,))


def bends(values: Sequence[float]) -> np.ndarray:
    """Second differences of equally spaced values as a share of the first difference before them, without sign.

    Example:
        >>> bends([1.0, 3.0, 5.0, 8.0]).tolist()
        [0.0, 0.5]
    """
    first = np.diff(np.asarray(values, dtype=float))
    return np.abs(np.diff(first) / first[:-1])


def linear(table: pd.DataFrame) -> Evidence:
    """Second differences over depths, one value a kind of cost and step; control: over widths."""
    deep = table[table["width"] == WIDTH].sort_values("depth")
    wide = table[table["depth"] == DEPTHS[0]].sort_values("width")
    found = [bends(deep[column].tolist()) for column in ("parameters", "multiply_adds", "saved")]
    control = [bends(wide[column].tolist()) for column in ("parameters", "multiply_adds")]
    return Evidence(np.concatenate(found), np.concatenate(control))
