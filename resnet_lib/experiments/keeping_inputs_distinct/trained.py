"""Residual and plain MLPs on digits: what a linear map reads out of their states, and what their blocks merge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, nets, runtime, training
from resnet_lib.analysis import readouts
from resnet_lib.data import Dataset
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.keeping_inputs_distinct import folds
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import Columns, Experiment, Grid, Result

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))
BARE = replace(UNITS["pre"], norm="none")
VARIANTS = {"residual": BARE, "plain": BARE.plain()}
ORDERS = 20
"""Permutations of the labels, for the probe that can learn nothing."""
PICTURES = 6
"""Test images that are read back out of the last state."""
KNOWN = 2
"""The `part` of rows that hold no network, but the controls of `known.beside`."""
FOUND = 0.1
"""A ratio of distances below which a pair counts as merged."""


@dataclass(frozen=True)
class Trained:
    """A residual or plain MLP of width 64 without normalisation, trained on digits by SGD with a one-cycle schedule."""

    variant: str
    blocks: int
    lr: float
    epochs: int = 20
    batch: int = 100


def fit(setting: Trained, seeds: Sequence[int]) -> training.Fit:
    """Train the setting's network for all seeds together; its initialisation is kept."""

    def make(generator: torch.Generator) -> nn.Module:
        return nets.mlp(setting.blocks, 64, unit=VARIANTS[setting.variant], generator=generator)

    recipe = training.Recipe(epochs=setting.epochs, batch=setting.batch, lr=setting.lr)
    return training.fit(make, data.load("digits", flat=True), recipe, seeds, keep=(0,))


def trial(setting: Trained, seeds: Sequence[int]) -> pd.DataFrame:
    """What is read out of each state before and after training, and what trained blocks do to distances.

    One row per (seed, epoch, state), `part` 0. `copied` is the share of the variance of the first state of new images
    that a readout gets back; `turned` the share behind as many random rotations in place of the blocks. `probe` is the
    accuracy of a readout of the label, `permuted` that for permuted labels, mean of 20 orders. `within` is the share
    of what differs within the classes, `labelled` that of a readout of the label alone.

    Of the residual block behind each state: `pairs` is the least ratio of distances over pairs of test images, and
    `merged` that of a projection along the direction between two of them. After training, `searched` is the least that
    a search finds, `guarded` the same in a copy whose branch has the constant 0.5, `planted` in such a copy with a
    fold, and `moved` how far from an image's state the centre of the pair lies, relative to its size.

    What is measured after a training that diverged is NaN.

    `part` 1 holds pictures, a row a pixel: the pixels of some images and what is read of them out of the last state.
    """
    fitted, digits = fit(setting, seeds), data.load("digits", flat=True)
    pieces = []
    for seed, lost in zip(seeds, fitted.diverged, strict=True):
        for epoch in (0, setting.epochs):
            net = fitted.net(seed, 0 if lost else epoch)
            assert isinstance(net, nets.Stack)
            states = tuple(_states(net, part.x) for part in (digits.train, digits.validation, digits.test))
            rows = pd.DataFrame({"state": range(setting.blocks + 1)} | read(states, digits, seed))  # pyright: ignore[reportArgumentType]
            if lost and epoch:
                rows[[name for name in rows if name != "state"]] = np.nan  # pyright: ignore[reportArgumentType, reportCallIssue]
            pieces.append(rows.assign(seed=seed, epoch=epoch, part=0))
        shown = pictures([part[-1] for part in states], digits)
        shown["read"] = np.nan if lost else shown["read"]
        pieces.append(shown.assign(seed=seed, epoch=setting.epochs, part=1))
    table = pd.concat(pieces, ignore_index=True)
    if setting.variant == "plain":
        return table.assign(**dict.fromkeys(folds.COLUMNS, np.nan))
    found = pd.concat([of_blocks(fitted, epoch, digits.test.x) for epoch in (0, setting.epochs)])
    return table.merge(found, how="left", on=["seed", "state", "epoch", "part"])


def of_blocks(fitted: training.Fit, epoch: int, x: Tensor) -> pd.DataFrame:
    """What the residual blocks of an epoch do to distances between images' states; one row per (seed, block)."""
    ends = []
    for seed, lost in zip(fitted.seeds, fitted.diverged, strict=True):
        net = fitted.net(seed, 0 if lost else epoch)
        assert isinstance(net, nets.Stack)
        ends.append((net, _states(net, x)))
    blocks = len(ends[0][0].blocks)
    found = pd.DataFrame(folds.distances(ends, searched=epoch > 0))
    if epoch:
        found[np.repeat(fitted.diverged, blocks)] = np.nan
    where = {"seed": np.repeat(fitted.seeds, blocks), "state": np.tile(range(blocks), len(ends))}
    return found.assign(**where, epoch=epoch, part=0)


