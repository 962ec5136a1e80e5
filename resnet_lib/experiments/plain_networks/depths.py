"""The grid of networks, trained: shortcut or none, with batch normalisation, a scale or nothing, by depth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from resnet_lib import data, training
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.evidence.significance import paired
from resnet_lib.experiments.plain_networks import stacks
from resnet_lib.sweep import SAMPLED, Experiment, Grid
from resnet_lib.training import Recipe, tuning

SEEDS, MANY_SEEDS = tuple(range(5)), tuple(range(10))

GUESS = float(np.log(10))  # the loss of guessing one of ten digits


@dataclass(frozen=True)
class Depth:
    """An MLP of the grid, trained on digits by SGD with a one-cycle schedule.

    Attributes:
        variant: One of `stacks.VARIANTS`.
        blocks: Number of blocks, of two layers each.
        lr: Highest learning rate.
        width: Units of a state.
        epochs: Passes over the training images.
        batch: Images of a step.
    """

    variant: str
    blocks: int
    lr: float
    width: int = 32
    epochs: int = 8
    batch: int = 100


HUNDRED, FIFTY = 50, 25
"""The blocks of a network of a hundred layers, and of one of fifty."""


def fit(setting: Depth, seeds: Sequence[int]) -> training.Fit:
    """Train the setting's network for all seeds together."""
    recipe = Recipe(epochs=setting.epochs, batch=setting.batch, lr=setting.lr)
    return training.fit(
        lambda generator: stacks.mlp(setting.variant, setting.blocks, setting.width, generator=generator),
        data.load("digits", flat=True),
        recipe,
        seeds,
    )


def trial(setting: Depth, seeds: Sequence[int]) -> pd.DataFrame:
    """Every epoch's loss and accuracies; one row per seed and epoch."""
    return summary(fit(setting, seeds).history)


def summary(history: pd.DataFrame) -> pd.DataFrame:
    """Loss on the training images in nats, and accuracies in points, of a fit's history.

    A loss that is not finite or worse than guessing counts as guessing, and so does an accuracy that is not finite.
    """
    kept = {"loss": history["train_loss"].fillna(GUESS).clip(upper=GUESS)}
    kept |= {name: 100 * history[f"{name}_accuracy"].fillna(0.1) for name in ("train", "validation", "test")}
    return history[["seed", "epoch"]].assign(**kept)


