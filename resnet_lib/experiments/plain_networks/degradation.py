"""Training of plain and residual networks by depth; what rescaled gradients and other initial weights change."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd
import torch

from resnet_lib import data, nets, runtime
from resnet_lib.data import Split
from resnet_lib.evidence.choices import Choices, divisions, ways
from resnet_lib.experiments.plain_networks import families, gradients
from resnet_lib.experiments.plain_networks.families import LONG, MANY_SEEDS, SEEDS, Family, cifar, digits
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import Fit

IMAGES = 100  # test images at which a slope is measured


def trial(setting: Family, seeds: Sequence[int], device: torch.device | str = "cpu") -> pd.DataFrame:
    """Everything that is measured at a family; one row per measurement, and the columns say which.

    `train_error`, `validation_error` and `test_error` in percent, in the last epoch; where the family is watched,
    `gradient` (norm) of each weight layer after each kept epoch, `ratio` (log10 of the first over the last one),
    and before training `agreement` of two batches in each layer; where it is bent, `slope` before and after training.
    """
    found = families.fit(setting, seeds, device)
    columns = {"seed": 0, "measure": "", "epoch": setting.epochs, "layer": 0, "value": float("nan")}
    records = []
    for seed, row in families.accuracies(found).iterrows():
        for name, accuracy in row.items():
            measure = str(name).replace("accuracy", "error")
            records.append(columns | {"seed": seed, "measure": measure, "value": round(100 * (1 - accuracy), 4)})
    if setting.watched or setting.bent:
        images = data.load(setting.dataset, flat=setting.dataset == "digits")
        for seed in seeds:
            records += [columns | {"seed": seed} | record for record in _inside(setting, seed, found, images, device)]
    return pd.DataFrame(records)


def _inside(setting: Family, seed: int, found: Fit, images: data.Dataset, device: torch.device | str) -> Iterator[dict]:
    """What the weights of one seed's network say."""
    test = images.test.x[:IMAGES].to(device)
    halves = [Split(half.x.to(device), half.y.to(device)) for half in gradients.batches(images.train)]
    for epoch in sorted(found.checkpoints):
        net = found.net(seed, epoch)
        assert isinstance(net, nets.Stack)
        if setting.bent and epoch in (0, setting.epochs):
            value = gradients.slope(net, test, runtime.stream(seed, "slope", epoch))
            yield {"measure": "slope", "epoch": epoch, "value": value}
        if not setting.watched:
            continue
        one = gradients.of_weights(net, halves[0])
        measured = {"gradient": gradients.norms(one)}
        if epoch == 0:
            measured["agreement"] = gradients.agreement(one, gradients.of_weights(net, halves[1]))
        yield {"measure": "ratio", "epoch": epoch, "value": gradients.ratio(measured["gradient"])}
        for name, values in measured.items():
            for layer, value in enumerate(values, start=1):
                yield {"measure": name, "epoch": epoch, "layer": layer, "value": value}


DEPTHS, CIFAR_DEPTHS = (50, 20, 8), (110, 56, 44, 32, 20, 8)  # the longest first, so that two cores end together
FAMILIES = ("plain", "original", "pre")
BENT = ("scaled", "bare", "identity", "looks-linear")
"""Families without normalisation; where they are deep, the slope from their first state to their last is measured."""


def _grids(small: Sequence[Family], large: Sequence[Family], seeds: Sequence[int] = SEEDS) -> tuple[Grid, Grid]:
    """QUICK on digits, and FULL on CIFAR-10, where one network is trained at a time."""
    return Grid(small, seeds), Grid(large, MANY_SEEDS, group=1, data=("cifar10",))


# Thirty seeds, because the training error of pre-activation units rises by half of what is asked for, and that differs
# by as much from seed to seed.
_DEGRADE = _grids(
    [digits(f, d) for d in DEPTHS for f in FAMILIES],
    [cifar(f, d) for d in CIFAR_DEPTHS for f in FAMILIES],
    seeds=range(30),
)
DEGRADE = Experiment("plain-degrade", trial, *_DEGRADE, data=("digits",), agrees=SAMPLED)
_CAUSE = _grids(
    [
        digits("plain", 50, rescaled=True),
        digits("bare", 50, rescaled=True),
        digits("bare", 50),
        digits("plain", 50, watched=True),
        digits("original", 50, watched=True),
        digits("mirrored", 50),
        digits("bare", 8),
        digits("bare", 8, rescaled=True),
        digits("sigmoid", 8, watched=True),
        digits("sigmoid", 8, rescaled=True),
    ],
    [
        cifar("plain", 56, watched=True),
        cifar("plain", 56, rescaled=True),
        cifar("original", 56, watched=True),
        cifar("mirrored", 56),
        cifar("bare", 56),
        cifar("bare", 56, rescaled=True),
        cifar("bare", 8),
        cifar("bare", 8, rescaled=True),
        cifar("sigmoid", 8, watched=True),
        cifar("sigmoid", 8, rescaled=True),
    ],
)
CAUSE = Experiment("plain-cause", trial, *_CAUSE, data=("digits",), agrees=SAMPLED)
_RESCUE = _grids(
    [
        *(digits(f, 100, bent=True) for f in BENT),
        digits("scaled", 8),
        digits("bare", 8),
        Family("orthogonal", 100, 0.001, epochs=1, bent=True),
    ],
    [
        *(cifar(f, d, bent=True) for d in (110, 56) for f in BENT),
        cifar("scaled", 8),
        cifar("bare", 8),
        Family("orthogonal", 110, 0.001, dataset="cifar10", epochs=1, bent=True),
    ],
)
RESCUE = Experiment("plain-rescue", trial, *_RESCUE, data=("digits",), agrees=SAMPLED)
DEGRADE_CHOICES = Choices(DEGRADE, ways(DEGRADE.quick.settings), MANY_SEEDS)
# Rescaled sigmoids, the control of a rescue, have many more epochs than the networks that are to be rescued.
EQUAL = {"as many epochs as the control": tuple(replace(s, epochs=LONG["sigmoid"]) for s in CAUSE.quick.settings)}
CAUSE_CHOICES = Choices(CAUSE, ways(CAUSE.quick.settings) | EQUAL)
RESCUE_CHOICES = Choices(RESCUE, ways(RESCUE.quick.settings))
DEGRADE_DIVIDED = divisions(DEGRADE)
CAUSE_DIVIDED = divisions(CAUSE, [digits(family, 50) for family in ("plain", "original", "mirrored")])
RESCUE_DIVIDED = divisions(RESCUE, RESCUE.quick.settings[:-1])
"""Without the orthogonal layers, of which no accuracy is asked."""
