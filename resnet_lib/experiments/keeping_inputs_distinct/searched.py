"""A search whose steps shrink, in the blocks of trained residual MLPs, and folds that lie beyond all its starts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import data, nets
from resnet_lib.analysis import collisions
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.keeping_inputs_distinct import folds, trained
from resnet_lib.experiments.keeping_inputs_distinct.folds import Weights
from resnet_lib.experiments.keeping_inputs_distinct.trained import BEST, FOUND, Trained
from resnet_lib.sweep import SAMPLED, Experiment, Grid

SEEDS, MANY_SEEDS = tuple(range(20, 30)), tuple(range(20, 40))
"""None of them has been looked at before."""


def searched_trial(setting: Trained, seeds: Sequence[int]) -> pd.DataFrame:
    """Least ratios of distances that a search with shrinking steps finds in trained blocks; one row per (seed, block).

    `searched` is that of the block, `guarded` of a copy whose branch has the constant 0.5, and `beyond` of such a copy
    with a fold that no start sees. `inside` is the least where the search starts in that fold.

    What is measured after a training that diverged is NaN.
    """
    fitted, x = trained.fit(setting, seeds), data.load("digits", flat=True).test.x
    ends = []
    for seed, lost in zip(seeds, fitted.diverged, strict=True):
        net = fitted.net(seed, 0 if lost else setting.epochs)
        assert isinstance(net, nets.Stack)
        with torch.no_grad():
            ends.append((net, [state.double() for state in net.states(x[: folds.PAIRED])]))
    found = pd.DataFrame(least(ends))
    found[np.repeat(fitted.diverged, setting.blocks)] = np.nan
    return found.assign(seed=np.repeat(seeds, setting.blocks), block=np.tile(range(setting.blocks), len(seeds)))


def least(ends: Sequence[tuple[nets.Stack, Sequence[Tensor]]]) -> dict[str, np.ndarray]:
    """The least ratios in the blocks of some residual networks, given with their states; one value per block."""
    weights = folds.stacked([net for net, _ in ends])
    x = torch.cat([torch.stack(list(states[:-1])) for _, states in ends])
    tamed = folds.contracted(weights, 0.5)
    hidden, at, along = beyond(tamed, x)
    begun = folds.starts(hidden, x)
    found = {
        "searched": search(weights, folds.starts(weights, x)),
        "guarded": search(tamed, folds.starts(tamed, x)),
        "beyond": search(hidden, begun),
        "inside": search(hidden, (at[:, None].expand_as(begun[0]), along[:, None].expand_as(begun[1]), begun[2])),
    }
    return {name: values.numpy() for name, values in found.items()}


def search(weights: Weights, begin: folds.Starts) -> Float[Tensor, " block"]:
    """The least ratio that a search with shrinking steps finds in each block."""
    return folds.search(weights, begin, collisions.refine).ratio


def beyond(weights: Weights, x: Float[Tensor, "block n d"]) -> tuple[Weights, Tensor, Tensor]:
    """`folds.folded` with a unit that is off at all candidates for a start and at both inputs of all first pairs.

    The fold is at the image, of those from `folds.PLANT` on, that lies farthest beyond all of these in the direction in
    which it is folded. Its unit goes on halfway there.

    Returns:
        The weights, the state at which each block is flat, and the direction in which it is.
    """
    bare = {name: w.clone() for name, w in weights.items()}
    bare["branch.weight2.weight"][:, :, 0] = 0
    centres, directions, reach = folds.starts(bare, x)
    half = reach[..., None] / 2 * directions
    seen = torch.relu(torch.cat([x[:, : folds.NEAREST], x.mean(1, keepdim=True), centres + half, centres - half], 1))
    places = x[:, folds.PLANT :]
    u = (places - x.mean(1, keepdim=True)) * (places > 0)
    u = u / u.norm(dim=2, keepdim=True)
    own, farthest = (u * torch.relu(places)).sum(2), (u @ seen.mT).amax(2)
    first = (own - farthest).argmax(1)
    rows = torch.arange(len(x))
    at, along = places[rows, first], u[rows, first]
    found = folds.folded(weights, at, x.mean(1))
    found["branch.weight1.bias"][:, 0] = -(own + farthest)[rows, first] / 2
    return found, at, along


_NETWORKS = tuple(Trained("residual", blocks, BEST["residual", blocks]) for blocks in (5, 10))
SEARCHED = Experiment(
    "distinct-searched",
    searched_trial,
    Grid(_NETWORKS[:1], SEEDS),
    Grid(_NETWORKS[1:], MANY_SEEDS),
    data=("digits",),
    agrees=SAMPLED,
)
CHOICES = choices.Choices(SEARCHED, choices.ways(_NETWORKS[:1]), SEEDS[:5])


def nearly(table: pd.DataFrame) -> Evidence:
    """Least ratio that steps which shrink find, one value per seed; control: branches of constant 0.5."""
    found = table.groupby("seed")[["searched", "guarded"]].min()
    return Evidence(found["searched"].to_numpy(), found["guarded"].to_numpy())


def shares(table: pd.DataFrame, column: str) -> np.ndarray:
    """Share of the blocks in which a ratio below `FOUND` was found, one value per seed; NaN where training diverged."""
    found = (table[column] < FOUND).astype(float).where(table[column].notna())
    return found.groupby(table["seed"]).mean().to_numpy()


def out_of_reach(table: pd.DataFrame) -> Evidence:
    """Share of the blocks in which a fold beyond all starts is found, one value per seed; control: from within it."""
    return Evidence(shares(table, "beyond"), shares(table, "inside"))
