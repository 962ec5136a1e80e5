"""Networks of He et al. on CIFAR-10, trained in a night of two cores: plain and residual twins of 20 and 56 layers.

They are trained once, for all chapters. Those that ship with the book are read; the others are trained, a network at a
time, and kept, so that an interruption costs half a minute.
"""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from resnet_lib import data, files, nets, runtime
from resnet_lib.data import Split, pretrained
from resnet_lib.experiments.plain_networks.families import VARIANTS
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import Fit, Recipe, nightly, recipes, shipped, tuning

SEEDS = tuple(range(5))
SEEN = 10_000
"""Training images, the first ones, on which the training error is measured: without augmentation, after training."""


@dataclass(frozen=True)
class Photographed:
    """A network of He et al. and how it is trained.

    Attributes:
        variant: `plain`, `original` or `pre`, as in ``families.VARIANTS``.
        layers: Weight layers, 6n + 2.
        lr: Highest learning rate.
        epochs: Passes over the 45,000 training images.
        dataset: ``cifar10``; ``digits`` shows on small images that it runs.
    """

    variant: str
    layers: int
    lr: float
    epochs: int = 10
    dataset: str = "cifar10"


def recipe(setting: Photographed) -> Recipe:
    """How the setting's network is trained: the one-cycle recipe of the book, shorter."""
    return replace(recipes.ONE_CYCLE, epochs=setting.epochs, lr=setting.lr)


def network(setting: Photographed, generator: torch.Generator) -> nets.Stack:
    """The network before its training."""
    images, unit = _images(setting.dataset), VARIANTS[setting.variant]
    channels, classes = images.shape[0], images.classes
    return nets.cifar_resnet(setting.layers, unit=unit, in_channels=channels, classes=classes, generator=generator)


@functools.lru_cache(maxsize=1)
def _images(dataset: str) -> data.Dataset:
    return data.load(dataset)


def fit(setting: Photographed, seed: int) -> Fit:
    """The training of one network, found or done."""
    return nightly.train(
        lambda generator: network(setting, generator),
        _images(setting.dataset),
        recipe(setting),
        identity(setting, seed),
    )


def identity(setting: Photographed, seed: int) -> dict[str, Any]:
    """What decides a trained network."""
    return nightly.identity(setting, seed, setting.dataset)


def of(found: Fit) -> nets.Stack:
    """The trained network of a fit."""
    net = nightly.network(found)
    assert isinstance(net, nets.Stack)
    return net


def place(setting: Photographed, seed: int, folder: Path) -> Path:
    """The file of a network that ships, in the book's folder."""
    return folder / shipped.FOLDER / f"{setting.dataset}-{setting.variant}-{setting.layers}-{seed}.safetensors"


def trained(setting: Photographed, seed: int) -> nets.Stack:
    """The trained network, its parameters rounded to float16, in evaluation mode: that of the book, or trained now.

    Raises:
        ValueError: Where its training diverged.
    """
    with contextlib.suppress(FileNotFoundError):  # outside of the book nothing ships
        net = network(setting, runtime.stream(seed, "init"))
        if shipped.read_(place(setting, seed, files.root()), net) == identity(setting, seed):
            return net.eval()
    return shipped.rounded_(of(fit(setting, seed)))


def ship(settings: Sequence[Photographed], seeds: Sequence[int], folder: Path) -> Iterator[Path]:
    """Write the networks that this machine has trained into the book's folder, and say where each is.

    Args:
        settings: Which ones.
        seeds: Of each.
        folder: The book's.
    """
    for setting in settings:
        for seed in seeds:
            file, about = place(setting, seed, folder), identity(setting, seed)
            if not file.exists() and nightly.path(about).exists():
                shipped.write(file, shipped.rounded_(of(fit(setting, seed))), about)
                yield file


def trial(setting: Photographed, seeds: Sequence[int]) -> pd.DataFrame:
    """Errors in percent of the rounded networks after training, on each part of the images; one row per seed."""
    images = _images(setting.dataset)
    seen = Split(images.train.x[:SEEN], images.train.y[:SEEN])
    parts, rows = {"train": seen, "validation": images.validation, "test": images.test}, []
    for seed in seeds:
        net = trained(setting, seed)
        errors = {f"{name}_error": 100 * pretrained.mistakes(net, part) / len(part) for name, part in parts.items()}
        rows.append({"seed": seed} | errors)
    return pd.DataFrame(rows)


def tuning_trial(setting: Photographed, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per seed and rate.

    A training looks at few validation images; here all are labelled, and the last epoch's accuracy is of these.
    """
    images = _images(setting.dataset).validation

    def train(lr: float) -> Fit:
        (seed,) = seeds
        found = fit(replace(setting, lr=lr), seed)
        right = 1 - pretrained.mistakes(of(found), images) / len(images)
        early = found.history["epoch"] < setting.epochs
        accuracy = found.history[tuning.SCORE].where(early, 0.0 if found.diverged[0] else right)
        return replace(found, history=found.history.assign(**{tuning.SCORE: accuracy}))

    return tuning.search(train, setting.lr, RATES)


RATES = 6
"""So many rates are tried for each network, for two epochs and with one seed: what two cores can do in an hour."""
BEST = {("plain", 20): 0.1, ("original", 20): 0.4, ("plain", 56): 0.1, ("original", 56): 0.4}
"""Highest learning rates; until `photographs-tuning` has been computed those of ``families.BEST_CIFAR``."""
NETWORKS = tuple(Photographed(variant, layers, lr) for (variant, layers), lr in BEST.items())
_TINY = Photographed("original", 8, 0.1, epochs=1, dataset="digits")

# Needs CIFAR-10 and, in FULL, hours of two cores with AVX512-BF16; no page runs it. Each network is trained once.
PHOTOGRAPHS = Experiment(
    name="photographs",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=(_TINY,), seeds=(0,), group=1, data=("digits",)),
    full=Grid(settings=NETWORKS, seeds=SEEDS, group=1, data=("cifar10",)),
)
TUNING = Experiment(
    name="photographs-tuning",
    agrees=SAMPLED,
    trial=tuning_trial,
    quick=Grid(settings=(_TINY,), seeds=tuning.SEEDS[:1], group=1, data=("digits",)),
    full=Grid(
        settings=tuple(replace(each, epochs=2) for each in NETWORKS), seeds=tuning.SEEDS[:1], group=1, data=("cifar10",)
    ),
)
