"""Learning rates are chosen here, for every chapter by one rule: from validation accuracies, and not by one image.

The rule refuses what a reader would object to. The best rate lies inside its grid and not at an edge; its neighbours
are at most a factor of two away; every variant gets as many rates as any other, and at least five seeds that are used
for nothing else. Rates that come within a standard error of the best are a tie, and of a tie the middle one is taken.
"""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from resnet_lib.training.fits import Fit

SEEDS = tuple(range(100, 105))
"""Seeds for tuning; no experiment uses them for anything else."""
STEP = math.sqrt(10)
"""A grid that has to be longer gets a rate so many times beyond its edge."""
FACTOR = 2.05
"""The neighbours of the best rate are at most so far away; 1, 2, 4 and so on may be rounded to two digits."""
RATE, SCORE = "lr", "validation_accuracy"


@dataclass(frozen=True)
class Choice:
    """The learning rate that is chosen for one variant, and what it was chosen from.

    Attributes:
        rate: The chosen one, the middle of `ties`.
        score: Its validation accuracy, averaged over seeds.
        ties: The rates that are within one standard error of the best mean, and that one, in ascending order.
        rates: All that were tried, in ascending order.
        seeds: How many seeds each was tried with, at least.
    """

    rate: float
    score: float
    ties: tuple[float, ...]
    rates: tuple[float, ...]
    seeds: int

    @property
    def edge(self) -> str:
        """`lowest` or `highest` where the chosen rate is that of its grid, else empty."""
        return {self.rates[0]: "lowest", self.rates[-1]: "highest"}.get(self.rate, "")

    @property
    def further(self) -> float:
        """The rate to try next: beyond the edge, or between the chosen rate and the farther of its neighbours."""
        i = self.rates.index(self.rate)
        if self.edge:
            return rounded(self.rate / STEP if i == 0 else self.rate * STEP)
        below, above = self.rate / self.rates[i - 1], self.rates[i + 1] / self.rate
        return rounded(self.rate * math.sqrt(above) if above >= below else self.rate / math.sqrt(below))

    @property
    def refined(self) -> bool:
        """Whether both neighbours of the chosen rate are within a factor of two."""
        i = self.rates.index(self.rate)
        pairs = zip(self.rates[max(i - 1, 0) : i + 2], self.rates[max(i - 1, 0) + 1 : i + 2], strict=False)
        return all(high / low <= FACTOR for low, high in pairs)


def rounded(rate: float) -> float:
    """A rate with two significant digits.

    Example:
        >>> rounded(0.1 * STEP), rounded(0.0547)
        (0.32, 0.055)
    """
    return float(f"{rate:.1e}")


def scores(fitted: Fit, epoch: int) -> pd.DataFrame:
    """Validation accuracies after an epoch, and 0 where the training diverged; one row per seed.

    Args:
        fitted: What `training.fit` returned.
        epoch: The last one, as a rule.

    Example:
        >>> from resnet_lib import data, nets, training
        >>> recipe = training.Recipe(epochs=1, batch=100, lr=0.1)
        >>> digits = data.load("digits", flat=True)
        >>> fitted = training.fit(lambda generator: nets.mlp(1, 8, generator=generator), digits, recipe, (100, 101))
        >>> scores(fitted, 1)["validation_accuracy"].between(0.1, 1).tolist()
        [True, True]
    """
    last = fitted.history[fitted.history["epoch"] == epoch].set_index("seed")[SCORE]
    return last.fillna(0.0).reset_index()


