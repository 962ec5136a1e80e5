"""A network of the published kind, small enough to be trained with the page: the same surgery, live and with seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch

from resnet_lib import data, nets, training
from resnet_lib.analysis import lesion_scores
from resnet_lib.evidence import choices
from resnet_lib.experiments.published_networks import lesions, steps
from resnet_lib.experiments.published_networks.networks import STATISTICS
from resnet_lib.nets import Stack
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import tuning

SEEDS = tuple(range(5))
START = 0.1
BEST = {20: 0.32}
"""By depth; what `tuning.choose` takes of `published-small-tuning`, which is stored under results/; a test compares."""


@dataclass(frozen=True)
class Small:
    """The architecture of the published networks, eight channels wide, trained on digits by SGD, one-cycle.

    Attributes:
        depth: Weight layers.
        lr: Highest learning rate.
        width: Channels of the first stage; the published networks have 16.
        epochs: Passes over the training images.
        batch: Images in a step.
        counts: Into how many steps a block is divided.
    """

    depth: int
    lr: float
    width: int = 8
    epochs: int = 20
    batch: int = 100
    counts: tuple[int, ...] = (1, 2, 4, 8)


def fit(setting: Small, seeds: Sequence[int]) -> training.Fit:
    """Train the setting's network for all seeds together."""

    def make(generator: torch.Generator) -> Stack:
        return nets.cifar_resnet(setting.depth, width=setting.width, in_channels=1, generator=generator)

    recipe = training.Recipe(epochs=setting.epochs, batch=setting.batch, lr=setting.lr)
    return training.fit(make, data.load("digits"), recipe, seeds)


def trial(setting: Small, seeds: Sequence[int]) -> pd.DataFrame:
    """Accuracy of the whole network, without each block and with steps in place of blocks; a row a (seed, surgery).

    `block` is the block that is missing, counted from 0, and `steps` their number in place of a block; -1 where it is
    another surgery.
    """
    fitted, images = fit(setting, seeds), data.load("digits")
    records = []
    for seed in seeds:
        net = fitted.net(seed)
        assert isinstance(net, Stack)
        surgeries = {(name, block, -1): made for (name, block), made in lesions.lesions(net)}
        surgeries |= {("divided", -1, n): steps.stepped(net, n, 1 / n) for n in setting.counts}
        for kind in STATISTICS:
            anew = None if kind == "trained" else images.train.x
            logits = lesion_scores.outputs(list(surgeries.values()), images.test.x, anew=anew).values
            for (measure, block, count), found in zip(surgeries, logits, strict=True):
                hit = float((found.argmax(-1) == images.test.y).double().mean())
                place = {"measure": measure, "block": block, "steps": count}
                records.append({"seed": seed, "statistics": kind, **place, "value": hit})
    return pd.DataFrame(records)


def tuning_trial(setting: Small, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds), setting.lr)


def lost(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `loss`, the points that each surgery takes from the network under equal statistics."""
    keys = ["seed", "statistics"]
    whole = table[table["measure"] == "whole"].set_index(keys)["value"].rename("whole")
    rows = table[table["measure"].isin(["removed", "transition", "divided"])].join(whole, on=keys)
    return rows.assign(loss=100 * (rows["whole"] - rows["value"])).reset_index(drop=True)


SMALL = Experiment(
    name="published-small",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=tuple(Small(depth, lr) for depth, lr in BEST.items()), seeds=SEEDS, group=1),
    full=Grid(settings=tuple(Small(depth, lr) for depth, lr in BEST.items()), seeds=tuple(range(20)), group=1),
    data=("digits",),
)
_GRIDS = tuning.grids([Small(8, START, epochs=2)], [Small(depth, START) for depth in BEST])
TUNING = Experiment("published-small-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("depth",), best=BEST)
