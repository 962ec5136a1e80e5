"""What a unit of a published network sees of the image, at the end of each stage, trained and with its weights redrawn.

A seed is a group of test images: group `k` of size `n` holds the images `k n` to `k n + n - 1`. No training is
involved, so that nothing varies but the image, and the draw of the weights where they are redrawn.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, nets, runtime
from resnet_lib.analysis import fields, statistics
from resnet_lib.data import Split
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Stack
from resnet_lib.sweep import ROUNDED, Experiment, Grid

DEPTHS = (20, 32, 44, 56)
DATA = ("cifar10", *(f"published-{depth}" for depth in DEPTHS))
WEIGHTS = ("trained", "redrawn")
"""As published; or of He's initialisation, a draw for each group, with batch statistics of training images."""
PARTS = 4
"""Equal parts of a group, so that one network can stand in the place of four."""
RADII = (0, 1, 2, 4, 8)
"""Pixels about the central one within which shares are counted."""


@dataclass(frozen=True)
class Fields:
    """A network of the published architecture, and the images whose maps are averaged.

    Attributes:
        depth: Weight layers.
        weights: One of `WEIGHTS`.
        size: Images of a group, a multiple of `PARTS`.
        probes: Random weights of channels, over which energies are summed.
        learned: Training images from which redrawn networks have their batch statistics.
    """

    depth: int
    weights: str = "trained"
    size: int = 20
    probes: int = 4
    learned: int = 100


def fields_trial(setting: Fields, seeds: Sequence[int]) -> pd.DataFrame:
    """Variance and central shares of the mean map at the end of each stage; one row per group, stage and part."""
    records = []
    for seed in seeds:
        net, x = network(setting, seed), group(seed, setting.size)
        for stage, end in enumerate(ends(setting.depth), start=1):
            maps = energy(net, end, x, setting.probes, seed)
            shuffled = _shuffled(maps, seed)
            for part, (one, mixed) in enumerate(zip(maps.chunk(PARTS), shuffled.chunk(PARTS), strict=True)):
                found = {"variance": float(fields.variances(one).mean())}
                found |= {f"within{radius}": float(fields.within(one, radius).mean()) for radius in RADII}
                found |= {f"shuffled{radius}": float(fields.within(mixed, radius).mean()) for radius in (1, 8)}
                records.append({"seed": seed, "stage": stage, "part": part, **found})
    return pd.DataFrame(records).assign(depth=setting.depth, weights=setting.weights)


def network(setting: Fields, seed: int) -> Stack:
    """The published network; or one of its architecture with the weights of this seed, in evaluation mode."""
    if setting.weights == "trained":
        return data.published(setting.depth)
    made = nets.cifar_resnet(setting.depth, generator=runtime.stream(seed, "fields", "redrawn", setting.depth))
    return statistics.reestimated(made.eval(), images("train").x[: setting.learned])


@functools.lru_cache(maxsize=2)
def images(part: str) -> Split:
    """The images of CIFAR-10 as the published networks read them."""
    return data.images(part)


def group(seed: int, size: int) -> Tensor:
    """The test images of a group.

    Raises:
        ValueError: Where there are not so many.
    """
    x = images("test").x
    if (last := (seed + 1) * size) > len(x):
        raise ValueError(f"group {seed} of size={size} needs {last} images; there are {len(x)}")
    return x[last - size : last]


def ends(depth: int) -> tuple[int, int, int]:
    """Blocks up to the end of each stage.

    Example:
        >>> ends(20)
        (3, 6, 9)
    """
    stage = (depth - 2) // 6
    return stage, 2 * stage, 3 * stage


def energy(net: Stack, end: int, x: Tensor, probes: int, seed: int) -> Tensor:
    """The energy map in the image of the central unit behind so many blocks, for each image."""
    part = nn.Sequential(net.stem, *list(net.blocks)[:end])
    with torch.no_grad():
        channels = part(x[:1]).shape[1]
    weights = torch.randn(probes, channels, generator=runtime.stream(seed, "fields", "published", channels))
    return fields.energy(fields.gradients(part, x, weights))


