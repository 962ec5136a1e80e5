"""Networks of 100 tied layers on digits, from contracting to expanding: what one contraction per layer costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from resnet_lib import data, nets, training
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Block, blocks, dynamics, initialisation
from resnet_lib.nets.merges import Scaled
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import tuning

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))
DEPTH, WIDTH, STEP, BOUND = 100, 32, 0.05, 2.0
NEUTRAL = 1.0
FACTORS = (0.5, 0.9, 0.95, 0.9999, NEUTRAL)


@dataclass(frozen=True)
class Contracting:
    """``x -> factor x + h tanh((K - K^T)x + b)`` 100 times with one ``K``, between a linear layer and another.

    With ``h = 0.05`` and a bound of 2 on ``K - K^T`` the eigenvalues of a layer lie on or outside the circle of radius
    ``factor`` by no more than ``sqrt(factor^2 + 0.01)``, whatever training does: a contracting network stays one.
    """

    factor: float
    lr: float
    dataset: str = "digits"
    width: int = WIDTH
    epochs: int = 8


def fit(setting: Contracting, seeds: Sequence[int]) -> training.Fit:
    """Train the setting's network for all seeds together."""
    samples = data.load(setting.dataset, flat=True)

    def make(generator: torch.Generator) -> nn.Module:
        width = setting.width
        branch = nn.Sequential(dynamics.Antisymmetric(width, bound=BOUND), nn.Tanh())
        block = Block(branch, nn.Identity(), Scaled(setting.factor, STEP))
        stem, head = blocks.Linear(samples.shape[0], width), blocks.Linear(width, samples.classes)
        net = nets.Stack(stem, [dynamics.Repeat(block, DEPTH)], head, shape=samples.shape)
        return initialisation.initialise(net, generator, "lecun")

    recipe = training.Recipe(epochs=setting.epochs, batch=50, lr=setting.lr)
    return training.fit(make, samples, recipe, seeds)


def contracting_trial(setting: Contracting, seeds: Sequence[int]) -> pd.DataFrame:
    """Accuracy after training (chance where it diverged), and what the layers do; one row per seed.

    `radius` is the spectral radius of the layer at 0; `start` and `end` are the mean norms of the states of test images
    before the first layer and after the last, NaN where training diverged.
    """
    fitted = fit(setting, seeds)
    last = fitted.history[fitted.history["epoch"] == setting.epochs].set_index("seed")
    samples = data.load(setting.dataset, flat=True)
    chance, images = 1 / samples.classes, samples.test.x.double()
    radius, norms = [], []
    for seed, lost in zip(seeds, fitted.diverged, strict=True):
        net = fitted.net(seed)
        assert isinstance(net, nets.Stack)
        layer = net.get_submodule("blocks.0.block.branch.0")
        assert isinstance(layer, dynamics.Antisymmetric)
        slopes = 1 - torch.tanh(layer.bias.detach()) ** 2
        step = setting.factor * torch.eye(setting.width) + STEP * slopes[:, None] * layer.matrix().detach()
        finite = bool(torch.isfinite(step).all())
        radius.append(float(torch.linalg.eigvals(step).abs().max()) if finite else np.nan)
        with torch.no_grad():
            states = net.double().states(images)
        norms.append([np.nan if lost else float(states[at].norm(dim=1).mean()) for at in (0, -1)])
    start, end = np.transpose(norms)
    return pd.DataFrame(
        {
            "seed": list(seeds),
            "test_accuracy": last.loc[list(seeds), "test_accuracy"].fillna(chance).to_numpy(),
            "validation_accuracy": last.loc[list(seeds), "validation_accuracy"].fillna(chance).to_numpy(),
            "diverged": list(fitted.diverged),
            "radius": radius,
            "start": start,
            "end": end,
        }
    )


# What `tuning.choose` takes of `stability-tuning`, which is stored under results/; a test compares.
BEST = {
    0.5: 3e29,
    0.9: 6500.0,
    0.95: 27.0,
    0.9999: 0.059,
    1.0: 0.058,
}

_NETWORKS = tuple(Contracting(f, BEST[f]) for f in FACTORS)
CONTRACTING = Experiment.repeated(
    "stability-contracting", contracting_trial, _NETWORKS, SEEDS, MANY_SEEDS, data=("digits",), agrees=SAMPLED
)
# The same on a larger dataset, at the rates of the digits; no claim reads it yet.
FASHION = Experiment(
    name="stability-contracting-fashion",
    agrees=SAMPLED,
    trial=contracting_trial,
    quick=Grid(settings=(Contracting(1.0, BEST[1.0], dataset="fashion-mnist", width=64),), seeds=SEEDS[:1]),
    full=Grid(
        settings=tuple(Contracting(f, BEST[f], dataset="fashion-mnist", width=64) for f in FACTORS), seeds=MANY_SEEDS
    ),
    data=("fashion-mnist",),
)


def tuning_trial(setting: Contracting, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds), setting.lr, number=11)


START = {factor: tuning.rounded(0.05 * factor**-DEPTH) for factor in FACTORS}
"""What DEPTH contractions leave of a signal and of a gradient, a rate can make up for: so far the search starts up."""
_GRIDS = tuning.grids([Contracting(0.95, START[0.95])], [Contracting(f, START[f]) for f in FACTORS])
TUNING = Experiment("stability-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("factor",), best=BEST)
CHOICES = choices.Choices(CONTRACTING, choices.ways(CONTRACTING.quick.settings, same=BEST[NEUTRAL]))


def _cost(factor: float):
    def measure(table: pd.DataFrame) -> Evidence:
        accuracy = 100 * table.pivot(index="seed", columns="factor", values="test_accuracy")
        lost = accuracy.rsub(accuracy[NEUTRAL], axis=0)
        return Evidence(values=lost[factor].to_numpy(), control=lost[0.9999].to_numpy(), unit="percentage points")

    measure.__doc__ = f"Accuracy of the neutral network minus that with factor {factor}; control: 0.9999."
    return measure


mild = _cost(0.95)
strong = _cost(0.5)
