"""Is a residual network an ensemble? The marks of one: for its sub-networks, for networks trained apart, for copies."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from resnet_lib import data, nets, runtime, training
from resnet_lib.analysis import ensembles, lesion, lesion_scores
from resnet_lib.evidence.choices import Choices, divisions, ways
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Stack, stochastic_depth
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import SAMPLED, Experiment

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))
SIZES = (1, 2, 3, 5)
OTHERS = 1000  # the seed s has the companions s + 1000, s + 2000, ...: networks trained apart
BEST = {("residual", 1.0): 0.32, ("residual", 0.5): 0.57, ("plain", 1.0): 0.1}
"""By variant and chance of survival; chosen by `dropping-tuning`, which is stored under results/."""


@dataclass(frozen=True)
class Members:
    """Networks of 10 blocks of width 64 with batch normalisation on digits, and what is made of their parts.

    Attributes:
        variant: ``residual`` or ``plain``.
        lr: Highest learning rate.
        last: Chance of the last block to survive a training step; 1 is training without stochastic depth.
        epochs: Passes over the training images.
        apart: How many networks are trained apart for one ensemble; 1 for none.
        halves: How many sub-networks, each with a random half of the blocks.
        draws: Choices of members that an average is taken over.
        anew: Whether sub-networks are measured with running statistics of their own as well.
    """

    variant: str
    lr: float
    last: float = 1.0
    epochs: int = 20
    apart: int = 1
    halves: int = 50
    draws: int = 20
    blocks: int = 10
    anew: bool = True


def fit(setting: Members, seeds: Sequence[int]) -> training.Fit:
    """Train the networks of all seeds, and their companions."""
    unit = UNITS["pre" if setting.variant == "residual" else "plain-pre"]

    def make(generator: torch.Generator) -> Stack:
        net = nets.mlp(setting.blocks, 64, unit=unit, generator=generator)
        if setting.last == 1:
            return net
        chances = stochastic_depth.survival(setting.blocks, setting.last)
        return stochastic_depth.wrap(net, chances, generator=generator)

    recipe = training.Recipe(setting.epochs, batch=100, lr=setting.lr)
    everyone = [seed + OTHERS * companion for companion in range(setting.apart) for seed in seeds]
    return training.fit(make, data.load("digits", flat=True), recipe, everyone)


def trial(setting: Members, seeds: Sequence[int]) -> pd.DataFrame:
    """Averages of members by their number, and accuracy by the number of removed blocks; a row a (seed, group, size).

    Groups: `halves` of the network, `halves-anew` with running statistics that are estimated anew on the training
    images, of which all are averaged too, networks trained `apart`, identical `copies`, and `removed`, the network
    without `size` blocks, mean over all sets of them. `whole` is the network itself.
    """
    fitted = fit(setting, seeds)
    images = data.load("digits", flat=True)
    test = images.test
    columns = ("accuracy", "ece", "correlation", "disagreement", "whole", "whole_ece")
    records = []
    for seed in seeds:
        net = fitted.net(seed)
        assert isinstance(net, Stack)
        whole = predictions([net], test.x)
        generator = runtime.stream(seed, "halves")
        groups = {}
        if setting.variant == "residual":
            kept = lesion.deletions(net, setting.blocks // 2, setting.halves, generator=generator)
            halves = [lesion.delete(net, gone) for gone in kept]
            groups["halves"] = predictions(halves, test.x)
            if setting.anew:
                groups["halves-anew"] = predictions(halves, test.x, images.train.x)
            groups["copies"] = whole.expand(max(SIZES), -1, -1)
        if setting.apart > 1:
            others = [fitted.net(seed + OTHERS * companion) for companion in range(setting.apart)]
            groups["apart"] = torch.cat([predictions([other], test.x) for other in others])  # pyright: ignore[reportArgumentType]
        own = {
            "seed": seed,
            "whole": ensembles.accuracy(whole[0], test.y),
            "whole_ece": ensembles.calibration_error(whole[0], test.y),
        }
        for group, members in groups.items():
            sizes = (*SIZES, len(members)) if group == "halves-anew" else SIZES
            records += [own | row for row in averaged(setting, seed, group, members, test.y, sizes)]
        for size, accuracy in enumerate(removed(net, test)):
            records.append(own | {"group": "removed", "size": size, "accuracy": accuracy})
    table = pd.DataFrame(records)
    return table.reindex(columns=["seed", "group", "size", *columns])


def predictions(networks: Sequence[Stack], x: Tensor, learned: Tensor | None = None) -> Tensor:
    """Probabilities of every network, in float64; with images `learned`, statistics are estimated on these anew."""
    return lesion_scores.outputs(networks, x, anew=learned).values.double().softmax(-1)


def averaged(
    setting: Members, seed: int, group: str, members: Tensor, y: Tensor, sizes: Sequence[int] = SIZES
) -> Iterator[dict]:
    """Accuracy and calibration error of the average of `size` members, mean over choices of them."""
    marks = {
        "group": group,
        "correlation": ensembles.error_correlation(members, y),
        "disagreement": ensembles.disagreement(members),
    }
    for size in sizes:
        generator = runtime.stream(seed, "members", group, size)
        choices = [torch.randperm(len(members), generator=generator)[:size] for _ in range(setting.draws)]
        averages = [members[choice].mean(0) for choice in choices]
        accuracy = np.mean([ensembles.accuracy(average, y) for average in averages])
        ece = np.mean([ensembles.calibration_error(average, y) for average in averages])
        yield marks | {"size": size, "accuracy": accuracy, "ece": ece}


def removed(net: Stack, test: data.Split) -> list[float]:
    """Accuracy without 0, 1, ..., half of the blocks, mean over all sets of them."""
    means = []
    for count in range(len(net.blocks) // 2 + 1):
        sets = lesion.deletions(net, count, 10**6, generator=runtime.stream(0, "unused"))
        scores = lesion_scores.score([lesion.delete(net, gone) for gone in sets], test.x, test.y)
        means.append(scores.accuracy.mean().item())
    return means


SETTINGS = tuple(
    Members(variant, lr, last, apart=5 if last == 1 and variant == "residual" else 1)
    for (variant, last), lr in BEST.items()
)

MEMBERS = Experiment.repeated(
    "paths-members", trial, SETTINGS, SEEDS, MANY_SEEDS, group=5, data=("digits",), agrees=SAMPLED
)
CHOICES = Choices(MEMBERS, ways(SETTINGS))
DIVIDED = divisions(MEMBERS)


def group(table: pd.DataFrame, name: str, *, size: int = max(SIZES), last: float = 1.0) -> pd.DataFrame:
    """The rows of a group of the residual network at one size, by seed."""
    chosen = (table["variant"] == "residual") & (table["last"] == last) & (table["group"] == name)
    return table[chosen & (table["size"] == size)].set_index("seed")


def ens_smooth(table: pd.DataFrame) -> Evidence:
    """Largest loss from one more block removed, in points, one value per seed; control: the plain twin."""

    def largest(variant: str) -> np.ndarray:
        rows = table[(table["variant"] == variant) & (table["last"] == 1) & (table["group"] == "removed")]
        curve = rows.pivot(index="seed", columns="size", values="accuracy")
        return -100 * curve.diff(axis=1).min(axis=1).to_numpy()

    return Evidence(values=largest("residual"), control=largest("plain"), unit="percentage points")


def ens_errors(table: pd.DataFrame) -> Evidence:
    """Correlation between the errors of two halves, one value per seed; control: copies."""
    found = (group(table, name)["correlation"].to_numpy() for name in ("halves", "copies"))
    return Evidence(*found)


def gain(table: pd.DataFrame, name: str, *, last: float = 1.0) -> np.ndarray:
    """Points of accuracy that the average of 5 members has over one of them, one value per seed."""
    five, one = (group(table, name, size=size, last=last)["accuracy"] for size in (max(SIZES), 1))
    return 100 * (five - one).to_numpy()


def behind(table: pd.DataFrame, name: str, *, size: int = max(SIZES), last: float = 1.0) -> np.ndarray:
    """Points of accuracy that the average of some members has over the whole, one value per seed.

    The whole is the network; of networks trained apart it is the average of all five.
    """
    rows = group(table, name, size=size, last=last)
    whole = group(table, name)["accuracy"] if name == "apart" else rows["whole"]
    return 100 * (rows["accuracy"] - whole).to_numpy()


def ens_together(table: pd.DataFrame) -> Evidence:
    """Gain of averaging halves minus half of that of networks trained apart, one value per seed; control: copies."""
    values = gain(table, "halves-anew") - gain(table, "apart") / 2
    return Evidence(values=values, control=gain(table, "copies"), unit="percentage points")


def ens_average(table: pd.DataFrame) -> Evidence:
    """Average of all halves minus the network, one value per seed; control: 3 of 5 networks trained apart and all."""
    size = int(table.loc[table["group"] == "halves-anew", "size"].max())
    values, control = behind(table, "halves-anew", size=size), behind(table, "apart", size=3)
    return Evidence(values=values, control=control, unit="percentage points")


def calibrated(table: pd.DataFrame, name: str, *, last: float = 1.0) -> np.ndarray:
    """Calibration error of the average of 5 members minus that of one of them, one value per seed."""
    five, one = (group(table, name, size=size, last=last)["ece"] for size in (max(SIZES), 1))
    return (five - one).to_numpy()


def ens_calibrated(table: pd.DataFrame) -> Evidence:
    """Calibration error of averaged halves minus that of one, one value per seed; control: copies."""
    return Evidence(values=calibrated(table, "halves-anew"), control=calibrated(table, "copies"))


def _correlation(name: str) -> Callable[[pd.DataFrame], np.ndarray]:
    return lambda table: group(table, name)["correlation"].to_numpy()


def prepared(table: pd.DataFrame) -> np.ndarray:
    """How much nearer the average of five halves comes to the network that stochastic depth trained, in points."""
    return behind(table, "halves-anew", last=0.5) - behind(table, "halves-anew")


TOLD: dict[str, Callable[[pd.DataFrame], np.ndarray]] = {
    "correlation of errors, halves, statistics anew": _correlation("halves-anew"),
    "correlation of errors, halves": _correlation("halves"),
    "correlation of errors, networks trained apart": _correlation("apart"),
    "points gained by averaging five halves": lambda table: gain(table, "halves-anew"),
    "points gained by averaging five networks trained apart": lambda table: gain(table, "apart"),
    "points of fifty halves over the network": lambda table: ens_average(table).values,
    "hundredths of calibration error, five halves over one": lambda table: 100 * ens_calibrated(table).values,
    "points that stochastic depth brings to five halves": prepared,
}
"""What the page tells of members in numbers, one value per seed."""