def _shuffled(maps: Tensor, seed: int) -> Tensor:
    """The maps with their pixels in another order, one for all images of the group."""
    order = torch.randperm(maps[0].numel(), generator=runtime.stream(seed, "fields", "shuffled"))
    return maps.flatten(1)[:, order].view_as(maps)


def chosen(table: pd.DataFrame, stage: int, weights: str = "trained") -> pd.DataFrame:
    """The rows of one stage and kind of weights."""
    return table[(table["stage"] == stage) & (table["weights"] == weights)]


def widths(table: pd.DataFrame, stage: int, weights: str = "trained") -> pd.DataFrame:
    """Width of the field at the end of a stage, from the mean variance: one row a group, one column a depth."""
    mean = chosen(table, stage, weights).groupby(["seed", "depth"])["variance"].mean()
    return mean.pow(0.5).unstack("depth")


def slopes(table: pd.DataFrame) -> np.ndarray:
    """Slope of the log of each row on the log of the number of blocks; columns are depths of networks.

    Example:
        >>> slopes(pd.DataFrame({20: [1.0], 32: [5 / 3], 44: [7 / 3], 56: [3.0]})).round(6).tolist()
        [1.0]
    """
    logs = np.log((table.columns.to_numpy(dtype=float) - 2) / 2)
    centred = logs - logs.mean()
    return np.log(table.to_numpy()) @ centred / (centred @ centred)


def placebo(table: pd.DataFrame, stage: int, weights: str = "trained") -> np.ndarray:
    """The slope where one network, the deepest, stands in the place of four: at four parts of the group's images."""
    rows = chosen(table, stage, weights)
    parts = rows[rows["depth"] == DEPTHS[-1]].pivot(index="seed", columns="part", values="variance")
    return slopes(parts.pow(0.5).set_axis(list(DEPTHS), axis=1))


def _widens(stage: int, weights: str = "trained"):
    def measure(table: pd.DataFrame) -> Evidence:
        return Evidence(slopes(widths(table, stage, weights)), placebo(table, stage, weights))

    measure.__doc__ = f"Slope of log width on log depth, end of stage {stage}, {weights}; control: one net for all."
    return measure


depth_last, depth_first, depth_redrawn = _widens(3), _widens(1), _widens(1, "redrawn")


def depth_second(table: pd.DataFrame) -> Evidence:
    """Slope of log width on log depth, end of stage 2, trained; control: of the same architectures drawn anew."""
    return Evidence(*(slopes(widths(table, 2, weights)) for weights in WEIGHTS))  # pyright: ignore[reportArgumentType]


def depth_training(table: pd.DataFrame) -> Evidence:
    """Width in the first stage of ResNet-56 over that with weights redrawn; control: of one draw over another."""
    trained, redrawn = (widths(table, 1, weights)[DEPTHS[-1]].sort_index().to_numpy() for weights in WEIGHTS)
    return Evidence(trained / redrawn, np.roll(redrawn, 1) / redrawn)


def _focus(stage: int, radius: int):
    def measure(table: pd.DataFrame) -> Evidence:
        rows = chosen(table, stage)
        rows = rows[rows["depth"] == DEPTHS[-1]].groupby("seed")
        return Evidence(*(rows[f"{name}{radius}"].mean().to_numpy() for name in ("within", "shuffled")))

    measure.__doc__ = (
        f"Share within {radius} pixels at the end of stage {stage} of ResNet-56; control: pixels shuffled."
    )
    return measure


focus_first, focus_last = _focus(1, 1), _focus(3, 8)


def settings(size: int) -> list[Fields]:
    """All published depths, as trained and drawn anew, with groups of so many images."""
    return [Fields(depth, weights, size) for weights in WEIGHTS for depth in DEPTHS]


PUBLISHED = Experiment(
    name="fields-published",
    trial=fields_trial,
    quick=Grid(settings(4), seeds=range(5)),
    full=Grid(settings(20), seeds=range(20), group=5),
    data=DATA,
    agrees=ROUNDED,
)
