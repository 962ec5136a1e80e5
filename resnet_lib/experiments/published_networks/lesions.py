"""What published networks lose without a block, and by how much their last state changes."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import runtime
from resnet_lib.analysis import lesion, lesion_scores
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.published_networks import networks
from resnet_lib.experiments.published_networks.networks import DATA, DEPTHS, STATISTICS, Network
from resnet_lib.nets import Stack
from resnet_lib.sweep import ROUNDED, Experiment

AT_ONCE = 1000
"""Images in one call where batch statistics are estimated anew in each."""


@dataclass(frozen=True)
class Lesions(Network):
    """A network, its lesions, and the batch statistics under which they are measured.

    Attributes:
        statistics: One of `networks.STATISTICS`.
    """

    statistics: str = "trained"


def trial(setting: Lesions, seeds: Sequence[int]) -> pd.DataFrame:
    """Everything that is measured; one row per group and measurement, and the columns say which."""
    net, images = networks.network(setting), networks.groups(setting, seeds)
    surgeries = {**dict(lesions(net)), ("scrambled", -1): scrambled(net)}
    anew = None if setting.statistics == "trained" else networks.learned(setting)
    at_once = setting.size if anew is None else AT_ONCE
    found = lesion_scores.outputs(list(surgeries.values()), images.x, anew=anew, at_once=at_once).values
    records = []
    for (measure, block), logits in zip(surgeries, found, strict=True):
        for seed, value in zip(seeds, networks.right(logits, images.y, setting.size).tolist(), strict=True):
            records.append({"seed": seed, "measure": measure, "block": block, "value": value})
    if setting.statistics == "trained":
        for seed, x in zip(seeds, images.x.split(setting.size), strict=True):
            records += [{"seed": seed, "measure": "ratio"} | record for record in changed(net, x)]
    return pd.DataFrame(records).assign(depth=setting.depth, statistics=setting.statistics)


def lesions(net: Stack) -> Iterator[tuple[tuple[str, int], Stack]]:
    """The network itself, without each block, without the branch of each block that changes the shape, and without any.

    The last one has the shortcuts alone, so that nothing that was learned in a block is left.
    """
    free, every = lesion.removable(net), range(len(net.blocks))
    yield ("whole", -1), net
    yield from ((("removed", i), without) for i, without in lesion.singles(net).items())
    yield from ((("transition", i), lesion.scale(net, {i: 0.0})) for i in every if i not in free)
    yield ("shortcuts", -1), lesion.scale(net, dict.fromkeys(every, 0.0))


def scrambled(net: Stack) -> Stack:
    """The network with the entries of each convolution of its last stage in random order: as large, nothing learned."""
    made, first = copy.deepcopy(net), last_stage(net)
    for i in range(first, len(made.blocks)):
        for name, layer in made.blocks[i].named_modules():
            if isinstance(layer, nn.Conv2d):
                generator = runtime.stream(0, "published", "scrambled", i, name)
                order = torch.randperm(layer.weight.numel(), generator=generator)
                layer.weight.data = layer.weight.data.flatten()[order].view_as(layer.weight)
    return made


def last_stage(net: Stack) -> int:
    """Position of the first block of the last stage, which changes the shape; 0 where none does."""
    free = lesion.removable(net)
    return max((i for i in range(len(net.blocks)) if i not in free), default=0)


def changed(net: Stack, x: Tensor) -> list[dict[str, float]]:
    """For each block of the last stage that can be removed, the change of the last state over the term removed.

    The median over the images; an image on which a block adds nothing has no ratio.
    """
    records = []
    with torch.no_grad():
        states = net.states(x)
        for position in lesion.removable(net):
            if position < last_stage(net):
                continue
            last = states[position]  # passes in the place of the block, as `lesion.delete` has it
            for block in net.blocks[position + 1 :]:
                last = block(last)
            change = (states[-1] - last).flatten(1).norm(dim=1)
            term = (states[position + 1] - states[position]).flatten(1).norm(dim=1)
            records.append({"block": position, "value": float((change[term > 0] / term[term > 0]).median())})
    return records


def rows(table: pd.DataFrame, depth: int, statistics: str, *measures: str) -> pd.DataFrame:
    """Points of accuracy below the whole network, for each group and lesion of the named kinds."""
    chosen = table[(table["depth"] == depth) & (table["statistics"] == statistics)]
    whole = chosen[chosen["measure"] == "whole"].set_index("seed")["value"]
    found = chosen[chosen["measure"].isin(measures)]
    return found.assign(loss=100 * (found["seed"].map(whole) - found["value"]))


def lost(table: pd.DataFrame, depth: int, statistics: str = "trained", over: str = "median") -> np.ndarray:
    """Points lost without one block that keeps the shape, one value a group: the block that is the median, or `max`.

    Which one that is, is decided by the means over all groups; the median of each group alone would be biased where few
    images make the losses of single blocks uncertain.
    """
    wide = rows(table, depth, statistics, "removed").pivot(index="seed", columns="block", values="loss")
    order = wide.mean().sort_values(kind="stable").index
    return wide[order[-1] if over == "max" else order[(len(order) - 1) // 2]].to_numpy()


def _control(table: pd.DataFrame, depth: int, statistics: str = "trained") -> np.ndarray:
    """Points lost where the last stage has its weights in random order, one value a group."""
    return rows(table, depth, statistics, "scrambled").groupby("seed")["loss"].first().to_numpy()


def graceful(depth: int, statistics: str = "trained"):
    """The measure of a network: points lost at the median block; control: its last stage scrambled."""

    def measure(table: pd.DataFrame) -> Evidence:
        found = lost(table, depth, statistics), _control(table, depth, statistics)
        return Evidence(*found, unit="percentage points")

    measure.__doc__ = f"Points lost at the median block of {depth} layers, one value a group; control: scrambled."
    return measure


graceful_deep, graceful_shallow, graceful_anew = graceful(56), graceful(20), graceful(56, "anew")


def graceful_depth(table: pd.DataFrame) -> Evidence:
    """Points that 20 layers lose more than 56 at the median block, one value a group; control: 56 layers scrambled."""
    shallow, deep = lost(table, 20), lost(table, 56)
    return Evidence(shallow - deep, shallow - _control(table, 56), unit="percentage points")


def term(table: pd.DataFrame) -> Evidence:
    """Largest |log2| over the last stage of 56 layers of change over term, one value a group; control: last block."""
    chosen = table[(table["depth"] == 56) & (table["statistics"] == "trained")]
    octaves = (
        chosen[chosen["measure"] == "ratio"].pivot(index="seed", columns="block", values="value").map(np.log2).abs()
    )
    return Evidence(octaves.max(axis=1).to_numpy(), octaves[octaves.columns.max()].to_numpy(), unit="octaves")


def _settings(trained: int, anew: int, learned: int) -> tuple[Lesions, ...]:
    sizes = dict(zip(STATISTICS, (trained, anew), strict=True))
    return tuple(Lesions(depth, sizes[kind], learned, statistics=kind) for kind in STATISTICS for depth in DEPTHS)


_GRIDS = networks.grids(_settings(40, 40, 100), _settings(250, 100, 250))
LESIONS = Experiment("published-lesions", trial, *_GRIDS, data=DATA, agrees=ROUNDED)