def last(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last epoch."""
    return table[table["epoch"] == table["epochs"]]


def tuning_trial(setting: Depth, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracies at the rates that a search tries, from the setting's own; one row per rate and seed."""
    return tuning.search(lambda lr: fit(replace(setting, lr=lr), seeds), setting.lr)


_SEARCHED: dict[tuple[str, int], tuple[float, float]] = choices.cells(
    {
        "norm": {5: (0.1, 0.15), 25: (0.3, 0.71), 50: (1.0, 0.18), 100: (1.0, 0.32)},
        "scaled": {5: (0.1, 0.13), 25: (0.1, 0.18), 50: (0.1, 0.13), 100: (0.1, 0.1)},
        "bare": {5: (0.03, 0.046), 50: (0.001, 1e-15)},
        "plain-norm": {5: (0.1, 0.15), 50: (0.001, 0.01)},
        "plain-scaled": {5: (0.1, 0.087), 50: (0.001, 0.0032)},
        "plain-bare": {5: (0.03, 0.03), 50: (0.01, 0.01)},
    }
)
STARTS = {network: start for network, (start, _) in _SEARCHED.items()}
"""Where the search begins for every network, by variant and blocks."""
BEST = {network: best for network, (_, best) in _SEARCHED.items()}
"""What `tuning.choose` takes of `depth-tuning`, which is stored under results/; a test compares. Of those that no rate
trains, one that moves the weights where there is one among the ties."""


def rate(variant: str, blocks: int) -> float:
    """The tuned learning rate of a variant, for its deepest tuned network that is no deeper than this."""
    return BEST[variant, max(depth for name, depth in BEST if name == variant and depth <= blocks)]


def _grid(deep: Sequence[int], **recipe: int) -> tuple[Depth, ...]:
    wanted = [*BEST, *((variant, blocks) for variant in ("norm", "scaled") for blocks in deep)]
    return tuple(Depth(variant, blocks, rate(variant, blocks), **recipe) for variant, blocks in wanted)


DEPTHS = Experiment(
    name="depth-digits",
    agrees=SAMPLED,
    trial=trial,
    quick=Grid(settings=_grid(()), seeds=SEEDS),
    full=Grid(settings=_grid((250, 500), width=64, epochs=20), seeds=MANY_SEEDS),
    data=("digits",),
)

_SEARCHES = [Depth(variant, blocks, lr) for (variant, blocks), lr in STARTS.items()]
TUNING = Experiment(
    "depth-tuning", tuning_trial, *tuning.grids(_SEARCHES[:1], _SEARCHES), data=("digits",), agrees=SAMPLED
)
RATES = choices.Rates(
    TUNING,
    by=("variant", "blocks"),
    best=BEST,
    untrained=(("bare", HUNDRED), ("plain-norm", HUNDRED), ("plain-scaled", HUNDRED)),
)
CHOICES = choices.Choices(DEPTHS, choices.ways(DEPTHS.quick.settings))
_COMPARED = (*(("norm", blocks) for blocks in (FIFTY, HUNDRED, 2 * HUNDRED)), ("scaled", HUNDRED), ("bare", HUNDRED))
DIVIDED = choices.divisions(DEPTHS, [Depth(*each, rate(*each)) for each in (*_COMPARED, ("plain-norm", HUNDRED))])
"""For the claims on accuracies: networks of 50, 100 and 200 layers."""


def _at(table: pd.DataFrame, variant: str, blocks: int) -> pd.DataFrame:
    found = last(table)
    return found[(found["variant"] == variant) & (found["blocks"] == blocks)]


def deepest(table: pd.DataFrame, variant: str) -> int:
    """Blocks of the deepest network of a variant."""
    return int(table.loc[table["variant"] == variant, "blocks"].max())


def _loss(table: pd.DataFrame, variant: str, blocks: int) -> np.ndarray:
    return _at(table, variant, blocks).set_index("seed")["loss"].sort_index().to_numpy()


def _trains(variant: str, control: str) -> Callable[[pd.DataFrame], Evidence]:
    def measure(table: pd.DataFrame) -> Evidence:
        found = [_loss(table, name, deepest(table, name)) / GUESS for name in (variant, control)]
        return Evidence(values=found[0], control=found[1])

    measure.__doc__ = f"Loss over guessing of the deepest {variant} network, one value per seed; control: {control}."
    return measure


norm, scaled, bare = _trains("norm", "bare"), _trains("scaled", "bare"), _trains("bare", "norm")


def _fit(variant: str) -> Callable[[pd.DataFrame], Evidence]:
    def measure(table: pd.DataFrame) -> Evidence:
        shallow = _loss(table, variant, FIFTY)
        deep, bad = _loss(table, variant, deepest(table, variant)), _loss(table, "bare", HUNDRED)
        return Evidence(values=np.log2(deep / shallow), control=np.log2(bad / shallow), unit="octaves")

    measure.__doc__ = f"log2 of the loss of the deepest {variant} network over that at 50 layers; control: bare."
    return measure


fits, fits_scaled = _fit("norm"), _fit("scaled")


def gains(table: pd.DataFrame) -> Evidence:
    """Points of test accuracy of the deepest network over 50 layers, one value per seed; control: over its twin."""
    top = _at(table, "norm", deepest(table, "norm"))
    gain = paired(pd.concat([top, _at(table, "norm", FIFTY)]), "test", "blocks", top["blocks"].iloc[0], FIFTY)
    return Evidence(values=gain, control=behind(table, "plain-norm"), unit="percentage points")


def behind(table: pd.DataFrame, variant: str, blocks: int = HUNDRED) -> np.ndarray:
    """Points of test accuracy behind the shortcut with batch normalisation; one value per seed."""
    both = pd.concat([_at(table, "norm", blocks), _at(table, variant, blocks)])
    return paired(both, "test", "variant", "norm", variant)


def _behind(variant: str, control: str) -> Callable[[pd.DataFrame], Evidence]:
    def measure(table: pd.DataFrame) -> Evidence:
        found = [behind(table, name) for name in (variant, control)]
        return Evidence(values=found[0], control=found[1], unit="percentage points")

    measure.__doc__ = f"Points that {variant} is behind batch normalisation at 100 layers, paired; control: {control}."
    return measure


alone, repaired, needed = _behind("bare", "scaled"), _behind("scaled", "bare"), _behind("plain-norm", "scaled")
