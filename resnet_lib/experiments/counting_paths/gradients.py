"""Along which paths the gradient flows: sampled single paths as in Veit et al., and exact sums by length."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from resnet_lib import data, nets, runtime, training
from resnet_lib.analysis import paths
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Stack, Unit, initialisation
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import tuning

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))
DEEP = 54  # blocks of ResNet-110


@dataclass(frozen=True)
class Flow:
    """A residual network and the paths that are sampled in it.

    Attributes:
        kind: ``residual`` is trained on digits, pre-activation with batch normalisation; ``scaled`` too, without
            normalisation and with branches times 1/sqrt(blocks); ``original`` is the published network on CIFAR-10;
            ``orthogonal`` has linear orthogonal branches of size ``gain`` and is not trained.
        blocks: Number of blocks.
        lr: Highest learning rate.
        gain: Size of orthogonal branches.
        images: Test images at which gradients are taken.
        paths: Sampled paths of each length.
        epochs: Passes over the training images.
    """

    kind: str
    blocks: int = 16
    lr: float = 0.0
    gain: float = 1.0
    images: int = 50
    paths: int = 100
    epochs: int = 20


def unit_of(setting: Flow) -> Unit:
    """The recipe of the setting's blocks."""
    if setting.kind == "scaled":
        return replace(UNITS["pre"], norm="none", alpha=setting.blocks**-0.5)
    if setting.kind == "orthogonal":
        return Unit(order="W+", norm="none", alpha=setting.gain)
    return UNITS["post" if setting.kind == "original" else "pre"]


def fit(setting: Flow, seeds: Sequence[int], device: str = "cpu") -> training.Fit:
    """Train the setting's network for all seeds."""
    deep = setting.kind == "original"

    def make(generator: torch.Generator) -> nn.Module:
        if deep:
            return nets.cifar_resnet(2 * setting.blocks + 2, unit=unit_of(setting), generator=generator)
        return nets.mlp(setting.blocks, 64, unit=unit_of(setting), generator=generator)

    if deep:
        recipe = training.Recipe(setting.epochs, batch=128, lr=setting.lr, weight_decay=1e-4, augment="crop-flip")
        return training.fit(make, data.load("cifar10").to(device), recipe, seeds)
    recipe = training.Recipe(setting.epochs, batch=100, lr=setting.lr)
    return training.fit(make, data.load("digits", flat=True).to(device), recipe, seeds)


def trial(setting: Flow, seeds: Sequence[int], device: str = "cpu") -> pd.DataFrame:
    """Gradient at the first state by the length of the paths; one row per (seed, length).

    `path` is the mean norm of a single path's gradient, over sampled paths and images; `count` the number of paths of
    that length; `exact` the mean norm of the sum of the gradients of all of them.
    """
    fitted = fit(replace(setting, epochs=0) if setting.kind == "orthogonal" else setting, seeds, device)
    images = data.load("cifar10") if setting.kind == "original" else data.load("digits", flat=True)
    test = images.to(device).test
    records = []
    for seed in seeds:
        net = fitted.net(seed).double()
        assert isinstance(net, Stack)
        if setting.kind == "orthogonal":  # drawn in float64: to the last digit
            initialisation.initialise(net, runtime.stream(seed, "orthogonal"), "orthogonal")
        tape = paths.linearise(net, test.x[: setting.images].double(), test.y[: setting.images])
        sums = paths.gradients_by_length(tape).flatten(2).norm(dim=2).mean(1)
        for length, count in enumerate(paths.counts(setting.blocks)):
            generator = runtime.stream(seed, "paths", length)
            flows = paths.path_gradients(tape, length, min(setting.paths, count), generator=generator)
            record = {"seed": seed, "length": length, "count": float(count), "exact": sums[length].item()}
            records.append(record | {"path": flows.flatten(2).norm(dim=2).mean().item()})
    return pd.DataFrame(records)


# What `tuning.choose` takes of `paths-tuning`, which is stored under results/; a test compares.
BEST = {
    "residual": 0.18,
    "scaled": 0.1,
}

