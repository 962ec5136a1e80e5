r"""Residual MLPs on digits: how large their branches are, and whether these point where the margin grows.

The networks with true labels are those that chapter 2 keeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, nets, runtime, training
from resnet_lib.analysis import corrections, readouts, statistics
from resnet_lib.data import Dataset, Split
from resnet_lib.evidence import choices
from resnet_lib.experiments.learning_the_difference import single
from resnet_lib.experiments.learning_the_difference.pointing import mean_cosines
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import Columns, Experiment, Grid
from resnet_lib.training import Recipe, regression, tuning, zoo

TOGETHER = tuple(range(30))
"""Seeds that chapter 2 trains in one go."""
NORMALISED = UNITS["pre"]
BARE = replace(NORMALISED, norm="none")
TRUE, LINEAR = "true", "linear"
ANGLES = (10, 90)
"""Of single blocks whose size is known: 2 sin(angle / 2) of the state."""


@dataclass(frozen=True)
class Digits:
    """A residual MLP of width 64 with pre-activation units, and the labels that it learns.

    Attributes:
        blocks: Residual blocks.
        lr: Highest learning rate; 0 for a network that is not trained and has no normalisation.
        labels: `true`, or `linear`: what a linear map that was fitted to the true ones says.
        epochs: Passes over the training images.
        decay: Weight decay.
        gain: Factor of the last weights of the branches of a network that is not trained.
    """

    blocks: int
    lr: float
    labels: str = TRUE
    epochs: int = 8
    decay: float = 0.0
    gain: float = 1.0


def recipe(setting: Digits) -> Recipe:
    """How the setting's network is trained."""
    return Recipe(epochs=setting.epochs, batch=100, lr=setting.lr, weight_decay=setting.decay)


