"""How the networks' learning rates were chosen, and what comes out under other choices."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from IPython.display import HTML

from resnet_lib import data, files, sweep
from resnet_lib.evidence import markup
from resnet_lib.experiments.projection_shortcuts.networks import BEST, TITLES, Network, fit, network_trial
from resnet_lib.sweep import SAMPLED, Experiment, Grid, Result
from resnet_lib.training import tuning

RATES = dict.fromkeys(TITLES, (0.01, 0.018, 0.032, 0.056, 0.1, 0.18, 0.32, 0.56, 1.0))
"""The rates that each variant is tried at: four to a decade, so that neighbours are within a factor of two."""


def tuning_trial(setting: Network, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracy at the end of training, 0 where it diverged; one row per seed."""
    return tuning.scores(fit(setting, seeds, data.load(setting.dataset)), setting.epochs)


TUNING = Experiment(
    name="shortcuts-tuning",
    agrees=SAMPLED,
    trial=tuning_trial,
    quick=Grid(settings=tuple(Network("A", lr) for lr in RATES["A"]), seeds=tuning.SEEDS, group=1),
    full=Grid(
        settings=tuple(Network(name, lr) for name, rates in RATES.items() for lr in rates),
        seeds=tuning.SEEDS,
        group=1,
    ),
    data=("digits",),
)


def shown(root: Path | None = None) -> HTML:
    """The stored choices as a table that a notebook shows.

    Raises:
        ValueError: Where the tuning has not been stored.
    """
    result = sweep.stored(TUNING, root or files.root())
    if result is None:
        raise ValueError(f"{TUNING.name} has not been stored; run: resnet-lib run {TUNING.name} --preset full")
    chosen: dict[Hashable, tuning.Choice] = {TITLES[str(name)]: choice for name, choice in tuned(result.table).items()}
    return markup.table("Learning rates", tuning.table_of(chosen))


def tuned(table: pd.DataFrame) -> dict[Hashable, tuning.Choice]:
    """The choice for every variant."""
    return tuning.choose(table, ["shortcut"])


OTHERWISE = {
    "a third of each rate": {"rate": 1 / 3, "time": 1},
    "three times each rate": {"rate": 3, "time": 1},
    "twice the epochs": {"rate": 1, "time": 2},
    "the same rate for all": {"rate": 0, "time": 1},
}
"""Choices that nobody meant to test: factors of every variant's best rate (0: A's rate for all) and of the epochs."""
COMPARED = ("A", "B", "C", "2x2", "pool", "none")


def _otherwise(rate: float, time: int) -> tuple[Network, ...]:
    rates = {name: tuning.rounded(BEST[name] * rate) if rate else BEST["A"] for name in COMPARED}
    return tuple(Network(name, lr, epochs=4 * time) for name, lr in rates.items())


CHOICES = Experiment(
    name="shortcuts-choices",
    agrees=SAMPLED,
    trial=network_trial,
    quick=Grid(settings=_otherwise(1 / 3, 1)[:1], seeds=(0,)),
    full=Grid(
        settings=tuple(dict.fromkeys(each for way in OTHERWISE.values() for each in _otherwise(**way))),
        seeds=tuple(range(10)),
        group=1,
    ),
    data=("digits",),
)


def choices(root: Path | None = None) -> dict[str, Result]:
    """The stored results of other choices, by the words that name them; empty where they have not been computed."""
    result = sweep.stored(CHOICES, root or files.root())
    if result is None:
        return {}
    found = {}
    for name, way in OTHERWISE.items():
        wanted = pd.DataFrame([vars(setting) for setting in _otherwise(**way)])[["shortcut", "lr", "epochs"]]
        found[name] = replace(result, table=result.table.merge(wanted))
    return found