FLOWS = (
    Flow("residual", lr=BEST["residual"]),
    Flow("scaled", lr=BEST["scaled"]),
    Flow("orthogonal"),
    Flow("orthogonal", gain=0.01),
)

GRADIENTS = Experiment(
    name="paths-gradients",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=FLOWS, seeds=SEEDS),
    full=Grid(settings=tuple(replace(flow, images=200, paths=1000) for flow in FLOWS), seeds=MANY_SEEDS, group=5),
    data=("digits",),
)

# Needs CIFAR-10 and, in FULL, a GPU; no page runs it.
CIFAR10 = Experiment(
    name="paths-cifar10",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=(Flow("original", 3, 0.1, epochs=2),), seeds=SEEDS, group=1),
    full=Grid(settings=(Flow("original", DEEP, 0.1, paths=1000, epochs=164),), seeds=SEEDS, group=1),
    data=("cifar10",),
)


def tuning_trial(setting: Flow, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds), setting.lr)


START = 0.1
_GRIDS = tuning.grids([Flow("residual", 2, START)], [Flow(kind, lr=START) for kind in BEST])
TUNING = Experiment("paths-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("kind",), best=BEST)
CHOICES = choices.Choices(GRADIENTS, choices.ways(FLOWS))


def weights(table: pd.DataFrame, column: str = "path") -> pd.DataFrame:
    """The share of the gradient that each length carries, one row per (network, seed, length).

    By `path` as Veit et al. count: the number of paths times the mean norm along one; by `exact` the norm of the sum.
    """
    size = table["exact"] if column == "exact" else table["path"] * table["count"]
    of_network = [table[name] for name in ("kind", "gain", "blocks", "seed")]
    return table.assign(share=size / size.groupby(of_network).transform("sum"))


def _mean_length(table: pd.DataFrame, kind: str, column: str) -> np.ndarray:
    rows = weights(table[(table["kind"] == kind) & (table["gain"] == 1)], column)
    return (rows["share"] * rows["length"] / rows["blocks"]).groupby(rows["seed"]).sum().to_numpy()


def short_effective(table: pd.DataFrame) -> Evidence:
    """Mean length over depth by sampled paths, one value per seed; control: orthogonal branches."""
    return Evidence(values=_mean_length(table, "residual", "path"), control=_mean_length(table, "orthogonal", "path"))


def short_exact(table: pd.DataFrame) -> Evidence:
    """Mean length over depth by exact sums, one value per seed; control: orthogonal branches."""
    return Evidence(values=_mean_length(table, "residual", "exact"), control=_mean_length(table, "orthogonal", "exact"))


def short_decay(table: pd.DataFrame) -> Evidence:
    """Slope of log10 of a path's gradient against its length, one value per seed; control: orthogonal branches."""

    def slopes(kind: str) -> np.ndarray:
        rows = table[(table["kind"] == kind) & (table["gain"] == 1)]
        return np.array([np.polyfit(g["length"], np.log10(g["path"]), 1)[0] for _, g in rows.groupby("seed")])

    return Evidence(values=slopes("residual"), control=slopes("orthogonal"), unit="decades a branch")


def short_many(table: pd.DataFrame) -> Evidence:
    """Largest share of one length, one value per seed; control: orthogonal branches of size 0.01."""
    shares = weights(table).groupby(["kind", "gain", "seed"])["share"].max()
    return Evidence(values=shares["residual", 1.0].to_numpy(), control=shares["orthogonal", 0.01].to_numpy())


def short_count(table: pd.DataFrame) -> Evidence:
    """Share of the paths of 54 blocks that enter 19 to 35, counted; control: 5 to 17. Nothing is drawn."""
    return Evidence(values=np.array([paths.share(DEEP, 19, 35)]), control=np.array([paths.share(DEEP, 5, 17)]))


TOLD = {
    "factor of a branch": lambda table: 10 ** short_decay(table).values,
    "mean length over depth, sampled paths": lambda table: short_effective(table).values,
    "mean length over depth, exact sums": lambda table: short_exact(table).values,
}
"""What the page tells of gradients in numbers, one value per seed."""
