"""The networks that lose blocks: small ones on digits, the published ones on CIFAR-10, and how fast each may learn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import nn

from resnet_lib import data, nets, training
from resnet_lib.evidence import choices
from resnet_lib.nets import Unit, stochastic_depth
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import SAMPLED, Experiment
from resnet_lib.training import tuning

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))

BARE = replace(UNITS["pre"], norm="none")
VARIANTS = {
    "residual": UNITS["pre"],
    "scaled": BARE,  # alpha = 1/sqrt(blocks) is set by `unit_of`
    "bare": BARE,
    "plain": UNITS["plain-pre"],
    "plain-bare": BARE.plain(),
    "plain-identity": Unit(order="one-layer", norm="none", residual=False),
    "original": UNITS["post"],
    "plain-original": UNITS["plain"],
}


@dataclass(frozen=True)
class Network:
    """A network and how it is trained, by SGD with a one-cycle schedule.

    On ``digits`` it is an MLP of width 64, on ``cifar10`` the network of He et al. with ``2 * blocks + 2`` layers.

    Attributes:
        variant: A key of ``VARIANTS``; ``plain-identity`` starts with all its blocks the identity.
        blocks: Number of blocks.
        lr: Highest learning rate.
        last: Chance of the last block to survive a training step; 1 is training without stochastic depth.
        decay: How the chances fall towards ``last``.
        dataset: ``digits`` or ``cifar10``.
        epochs: Passes over the training images.
        batch: Images in a step.
        weight_decay: As in ``training.Recipe``.
        augment: As in ``training.Recipe``.
    """

    variant: str
    blocks: int
    lr: float
    last: float = 1.0
    decay: str = "linear"
    dataset: str = "digits"
    epochs: int = 20
    batch: int = 100
    weight_decay: float = 0.0
    augment: str = "none"


def unit_of(setting: Network) -> Unit:
    """The recipe of the setting's blocks."""
    unit = VARIANTS[setting.variant]
    return replace(unit, alpha=setting.blocks**-0.5) if setting.variant == "scaled" else unit


def make(setting: Network, generator: torch.Generator) -> nn.Module:
    """The untrained network; stochastic depth changes neither its weights nor their names."""
    if setting.dataset == "digits":
        net = nets.mlp(setting.blocks, 64, unit=unit_of(setting), generator=generator)
    else:
        net = nets.cifar_resnet(2 * setting.blocks + 2, unit=unit_of(setting), generator=generator)
    if setting.variant == "plain-identity":
        with torch.no_grad():
            for layer in net.blocks.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.eye_(layer.weight)
    if setting.last == 1:
        return net
    chances = stochastic_depth.survival(setting.blocks, setting.last, setting.decay)
    return stochastic_depth.wrap(net, chances, generator=generator)


def dataset(setting: Network, device: str = "cpu") -> data.Dataset:
    """The images that the setting's network learns and is measured on."""
    found = data.load("digits", flat=True) if setting.dataset == "digits" else data.load(setting.dataset)
    return found.to(device)


def fit(setting: Network, seeds: Sequence[int], device: str = "cpu") -> training.Fit:
    """Train the setting's network for all seeds together."""
    recipe = training.Recipe(
        epochs=setting.epochs,
        batch=setting.batch,
        lr=setting.lr,
        weight_decay=setting.weight_decay,
        augment=setting.augment,
    )
    return training.fit(lambda generator: make(setting, generator), dataset(setting, device), recipe, seeds)


def tuning_trial(setting: Network, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds), setting.lr)


START = 0.1
STOCHASTIC = 0.5
"""Networks of another chance than this, or than 1, learn at its rate."""

# What `tuning.choose` takes of `dropping-tuning`, which is stored under results/; a test compares. The key: variant,
# blocks, the last block's chance to survive.
BEST = {
    ("bare", 10, 1.0): 0.01,
    ("plain", 10, 1.0): 0.1,
    ("plain-bare", 10, 1.0): 0.0057,
    ("plain-identity", 10, 1.0): 0.037,
    ("residual", 3, 1.0): 0.18,
    ("residual", 3, STOCHASTIC): 0.18,
    ("residual", 10, 1.0): 0.32,
    ("residual", 10, STOCHASTIC): 0.57,
    ("scaled", 10, 1.0): 0.057,
}
_GRIDS = tuning.grids(
    [Network("residual", 3, START)], [Network(variant, blocks, START, last=last) for variant, blocks, last in BEST]
)
TUNING = Experiment("dropping-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("variant", "blocks", "last"), best=BEST)
