"""Published networks read as flows: their blocks as several smaller steps, and the path that states take.

The original unit ends in a ReLU, so that its step is projected Euler, `x <- relu(x + h F(x))`; a block has size 1.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

from resnet_lib.analysis import lesion
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.published_networks import errors, networks
from resnet_lib.experiments.published_networks.networks import DATA, DEPTHS, STATISTICS, Network
from resnet_lib.nets import Block, Stack
from resnet_lib.nets.merges import Times
from resnet_lib.sweep import ROUNDED, Experiment


@dataclass(frozen=True)
class Steps(Network):
    """A network whose blocks are followed in smaller steps.

    Attributes:
        statistics: One of `networks.STATISTICS`.
        counts: Into how many steps a block is divided.
        full: How many steps of full size are taken in place of one: another flow, so many times as long.
    """

    statistics: str = "trained"
    counts: tuple[int, ...] = (1, 2, 4, 8)
    full: int = 2


def trial(setting: Steps, seeds: Sequence[int]) -> pd.DataFrame:
    """Accuracy with each number of steps, and the length of the path; one row per group and measurement."""
    net, images = networks.network(setting), networks.groups(setting, seeds)
    ways = [("whole", 1, net), ("full", setting.full, stepped(net, setting.full, 1.0))]
    ways += [("divided", count, stepped(net, count, 1 / count)) for count in setting.counts]
    records = []
    for measure, count, made in ways:
        logits = errors.answers(networks.statistic(made, setting, setting.statistics), images.x)
        shares = networks.right(logits, images.y, setting.size).tolist()
        records += [
            {"seed": seed, "measure": measure, "steps": count, "value": value}
            for seed, value in zip(seeds, shares, strict=True)
        ]
    for seed, x in zip(seeds, images.x.split(setting.size), strict=True):
        length = path(net, x)
        records.append({"seed": seed, "measure": "path", "steps": 1, "value": length})
    return pd.DataFrame(records).assign(depth=setting.depth, statistics=setting.statistics)


def stepped(net: Stack, count: int, size: float) -> Stack:
    """The network with each block that keeps the shape replaced by `count` projected steps of that size.

    Each step is a copy of its own, so that batch statistics can be estimated at each place. One step of size 1 is the
    block itself.
    """
    free, made = lesion.removable(net), list[nn.Module]()
    for i, block in enumerate(net.blocks):
        if i not in free:
            made.append(block)
            continue
        assert isinstance(block, Block)
        for _ in range(count):
            own = copy.deepcopy(block)
            made.append(Block(own.branch, own.shortcut, Times(own.merge, size)))
    return Stack(net.stem, made, net.head, shape=net.shape).eval()


def path(net: Stack, x: torch.Tensor) -> float:
    """Sum over the blocks that keep the shape of the mean over images of `||x_(l+1) - x_l|| / ||x_l||`."""
    with torch.no_grad():
        states = [state.flatten(1) for state in net.states(x)]
    moves = ((states[i + 1] - states[i]).norm(dim=1) / states[i].norm(dim=1) for i in lesion.removable(net))
    return float(sum(move.mean() for move in moves))


def lost(
    table: pd.DataFrame, depth: int, steps: int, *, measure: str = "divided", statistics: str = "trained"
) -> np.ndarray:
    """Points of accuracy that steps lose below the network itself, under equal statistics, one value a group."""
    chosen = table[(table["depth"] == depth) & (table["statistics"] == statistics)]
    itself = chosen[chosen["measure"] == "whole"]
    kind = chosen[(chosen["measure"] == measure) & (chosen["steps"] == steps)]
    found, whole = (part.set_index("seed")["value"].sort_index() for part in (kind, itself))
    return 100 * (whole - found).to_numpy()


def _flow(depth: int, steps: int):
    def measure(table: pd.DataFrame) -> Evidence:
        control = lost(table, depth, 2, measure="full")
        return Evidence(lost(table, depth, steps), control, unit="percentage points")

    measure.__doc__ = f"Points lost by {steps} steps a block at {depth} layers, one value a group; control: full steps."
    return measure


flow_deep, flow_shallow, flow_halves = _flow(56, 8), _flow(20, 8), _flow(56, 2)


def flow_anew(table: pd.DataFrame) -> Evidence:
    """Points lost by 8 steps a block with batch statistics anew, one value a group; control: by one step."""
    return Evidence(*(lost(table, 56, steps, statistics="anew") for steps in (8, 1)), unit="percentage points")


def flow_depth(table: pd.DataFrame) -> Evidence:
    """Points that 20 layers lose more than 56 by 8 steps a block, one value a group; control: by one step."""
    found = (lost(table, 20, steps) - lost(table, 56, steps) for steps in (8, 1))
    return Evidence(*found, unit="percentage points")


def lengthens(table: pd.DataFrame) -> Evidence:
    """Slope of the log of the path's length on log depth, one value a group; control: of the number of blocks."""
    chosen = table[(table["measure"] == "path") & (table["statistics"] == "trained")]
    lengths = chosen.pivot(index="seed", columns="depth", values="value")
    blocks = pd.DataFrame({depth: [(depth - 2) / 2 - 2] for depth in lengths.columns.to_numpy()})
    return Evidence(_exponents(lengths, blocks), _exponents(blocks, blocks))


def _exponents(values: pd.DataFrame, blocks: pd.DataFrame) -> np.ndarray:
    """Slope of the log of each row on the log of the number of blocks that keep the shape."""
    logs = np.log(blocks.to_numpy()[0])
    centred = logs - logs.mean()
    return np.log(values.to_numpy()) @ centred / (centred @ centred)


def _settings(trained: int, anew: int, learned: int) -> tuple[Steps, ...]:
    return (
        *(Steps(depth, trained, learned) for depth in DEPTHS),
        *(Steps(depth, anew, learned, statistics=STATISTICS[1], counts=(1, 8)) for depth in DEPTHS),
    )


_GRIDS = networks.grids(_settings(40, 40, 100), _settings(150, 100, 250))
STEPS = Experiment("published-steps", trial, *_GRIDS, data=DATA, agrees=ROUNDED)
# All test images for the network and the steps whose rule of one point 3,000 images leave to chance.
FLOW = Experiment(
    "published-flow",
    trial,
    *networks.grids([Steps(56, 40, 100, counts=(2, 8))], [Steps(56, 500, 250, counts=(2, 8))]),
    data=("cifar10", "published-56"),
    agrees=ROUNDED,
)
