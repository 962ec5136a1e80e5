"""The grid of networks on CIFAR-10: pre-activation ResNets of 50 to 998 layers, a few epochs, for their loss alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from resnet_lib.experiments.plain_networks import depths, stacks
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import Fit, tuning, zoo
from resnet_lib.training.recipes import ONE_CYCLE

DEPTHS = (50, 110, 302, 998)
"""Of basic blocks, 6n + 2 layers; 998 is the one closest to the published 1001, which has bottlenecks."""


@dataclass(frozen=True)
class Deep:
    """A ResNet for CIFAR-10 of ``depth`` layers with the blocks of a variant of ``stacks.VARIANTS``."""

    variant: str
    depth: int
    lr: float
    epochs: int = 5
    width: int = 16

    @property
    def blocks(self) -> int:
        """How many blocks it has."""
        return (self.depth - 2) // 2


def fit(setting: Deep, seeds: Sequence[int], device: str = "cpu") -> Fit:
    """The trained networks of the setting."""
    made = stacks.recipe(setting.variant, setting.blocks)
    recipe = replace(ONE_CYCLE, epochs=setting.epochs, lr=setting.lr)
    network = zoo.Network("cifar-resnet", setting.depth, "cifar10", recipe, made.unit, setting.width)
    return zoo.train(network, seeds, device=device)


def trial(setting: Deep, seeds: Sequence[int], device: str = "cpu") -> pd.DataFrame:
    """As `depths.trial`."""
    return depths.summary(fit(setting, seeds, device).history)


def tuning_trial(setting: Deep, seeds: Sequence[int], device: str = "cpu") -> pd.DataFrame:
    """As `depths.tuning_trial`."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds, device), setting.lr)


# Not tuned yet: `depth-cifar10-tuning` is defined and takes a GPU. Until then He et al.'s rate, and for the shortcut
# alone the largest at which the first step of the digits' networks stays finite.
BEST = {"norm": 0.1, "scaled": 0.1, "bare": 1e-6, "plain-norm": 0.1}

DEEP = Experiment(
    name="depth-cifar10",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=(Deep("norm", 14, 0.1, epochs=1),), seeds=(0,)),
    full=Grid(
        settings=(
            *(Deep(variant, depth, BEST[variant]) for variant in ("norm", "scaled") for depth in DEPTHS),
            *(Deep(variant, 110, BEST[variant]) for variant in ("bare", "plain-norm")),
        ),
        seeds=depths.SEEDS,
        group=1,
    ),
    data=("cifar10",),
)

_GRIDS = tuning.grids([Deep("norm", 14, 0.1, epochs=1)], [Deep(variant, 110, lr) for variant, lr in BEST.items()])
TUNING = Experiment("depth-cifar10-tuning", tuning_trial, *_GRIDS, data=("cifar10",), agrees=SAMPLED)