def _states(net: nets.Stack, x: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return [state.double() for state in net.states(x)]


States = tuple[list[Tensor], list[Tensor], list[Tensor]]
"""Of the training, validation and test images, the states between the blocks."""


def read(states: States, digits: Dataset, seed: int) -> dict[str, list[float]]:
    """What a readout gets out of each state: the first state, and the label; controls at the first and the last."""
    stream = runtime.stream(seed, "readouts")
    labels = digits.train.y, digits.validation.y, digits.test.y
    orders = tuple([y[torch.randperm(len(y), generator=stream)] for _ in range(ORDERS)] for y in labels)
    last, first = len(states[0]) - 1, tuple(part[0] for part in states)
    turned = first
    for _ in range(last):
        turn = torch.linalg.qr(torch.randn(64, 64, generator=stream, dtype=torch.float64)).Q
        turned = tuple(x @ turn for x in turned)
    hot = tuple(nn.functional.one_hot(y, 10).double() for y in labels)
    found: dict[str, list[float]] = {
        name: [] for name in ("copied", "turned", "within", "labelled", "probe", "permuted")
    }
    for state in range(last + 1):
        now = tuple(part[state] for part in states)
        found["copied"].append(copied(now, first))
        found["turned"].append(copied({0: first, last: turned}[state], first) if state in (0, last) else np.nan)
        found["within"].append(within(now, first, labels) if state in (0, last) else np.nan)
        found["labelled"].append(within(hot, first, labels) if state in (0, last) else np.nan)
        found["probe"].append(probed(now, tuple([y] for y in labels)))
        found["permuted"].append(probed(now, orders) if state in (0, last) else np.nan)
    return found


Three = Sequence[Tensor]
"""Of the training, validation and test images."""


def copied(states: Three, first: Three) -> float:
    """The share of the variance of the first states of new images that a readout of these states gets back."""
    found = readouts.readout((states[0], first[0]), (states[1], first[1]))
    return readouts.explained(found(states[2]), first[2])


def within(states: Three, first: Three, labels: Three) -> float:
    """The share of how new images' first states differ from the mean of their class that a readout gets back.

    The means are those of the training images, so that a readout of the label alone gets nothing.
    """
    found = readouts.readout((states[0], first[0]), (states[1], first[1]))
    means = torch.stack([first[0][labels[0] == label].mean(0) for label in range(10)])
    return float(1 - (found(states[2]) - first[2]).square().sum() / (first[2] - means[labels[2]]).square().sum())


def probed(states: Three, labels: Sequence[Sequence[Tensor]]) -> float:
    """The accuracy on new images of readouts of some orders of the labels, their mean; one penalty for all of them."""
    targets = [torch.cat([nn.functional.one_hot(y, 10).double() for y in orders], 1) for orders in labels[:2]]
    found = readouts.readout((states[0], targets[0]), (states[1], targets[1]))
    scores = found(states[2]).split(10, dim=1)
    return float(np.mean([readouts.accuracy(score, y) for score, y in zip(scores, labels[2], strict=True)]))


def pictures(last: Three, digits: Dataset) -> pd.DataFrame:
    """Some test images, and what a readout of the last states makes of them; one row per image and pixel."""
    found = readouts.readout((last[0], digits.train.x), (last[1], digits.validation.x))
    image, pixel = np.indices((PICTURES, 64))
    values = {
        "image": image.ravel(),
        "pixel": pixel.ravel(),
        "value": digits.test.x[:PICTURES].flatten().double().numpy(),
        "read": found(last[2][:PICTURES]).flatten().numpy(),
    }
    return pd.DataFrame(values)


# What chapter 4 chose for the same networks on the validation split, with other seeds (`eigenvalues-tuning`).
BEST = {("residual", 5): 0.04, ("plain", 5): 0.02, ("residual", 10): 0.0061, ("plain", 10): 0.0066}


def _networks(blocks: int) -> tuple[Trained, ...]:
    return tuple(Trained(variant, blocks, BEST[variant, blocks]) for variant in VARIANTS)


TRAINED = Experiment(
    name="distinct-trained",
    agrees=Columns("sampled", {"state": "exact", "pixel": "exact", "value": "rounded"}),
    trial=trial,
    quick=Grid(settings=_networks(5), seeds=SEEDS),
    full=Grid(settings=_networks(10), seeds=MANY_SEEDS),
    data=("digits",),
)
_OTHERS = TRAINED.quick.settings
CHOICES = choices.Choices(
    TRAINED,
    {
        **choices.ways(_OTHERS),
        "twice each rate": tuple(replace(setting, lr=2 * setting.lr) for setting in _OTHERS),
        "four times the epochs": tuple(replace(setting, epochs=4 * setting.epochs) for setting in _OTHERS),
    },
)
LONGER = choices.Choices(
    TRAINED,
    {
        f"ten blocks, {word} the epochs": tuple(replace(net, epochs=times * net.epochs) for net in _networks(10))
        for word, times in (("twice", 2), ("four times", 4))
    },
    name="distinct-longer-choices",
)
"""FULL's networks, which are trained for as long as those of five blocks, trained for longer."""
DIVIDED = choices.divisions(TRAINED)


def varied() -> dict[str, Result]:
    """The stored results under other choices, by the words that name them."""
    return CHOICES.results() | LONGER.results() | DIVIDED.results()


def at_the_end(table: pd.DataFrame, variant: str, *, trained: bool = True) -> pd.DataFrame:
    """The rows of a network's states after training, or before it, without its pictures."""
    rows = table[(table["part"] == 0) & (table["variant"] == variant)]
    return rows[rows["epoch"] == (rows["epoch"].max() if trained else 0)]


def of_state(table: pd.DataFrame, variant: str, column: str, *, last: bool = True, trained: bool = True) -> np.ndarray:
    """A column at the last or the first state after training, or before it, one value per seed."""
    rows = at_the_end(table, variant, trained=trained)
    rows = rows[rows["state"] == (rows["state"].max() if last else 0)]
    return rows.set_index("seed")[column].sort_index().to_numpy()


def _of_blocks(column: str, beside: str, what: str, *, after: bool = True) -> Callable[[pd.DataFrame], Evidence]:
    def measure(table: pd.DataFrame) -> Evidence:
        rows = at_the_end(table, "residual", trained=after).groupby("seed")[[column, beside]].min()
        return Evidence(rows[column].to_numpy(), rows[beside].to_numpy())

    when = "trained residual network" if after else "residual network before training"
    measure.__doc__ = f"Least `{column}` over the blocks of the {when}, one value per seed; {what}."
    return measure


always = _of_blocks("searched", "guarded", "control: branches of constant 0.5")
images = _of_blocks("pairs", "merged", "control: one direction projected away")
at_start = _of_blocks("pairs", "merged", "control: one direction projected away", after=False)


def planted(table: pd.DataFrame) -> Evidence:
    """Share of the blocks with a fold in which the search finds it, one value per seed; control: without the fold."""
    rows = at_the_end(table, "residual")
    ratios = rows.loc[rows["state"] < rows["state"].max(), ["planted", "guarded"]]
    shares = (ratios < FOUND).astype(float).where(ratios.notna()).groupby(rows["seed"]).mean()
    return Evidence(shares["planted"].to_numpy(), shares["guarded"].to_numpy())


def clean(table: pd.DataFrame) -> Evidence:
    """Share of the first state read out of the last, residual, one value per seed; control: out of the first."""
    return Evidence(of_state(table, "residual", "copied"), of_state(table, "residual", "copied", last=False))


def _more(column: str, beside: Callable[[pd.DataFrame, np.ndarray], np.ndarray], what: str, *, after: bool = True):
    def measure(table: pd.DataFrame) -> Evidence:
        share, other = (of_state(table, variant, column, trained=after) for variant in VARIANTS)
        return Evidence(share - other, beside(table, share))

    when = "after training" if after else "before training"
    measure.__doc__ = f"`{column}` of the last state {when}, residual minus plain, one value per seed; control: {what}."
    return measure


def _known(table: pd.DataFrame, share: np.ndarray) -> np.ndarray:
    """What is read behind a map that keeps little minus behind one that keeps much, of the draws of `known.beside`."""
    rows = table[table["part"] == KNOWN].sort_values("seed")
    return (rows["little"] - rows["much"]).to_numpy()


linear = _more("copied", _known, "two known maps, the other way")
linear_at_start = _more("copied", _known, "two known maps, the other way", after=False)
inside = _more("within", lambda table, _: of_state(table, "residual", "labelled"), "the label alone")


def probe(table: pd.DataFrame) -> Evidence:
    """Accuracy of a readout of the last state minus of the first, residual, one value per seed; control: permuted."""

    def gain(column: str) -> np.ndarray:
        last, first = (of_state(table, "residual", column, last=end) for end in (True, False))
        return 100 * (last - first)

    return Evidence(gain("probe"), gain("permuted"), "percentage points")
