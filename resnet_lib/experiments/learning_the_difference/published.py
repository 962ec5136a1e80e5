r"""What the blocks of published networks add to their states: how large it is, and whether it points to the margin.

A seed is a group of test images: group `k` of size `n` holds the images `k n` to `k n + n - 1`. No training is
involved, so that nothing varies but the image.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from resnet_lib import data, runtime
from resnet_lib.analysis import corrections
from resnet_lib.data import Split
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.learning_the_difference.measures import exceeded, slopes
from resnet_lib.experiments.learning_the_difference.pointing import mean_cosines
from resnet_lib.sweep import ROUNDED, Experiment, Grid

DEPTHS = (20, 32, 44, 56)
DATA = ("cifar10", *(f"published-{depth}" for depth in DEPTHS))


@dataclass(frozen=True)
class Published:
    """A published network and the images at which its blocks are measured.

    Attributes:
        depth: Weight layers.
        count: Images of a group.
    """

    depth: int
    count: int = 20


@functools.lru_cache(maxsize=1)
def images() -> Split:
    """The test images of CIFAR-10 as the published networks read them."""
    return data.images("test")


def group(seed: int, size: int) -> Split:
    """The test images of a group.

    Raises:
        ValueError: Where there are not so many.
    """
    found = images()
    if (last := (seed + 1) * size) > len(found):
        raise ValueError(f"group {seed} of size={size} needs {last} images; there are {len(found)}")
    return Split(found.x[last - size : last], found.y[last - size : last])


def trial(setting: Published, seeds: Sequence[int]) -> pd.DataFrame:
    """Sizes and cosines of what the blocks that keep the shape add; one row per group and block.

    `size` is the median of ||F(x)|| / ||x||, and `placebo` that of another image's ||x|| over ||x||. `own` is the mean
    cosine of F(x) and the margin's gradient at the state that the block reads, `behind` at the state that it returns;
    `other`, `another` and `other_behind` are the same with what is added at other images of the group.
    """
    net, rows = data.published(setting.depth), []
    for seed in seeds:
        part, draw = group(seed, setting.count), runtime.stream(seed, "published", "permutations")
        shift = 1 + int(torch.randint(setting.count // 2 - 1, (), generator=draw))
        first, second = (torch.arange(setting.count).roll(by) for by in (shift, -shift))  # no image stays in its place
        for found in corrections.corrections(net, part.x, part.y):
            norms = found.state.norm(dim=1)
            sizes = {"size": found.sizes(), "placebo": norms[first] / norms}
            row = mean_cosines(found, first, second)
            row |= {name: float(each.double().median()) for name, each in sizes.items()}
            rows.append({"seed": seed, "block": found.block, **row})
    return pd.DataFrame(rows)


def _grid(size: int, groups: int) -> Grid:
    return Grid([Published(depth, size) for depth in DEPTHS], seeds=range(groups), group=5)


PUBLISHED = Experiment("difference-published", trial, _grid(10, 5), _grid(20, 20), data=DATA, agrees=ROUNDED)


def aligned(table: pd.DataFrame) -> Evidence:
    """Cosine that two thirds of the blocks of ResNet-56 exceed, own minus other image's, a value a group; control."""
    rows = table[table["depth"] == DEPTHS[-1]]
    return Evidence(exceeded(rows, "own", "other"), exceeded(rows, "another", "other"))


def last(table: pd.DataFrame) -> Evidence:
    """Cosine at the last block of ResNet-56, own minus other image's, one value a group; control: two others."""
    rows = table[table["depth"] == DEPTHS[-1]]
    rows = rows[rows["block"] == rows["block"].max()].sort_values("seed")
    return Evidence(*((rows[column] - rows["other"]).to_numpy() for column in ("own", "another")))  # pyright: ignore[reportArgumentType]


def medians(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Median of a column over the blocks: one row per group, one column per number of blocks of the network."""
    rows = table.assign(blocks=(table["depth"] - 2) // 2)
    return rows.groupby(["seed", "blocks"])[column].median().unstack("blocks")


def smaller(table: pd.DataFrame) -> Evidence:
    """Slope of log median size on log blocks, one value a group; control: of another image's state."""
    return Evidence(*(slopes(medians(table, column)) for column in ("size", "placebo")))  # pyright: ignore[reportArgumentType]


def small(table: pd.DataFrame) -> Evidence:
    """Median size in ResNet-56, one value a group; control: of another image's state over the state."""
    return Evidence(*(medians(table, column)[27].to_numpy() for column in ("size", "placebo")))  # pyright: ignore[reportArgumentType]
