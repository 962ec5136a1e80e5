"""A finer search in the trained blocks, and folds that lie beyond all images from which it may start."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import data, nets
from resnet_lib.analysis import collisions
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.keeping_inputs_distinct import folds, trained
from resnet_lib.sweep import SAMPLED, Experiment, Grid, Result

COLUMNS = ("searched", "guarded", "planted", "beyond")


def trial(setting: trained.Trained, seeds: Sequence[int]) -> pd.DataFrame:
    """What descent with steps that shrink finds in each residual block after training; one row per (seed, state).

    `searched`, `guarded` and `planted` are those of `trained.trial`; `beyond` is the least ratio in a copy of constant
    0.5 with a fold whose unit is off at all states from which a search may start. The last state has no block, and a
    training that diverged no number.
    """
    fitted, x = trained.fit(setting, seeds), data.load("digits", flat=True).test.x
    nets_, states = [], []
    for seed, lost in zip(seeds, fitted.diverged, strict=True):
        net = fitted.net(seed, 0 if lost else setting.epochs)
        assert isinstance(net, nets.Stack)
        nets_.append(net)
        with torch.no_grad():
            states.append(torch.stack([state.double() for state in net.states(x)[:-1]])[:, : folds.PAIRED])
    weights, at = folds.stacked(nets_), torch.cat(states)
    tamed = folds.contracted(weights, 0.5)
    plant, mean, starts = at[:, folds.PLANT], at.mean(1), at[:, : folds.NEAREST]
    copies = (weights, tamed, folds.folded(tamed, plant, mean), beyond_all(tamed, plant, mean, starts))
    together = {name: torch.cat([copy[name] for copy in copies]) for name in weights}
    ratios = search(together, starts.repeat(len(copies), 1, 1)).chunk(len(copies))
    blocks = setting.blocks
    table = pd.DataFrame({"seed": np.repeat(seeds, blocks), "state": np.tile(range(blocks), len(seeds))})
    for name, values in zip(COLUMNS, ratios, strict=True):
        table[name] = np.where(np.repeat(fitted.diverged, blocks), np.nan, values.numpy())
    last = pd.DataFrame({"seed": seeds, "state": blocks} | dict.fromkeys(COLUMNS, np.nan))
    return pd.concat([table, last], ignore_index=True).assign(epoch=setting.epochs, part=0)


def beyond_all(
    weights: folds.Weights,
    x: Float[Tensor, "block d"],
    mean: Float[Tensor, "block d"],
    starts: Float[Tensor, "block n d"],
) -> folds.Weights:
    """The weights with a fold as `folds.folded` makes it, at a state that is moved on until no start is near it.

    The direction has the coordinates in which the state is positive and above the mean. The state moves along it until
    it is farther out than all starts by as much as it was beyond the mean; the unit is on in the outer half of the way.
    """
    u = (x - mean).clamp(min=0) * (x > 0)
    u = u / u.norm(dim=1, keepdim=True)
    out, least = ((u * torch.relu(z)).sum(1) for z in (x, mean))
    top = (u[:, None] * torch.relu(starts)).sum(2).amax(1)
    far = x + ((top - out).clamp(min=0) + out - least)[:, None] * u
    return folds.folded(weights, far, far - ((u * torch.relu(far)).sum(1) - top)[:, None] * u)


def search(weights: folds.Weights, x: Float[Tensor, "block n d"]) -> Float[Tensor, " block"]:
    """The least ratio in each block that the search of `folds.search` finds where its steps shrink in the end."""
    blocks, _, d = x.shape
    jacobians = folds._jacobians(weights, x)
    values, vectors = torch.linalg.eigh(jacobians.mT @ jacobians)
    chosen = values[:, :, 0].argsort(1)[:, : folds.SEARCHES, None].expand(-1, -1, d)
    centres, directions = (part.gather(1, chosen).flatten(0, 1) for part in (x, vectors[..., 0]))
    reach = x.norm(dim=2).mean(1)[:, None] * 2.0 ** torch.linspace(-4, 0, folds.SEARCHES, dtype=x.dtype)

    def flat(z: Tensor) -> Tensor:
        return folds.applied(weights, z.unflatten(0, (blocks, -1))).flatten(0, 1)

    found = collisions.collide(flat, centres, directions, reach.flatten(), steps=folds.STEPS)
    return collisions.sharpened(flat, found).ratio.reshape(blocks, -1).amin(1)


def _residual(settings: Sequence[trained.Trained]) -> tuple[trained.Trained, ...]:
    return tuple(setting for setting in settings if setting.variant == "residual")


_FIVE, _TEN = (_residual(grid.settings) for grid in (trained.TRAINED.quick, trained.TRAINED.full))
SEARCHED = Experiment(
    name="distinct-searched",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=_FIVE, seeds=trained.SEEDS[:1]),
    full=Grid(settings=_FIVE + _TEN, seeds=trained.MANY_SEEDS),
    data=("digits",),
)
"""Only FULL is meant to be read, which is stored."""


def finer(found: Result | None) -> dict[str, Result]:
    """The stored results as other choices for the networks of both sizes, by the words that name them."""
    words = {5: "a search whose steps shrink", 10: "ten blocks, a search whose steps shrink"}
    if found is None:
        return {}
    return {told: found.of(lambda table, size=size: table[table["blocks"] == size]) for size, told in words.items()}


def beyond(table: pd.DataFrame) -> Evidence:
    """Share of the blocks in which a fold beyond all starts is found, one value a seed; control: without the fold."""
    rows = table[table["state"] < table["blocks"]]
    ratios = rows[["beyond", "guarded"]]
    shares = (ratios < trained.FOUND).astype(float).where(ratios.notna()).groupby(rows["seed"]).mean()
    return Evidence(shares["beyond"].to_numpy(), shares["guarded"].to_numpy())
