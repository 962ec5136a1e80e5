"""How the networks' learning rates were chosen, and what comes out under other choices."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from resnet_lib import data, files, sweep
from resnet_lib.evidence import choices
from resnet_lib.experiments.projection_shortcuts.networks import BEST, DIGITS, TITLES, Network, fit
from resnet_lib.sweep import SAMPLED, Experiment, Result
from resnet_lib.training import tuning

TRIED = dict.fromkeys(TITLES, (0.01, 0.018, 0.032, 0.056, 0.1, 0.18, 0.32, 0.56, 1.0))
"""The rates that each variant is tried at: four to a decade, so that neighbours are within a factor of two."""


def tuning_trial(setting: Network, seeds: Sequence[int]) -> pd.DataFrame:
    """Validation accuracy at the end of training, 0 where it diverged; one row per seed."""
    return tuning.scores(fit(setting, seeds, data.load(setting.dataset)), setting.epochs)


_GRIDS = tuning.grids(
    [Network("A", lr) for lr in TRIED["A"]],
    [Network(name, lr) for name, rates in TRIED.items() for lr in rates],
    group=1,
)
TUNING = Experiment("shortcuts-tuning", tuning_trial, *_GRIDS, data=("digits",), agrees=SAMPLED)
RATES = choices.Rates(TUNING, by=("shortcut",), best=BEST, rate="lr")

COMPARED = ("A", "B", "C", "2x2", "pool", "none")
CHOICES = choices.Choices(
    base=DIGITS,
    ways=choices.ways([Network(name, BEST[name]) for name in COMPARED], same=BEST["A"]),
    seeds=tuple(range(10)),
    name="shortcuts-choices",
)
"""Choices that nobody meant to test, for the networks that the claims compare."""
DIVIDED = choices.divisions(DIGITS, [Network(name, BEST[name]) for name in COMPARED])


def varied(root: Path | None = None) -> dict[str, Result]:
    """The stored results under other choices, by the words that name them."""
    return CHOICES.results(root) | DIVIDED.results(root)


def beside_free(root: Path | None = None) -> dict[str, Result]:
    """The same, each with the kernels that are free to learn beside it: those of the chapter, under no other choice."""
    own = sweep.stored(DIGITS, root or files.root())
    if own is None:
        return {}
    free = own.table[own.table["shortcut"] == "pca"]
    return {
        choice: replace(result, table=pd.concat([result.table, free], ignore_index=True))
        for choice, result in varied(root).items()
    }