def choose(table: pd.DataFrame, by: Sequence[str]) -> dict[Hashable, Choice]:
    """The choice for every variant, by the value of the column `by` or, where there are several, by their values.

    The best rate is that of the highest mean. Another one ties with it if, seed by seed, it is behind by less than the
    standard error of that difference. Of those that tie the one nearest to their geometric middle is chosen, the
    smaller of two: a rate in the middle of what does well is one that another seed would choose, too.

    Args:
        table: One row per variant, rate and seed, with the columns `lr`, `seed` and `validation_accuracy`.
        by: The columns that tell variants apart.

    Raises:
        ValueError: A rate was tried with other seeds than another of the same variant, or twice with one.

    Example:
        >>> table = pd.DataFrame({"net": "A", "lr": [0.1, 0.1, 0.2, 0.2, 0.4, 0.4], "seed": [0, 1, 0, 1, 0, 1]})
        >>> choose(table.assign(validation_accuracy=[0.8, 0.8, 0.9, 0.95, 0.7, 0.8]), ["net"])["A"].rate
        0.2
    """
    return {
        key[0] if len(by) == 1 else key: _choice(part, dict(zip(by, key, strict=True)))
        for key, part in table.groupby(list(by))
    }


def _choice(part: pd.DataFrame, variant: Mapping[str, object]) -> Choice:
    uneven = ValueError(f"the tuning of {variant} is uneven: every rate needs a score for each of its seeds, and one")
    if part.duplicated([RATE, "seed"]).any():
        raise uneven
    wide = part.pivot(index="seed", columns=RATE, values=SCORE)
    if wide.isna().to_numpy().any():
        raise uneven
    rates, found = [float(rate) for rate in wide.columns], wide.to_numpy()
    means = found.mean(0)
    behind = found - found[:, [int(means.argmax())]]
    errors = behind.std(0, ddof=1) / math.sqrt(len(found)) if len(found) > 1 else np.zeros(len(rates))
    ties = [rate for rate, gap, error in zip(rates, behind.mean(0), errors, strict=True) if gap >= -error]
    middle = (math.log(ties[0]) + math.log(ties[-1])) / 2
    rate = min(ties, key=lambda rate: (round(abs(math.log(rate) - middle), 9), rate))
    return Choice(rate, float(means[rates.index(rate)]), tuple(ties), tuple(rates), len(found))


def complaints(choices: Mapping[Hashable, Choice], allowed: Mapping[Hashable, str] | None = None) -> Iterator[str]:
    """Sentences about what a reader would object to in a tuning, each with the rate to try next.

    Args:
        choices: From `choose`.
        allowed: Variants whose best rate may lie at an edge, and why, as the chapter says.

    Example:
        >>> list(complaints({"A": Choice(0.4, 0.9, (0.4,), (0.1, 0.2, 0.4), seeds=5)}))
        ['the best rate of A, 0.4, is the highest of its grid; try 1.3']
    """
    most = max((len(choice.rates) for choice in choices.values()), default=0)
    for name, choice in choices.items():
        if choice.seeds < len(SEEDS):
            yield f"{name} was tuned with {choice.seeds} seeds; it takes at least {len(SEEDS)}"
        if choice.edge and name not in (allowed or {}):
            yield f"the best rate of {name}, {choice.rate:g}, is the {choice.edge} of its grid; try {choice.further:g}"
        elif not choice.edge and not choice.refined:
            yield f"the best rate of {name}, {choice.rate:g}, has a neighbour that is far off; try {choice.further:g}"
        elif len(choice.rates) < most:
            yield f"{name} was tried at {len(choice.rates)} rates and another at {most}; try {choice.further:g}"


def table_of(choices: Mapping[Hashable, Choice]) -> pd.DataFrame:
    """The choices as a table for a page: the rate, its accuracy in percent, its ties, how many were tried.

    Example:
        >>> table_of({"A": Choice(0.2, 0.9, (0.2,), (0.1, 0.2, 0.4), seeds=5)})["learning rate"].tolist()
        [0.2]
    """
    return pd.DataFrame(
        {
            "variant": [str(name) for name in choices],
            "learning rate": [choice.rate for choice in choices.values()],
            "validation accuracy, %": [np.round(100 * choice.score, 2) for choice in choices.values()],
            "as good within an error": [", ".join(f"{rate:g}" for rate in choice.ties) for choice in choices.values()],
            "rates tried": [len(choice.rates) for choice in choices.values()],
        }
    )
