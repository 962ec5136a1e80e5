"""How well the classes can be read, by a linear map, from what a published network has at the end of each stage.

The map is ridge regression of the classes on the mean of each channel over the image, as the network's own head reads.
A seed is a group of test images, as in `published`: no training of a network is involved.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from resnet_lib import data
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.what_a_unit_sees.published import DATA, DEPTHS, ends, images
from resnet_lib.sweep import ROUNDED, Experiment, Grid, Result

AT_ONCE = 50
"""Images in one call; with more, states leave the CPU's caches."""
RIDGE = 1e-3
"""Weight of the squared coefficients beside the mean squared error, columns having the deviation 1."""
LEARNERS = ("all", "first half", "second half")
"""Parts of the images from which a map is learned."""


@dataclass(frozen=True)
class Probes:
    """A published network, and the images from which and on which its states are read.

    Attributes:
        depth: Weight layers.
        size: Test images of a group.
        learned: Images from which the map is learned.
        source: Whose images these are: the first of `train`, which the network has seen, or the last of `test`.
        ridge: Weight of the squared coefficients.
        patches: Parts of each side of the image over which channels are averaged: 1, or 2 for the quarters.
    """

    depth: int
    size: int = 250
    learned: int = 5000
    source: str = "train"
    ridge: float = RIDGE
    patches: int = 1


def probes_trial(setting: Probes, seeds: Sequence[int]) -> pd.DataFrame:
    """Accuracy of the linear map at the end of each stage; one row per group, stage and part of the learned images.

    Raises:
        ValueError: Where a group has images from which the map is learned, or which there are not.
    """
    source, test = images(setting.source), images("test")
    start = 0 if setting.source == "train" else len(test.x) - setting.learned
    free = len(test.x) if setting.source == "train" else start
    if (last := (max(seeds) + 1) * setting.size) > free:
        raise ValueError(f"group {max(seeds)} of size={setting.size} needs {last} images; {free} are free for groups")
    known = features(setting.depth, setting.source, start, start + setting.learned)
    y, half = source.y[start : start + setting.learned], setting.learned // 2
    parts = dict(zip(LEARNERS, (slice(setting.learned), slice(half), slice(half, setting.learned)), strict=True))
    records = []
    for seed in seeds:
        rows = slice(seed * setting.size, (seed + 1) * setting.size)
        new = features(setting.depth, "test", rows.start, rows.stop)
        for stage, (have, ask) in enumerate(zip(known, new, strict=True), start=1):
            have, ask = (averaged(one, setting.patches) for one in (have, ask))
            for name, part in parts.items():
                hits = read(have[part], y[part], ask, setting.ridge) == test.y[rows]
                records.append({"seed": seed, "stage": stage, "part": name, "accuracy": float(hits.double().mean())})
    return pd.DataFrame(records)


@functools.cache
def features(depth: int, part: str, start: int, stop: int) -> list[Tensor]:
    """Means of the channels over each quarter of the image, at the end of each stage; (images, channels, 2, 2)."""
    net, x = data.published(depth), images(part).x[start:stop]
    found: dict[int, list[Tensor]] = {end: [] for end in ends(depth)}
    with torch.no_grad():
        for piece in x.split(AT_ONCE):
            state = net.stem(piece)
            for count, block in enumerate(net.blocks, start=1):
                state = block(state)
                if count in found:
                    found[count].append(functional.adaptive_avg_pool2d(state, 2))
    return [torch.cat(pieces) for pieces in found.values()]


def averaged(quarters: Tensor, patches: int) -> Tensor:
    """One row an image: means over the whole of it, or over its quarters."""
    return functional.adaptive_avg_pool2d(quarters, patches).flatten(1)


def read(known: Tensor, y: Tensor, new: Tensor, ridge: float = RIDGE) -> Tensor:
    """The class whose indicator ridge regression on `known` predicts largest, for each row of `new`."""
    mean, deviation = known.double().mean(0), known.double().std(0).clamp(min=1e-9)
    have, ask = ((part.double() - mean) / deviation for part in (known, new))
    target = functional.one_hot(y, 10).double()
    gram = have.mT @ have + ridge * len(have) * torch.eye(have.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, have.mT @ (target - target.mean(0)))
    return (ask @ weights + target.mean(0)).argmax(1)


def accuracy(table: pd.DataFrame, stage: int, depth: int, part: str = "all") -> np.ndarray:
    """Percent of each group that is read rightly, one value a group, by the map learned from a part of the images."""
    rows = table[(table["stage"] == stage) & (table["depth"] == depth) & (table["part"] == part)]
    return 100 * rows.set_index("seed")["accuracy"].sort_index().to_numpy()


def _richer(stage: int):
    def measure(table: pd.DataFrame) -> Evidence:
        deep, shallow = (accuracy(table, stage, depth) for depth in (DEPTHS[-1], DEPTHS[0]))
        first, second = (accuracy(table, stage, DEPTHS[-1], part) for part in LEARNERS[1:])
        return Evidence(deep - shallow, first - second, unit="percentage points")

    measure.__doc__ = (
        f"Points read more at the end of stage {stage} of ResNet-56 than of ResNet-20; control: ResNet-56, by maps "
        "learned from either half of the images."
    )
    return measure


richer_first, richer = _richer(1), _richer(2)

_SETTINGS = tuple(Probes(depth) for depth in DEPTHS[:: len(DEPTHS) - 1])
PROBES = Experiment(
    name="fields-probes",
    trial=probes_trial,
    quick=Grid([replace(setting, size=40, learned=400) for setting in _SETTINGS], seeds=range(5)),
    full=Grid(_SETTINGS, seeds=range(20)),
    data=DATA,
    agrees=ROUNDED,
)


def others(result: Result) -> dict[str, Result]:
    """The result by maps from half of the images, which are in its table, by the words that name these choices."""
    parts = {name: result.table[result.table["part"] == name] for name in LEARNERS[1:]}
    return {
        f"maps from the {name} of the images": replace(
            result, table=pd.concat([part.assign(part="all"), *parts.values()], ignore_index=True), full=None
        )
        for name, part in parts.items()
    }