def network(setting: Digits) -> zoo.Network:
    """The network with true labels, by the name under which chapter 2 keeps its own."""
    keep = tuple(sorted({epoch for epoch in (0, 1, 2, setting.epochs // 2) if epoch < setting.epochs}))
    return zoo.Network("mlp", setting.blocks, "digits", recipe(setting), unit="pre", keep=keep)


def labelled(labels: str) -> Dataset:
    """The digits with these labels."""
    digits = data.load("digits", flat=True)
    parts = {"train": digits.train, "validation": digits.validation, "test": digits.test}
    if labels == LINEAR:
        hot = [nn.functional.one_hot(part.y, 10).double() for part in parts.values()]
        read = readouts.readout((digits.train.x.double(), hot[0]), (digits.validation.x.double(), hot[1]))
        parts = {name: Split(part.x, read(part.x.double()).argmax(1)) for name, part in parts.items()}
    return replace(digits, **parts)


def fit(setting: Digits, seeds: Sequence[int]) -> training.Fit:
    """The setting's networks; with true labels those that are kept."""
    if setting.labels == TRUE:
        together = TOGETHER if set(seeds) <= set(TOGETHER) and setting.epochs == 8 and not setting.decay else seeds
        return zoo.train(network(setting), together)

    def make(generator: torch.Generator) -> nn.Module:
        return nets.mlp(setting.blocks, 64, unit=NORMALISED, generator=generator)

    return training.fit(make, labelled(setting.labels), recipe(setting), seeds, keep=(0,))


def bare(setting: Digits, seed: int) -> nets.Stack:
    """The network without normalisation before training, with the last weights of its branches times the gain."""
    net = nets.mlp(setting.blocks, 64, unit=BARE, generator=runtime.stream(seed, "bare")).eval()
    with torch.no_grad():
        for i in range(setting.blocks):
            net.get_parameter(f"blocks.{i}.branch.weight2.weight").mul_(setting.gain)
    return net


def trial(setting: Digits, seeds: Sequence[int]) -> pd.DataFrame:
    """Sizes and cosines of what the blocks add, at the test images; one row per seed, epoch and block.

    `size` is the median of ||F(x)|| / ||x||. `own` is the mean cosine of F(x) and the margin's gradient at the state
    that the block reads, and `behind` that at the state that it returns. `other`, `another` and `other_behind` are the
    same with what is added at other images, by two random permutations. `right` is the share of images told right.

    Before training batch statistics are those of the training images. With the network of no blocks come single linear
    blocks that learned to turn by 10 and by 90 degrees, as epoch and block 0 and 1; of them only `size` is known.
    """
    if not setting.blocks:
        return _turned(seeds)
    digits = labelled(setting.labels)
    fitted = fit(setting, seeds) if setting.lr else None
    rows = []
    for seed in seeds:
        for epoch in (0, setting.epochs) if fitted else (0,):
            net = fitted.net(seed, epoch) if fitted else bare(setting, seed)
            assert isinstance(net, nets.Stack)
            if fitted and not epoch:
                net = statistics.reestimated(net, digits.train.x)
            rows += [{"seed": seed, "epoch": epoch, **found} for found in measured(net, digits.test, seed)]
    return pd.DataFrame(rows)


def measured(net: nets.Stack, images: Split, seed: int) -> list[dict[str, float]]:
    """What `trial` says of each block of a network."""
    draw, n = runtime.stream(seed, "permutations"), len(images.y)
    first, second = (torch.randperm(n, generator=draw) for _ in range(2))
    with torch.no_grad():
        right = float((net(images.x).argmax(1) == images.y).double().mean())
    rows = []
    for found in corrections.corrections(net, images.x, images.y):
        size, means = float(found.sizes().double().median()), mean_cosines(found, first, second)
        rows.append({"block": found.block, "size": size, **means, "right": right})
    return rows


def _turned(seeds: Sequence[int]) -> pd.DataFrame:
    """Sizes of single linear blocks that have learned to turn by an angle; what is not measured of them is NaN."""
    rows = []
    for seed in seeds:
        draw = runtime.stream(seed, "turned")
        x = torch.randn(2, 64, 8, generator=draw, dtype=torch.float64)
        frame = single.frame(8, draw)
        t = torch.stack([x[i] @ single.turn(angle, frame).T for i, angle in enumerate(ANGLES)])
        blocks = [single.linear(single.RESIDUAL, torch.zeros(8, 8, dtype=torch.float64)) for _ in ANGLES]
        how = Recipe(epochs=200, lr=2.0, momentum=0.0, schedule="constant", warmup=0.0)
        found = regression.fit(blocks, x, t, how)
        for i in range(len(ANGLES)):
            with torch.no_grad():
                added: Tensor = found.block(i)(x[i]) - x[i]
            size = float((added.norm(dim=1) / x[i].norm(dim=1)).median())
            rows.append({"seed": seed, "epoch": 0, "block": i, "size": size})
    names = ("own", "other", "another", "behind", "other_behind", "right")
    return pd.DataFrame(rows).assign(**dict.fromkeys(names, np.nan))


BEST = {(3, TRUE): 0.53, (9, TRUE): 0.18, (24, TRUE): 0.4, (9, LINEAR): 0.3}
"""With true labels what chapter 2 chose for the same networks (`plain-tuning`, stored under results/; a test compares);
with others what `tuning.choose` takes of `difference-labels-tuning`."""


def trained(blocks: int, labels: str = TRUE) -> Digits:
    """The network of so many blocks at its own rate."""
    return Digits(blocks, BEST[blocks, labels], labels)


def untrained(depths: Sequence[int], gain: float = 1.0) -> tuple[Digits, ...]:
    """Networks without normalisation before training."""
    return tuple(Digits(blocks, 0.0, gain=gain) for blocks in depths)


SHALLOW, MIDDLE, DEEP = 3, 9, 24
TWENTIETH = 0.05
AGREES = Columns("sampled")


def _sizes(depths: Sequence[int]) -> tuple[Digits, ...]:
    return (*(trained(blocks) for blocks in depths), *untrained(depths), *untrained(depths[-1:], TWENTIETH))


DIGITS = Experiment(
    "difference-digits",
    trial,
    quick=Grid(_sizes((SHALLOW, MIDDLE)), TOGETHER),
    full=Grid(_sizes((SHALLOW, MIDDLE, DEEP)), TOGETHER),
    data=("digits",),
    agrees=AGREES,
)


def ways(settings: Sequence[Digits]) -> dict[str, tuple[Digits, ...]]:
    """Other choices for trained networks; what is not trained stays beside them."""
    trained_ = [setting for setting in settings if setting.lr]
    beside = tuple(setting for setting in settings if not setting.lr)
    found = choices.ways(trained_)
    found["four times the epochs"] = tuple(replace(each, epochs=4 * each.epochs) for each in trained_)
    found["weight decay 0.001"] = tuple(replace(each, decay=0.001) for each in trained_)
    found["weight decay 0.01"] = tuple(replace(each, decay=0.01) for each in trained_)
    return {name: (*way, *beside) for name, way in found.items()}


OTHERS = tuple(range(5))
CHOICES = choices.Choices(DIGITS, ways(DIGITS.quick.settings), OTHERS)
LABELS = Experiment(
    "difference-labels",
    trial,
    quick=Grid((trained(9), trained(9, LINEAR), Digits(0, 0.0)), tuple(range(5))),
    full=Grid((trained(9), trained(9, LINEAR), Digits(0, 0.0)), tuple(range(10))),
    data=("digits",),
    agrees=AGREES,
)
LABELS_CHOICES = choices.Choices(LABELS, ways(LABELS.full.settings), OTHERS)


def tuning_trial(setting: Digits, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds), setting.lr)


_START = Digits(9, 0.2, LINEAR)
_GRIDS = tuning.grids([replace(_START, epochs=2)], [_START])
TUNING = Experiment("difference-labels-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=AGREES)
RATES = choices.Rates(TUNING, by=("blocks", "labels"), best={(9, LINEAR): BEST[9, LINEAR]})
