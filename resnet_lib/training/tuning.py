"""Learning rates are chosen here, for every chapter by one rule: from validation accuracies, and not by one image.

The rule refuses what a reader would object to. The best rate lies inside its grid and not at an edge; its neighbours
are at most a factor of two away; every variant gets as many rates as any other, and at least five seeds that are used
for nothing else. Rates that come within a standard error of the best are a tie, and of a tie the middle one is taken.

`search` tries the rates, each where the ones before it say: beyond the edge until the best and its ties lie inside,
then ever closer to it. `choose` takes one from what was tried, `complaints` says what a reader would object to.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from resnet_lib.sweep import Grid
from resnet_lib.training.fits import Fit
from resnet_lib.whole import whole

SEEDS = tuple(range(100, 105))
"""Seeds for tuning; no experiment uses them for anything else."""
STEP = math.sqrt(10)
"""A grid that has to be longer gets a rate so many times beyond its edge."""
MARGIN = 1.5
"""No rate is chosen at up to so many times which a training is lost: another seed would be lost at the rate itself."""
LOST = 0.5
"""A training is lost where it ends below this share of the best mean of its variant; one that diverged always is."""
FACTOR = 2.05
"""The neighbours of the best rate are at most so far away; 1, 2, 4 and so on may be rounded to two digits."""
AROUND = (1 / STEP, 1.0, STEP)
"""The first rates of a search, times the one that it starts from."""
NUMBER = 9
"""So many rates are tried for a variant, if nothing else is said."""
RATE, SCORE = "lr", "validation_accuracy"
TRIED = "rate"
"""The column of a search's table that holds the rates; a setting may have its own, `lr`."""


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
    def open_end(self) -> str:
        """`lowest` or `highest` where that rate is the chosen one or ties with the best, so that more may do; or empty.

        Where both do it is the one nearer to the chosen rate.
        """
        ends = [end for end, rate in (("lowest", self.rates[0]), ("highest", self.rates[-1])) if rate in self.ties]
        return self.edge or ("highest" if len(ends) > 1 and self._upper else ends[0] if ends else "")

    @property
    def further(self) -> float:
        """The rate to try next, which is none of those that were tried.

        Beyond an open end: by `STEP`, and from the second time on by the square of the last gap, at most 10,000. Else
        between the chosen rate and the farther of its neighbours, in the middle of the logarithms; and where two digits
        cannot tell that one from its neighbours, beyond the end that is nearer.
        """
        below, above = (self.rates[at] * factor for at, factor in zip((0, -1), self._steps, strict=True))
        wanted = [above, below] if self._upper else [below, above]
        if self.open_end:
            wanted = [below if self.open_end == "lowest" else above, *wanted]
        else:
            i = self.rates.index(self.rate)
            gaps = [(self.rates[i - 1], self.rate), (self.rate, self.rates[i + 1])]
            gaps.sort(key=lambda gap: -gap[1] / gap[0])
            wanted = [*(math.sqrt(low * high) for low, high in gaps), *wanted]
        return next(rate for rate in map(rounded, wanted) if rate not in self.rates)

    @property
    def _upper(self) -> bool:
        """Whether the chosen rate is in the upper half of its grid."""
        return self.rate**2 > self.rates[0] * self.rates[-1]

    @property
    def _steps(self) -> tuple[float, float]:
        """The factors by which the grid is continued below and above."""
        if len(self.rates) <= len(AROUND):
            return 1 / STEP, STEP
        gaps = self.rates[1] / self.rates[0], self.rates[-1] / self.rates[-2]
        decades = [round(8 * math.log10(gap)) / 4 for gap in gaps]  # rounded, for rates have two digits
        low, high = (10 ** min(max(square, 0.5), 4.0) for square in decades)
        return 1 / low, high

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


def grids(quick: Sequence[Any], full: Sequence[Any], *, group: int | None = None) -> tuple[Grid, Grid]:
    """QUICK and FULL of an experiment that tries rates: on some of a chapter's networks, and on all, with `SEEDS`.

    Args:
        quick: Settings of QUICK, which shows that the trial runs.
        full: Settings of FULL, from which the chapter's rates are chosen.
        group: How many seeds are computed together; None for all of them.

    Example:
        >>> from resnet_lib.experiments.published_networks.small import Small
        >>> quick, full = grids([Small(8, 0.1)], [Small(8, 0.1), Small(14, 0.1)])
        >>> len(quick.settings), len(full.settings), quick.seeds == full.seeds == SEEDS
        (1, 2, True)
    """
    return Grid(quick, SEEDS, group), Grid(full, SEEDS, group)


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


def search(train: Callable[[float], Fit], start: float, number: int = NUMBER) -> pd.DataFrame:
    """Validation accuracies at the end of training, 0 where it diverged; one row per seed and rate that was tried.

    The first rates are `start` and its neighbours, a factor of the root of ten away. Then `Choice.further` says which
    one comes next: the grid is continued until the best of it, and all that tie with it, lie inside, and then refined.

    Args:
        train: Trains the networks of all seeds, the same at every rate, at the one that it is given.
        start: A rate near the best, as far as one knows.
        number: How many rates are tried.

    Returns:
        A table with the columns `rate`, `seed` and `validation_accuracy`, which `choose` takes.

    Raises:
        ValueError: Where fewer than three rates are asked for, or the first one is not above 0.

    Example:
        >>> from resnet_lib import data, nets, training
        >>> digits = data.load("digits", flat=True)
        >>> def train(lr):
        ...     recipe = training.Recipe(epochs=1, batch=100, lr=lr)
        ...     return training.fit(lambda generator: nets.mlp(1, 8, generator=generator), digits, recipe, (100, 101))
        >>> sorted(set(search(train, start=0.1, number=3)["rate"]))
        [0.032, 0.1, 0.32]
    """
    if start <= 0 or not math.isfinite(start):
        raise ValueError(f"start={start} must be a learning rate above 0, e.g. 0.1")
    if whole("number", number) < len(AROUND):
        raise ValueError(f"number={number} is too few rates to see whether the best lies inside; use 3 or more")
    tried: list[pd.DataFrame] = []
    while len(tried) < number:
        begun = len(tried) < len(AROUND)
        rate = rounded(start * AROUND[len(tried)]) if begun else _choice(pd.concat(tried), {}).further
        fitted = train(rate)
        tried.append(scores(fitted, int(fitted.history["epoch"].max())).assign(**{RATE: rate}))
    return pd.concat(tried, ignore_index=True).rename(columns={RATE: TRIED})


def choose(table: pd.DataFrame, by: Sequence[str], rate: str = TRIED) -> dict[Hashable, Choice]:
    """The choice for every variant, by the value of the column `by` or, where there are several, by their values.

    The best rate is that of the highest mean. Another one ties with it if, seed by seed, it is behind by less than the
    standard error of that difference. Of those that tie the one nearest to their geometric middle is chosen, the
    smaller of two: a rate in the middle of what does well is one that another seed would choose, too.

    Rates that have another one within `MARGIN` above them at which a training was lost, or their own, do not take part
    while others do: a seed that collapsed makes a rate's mean so uncertain that it would tie with the best.

    Args:
        table: One row per variant, rate and seed, with the columns `seed` and `validation_accuracy`.
        by: The columns that tell variants apart.
        rate: The column that holds the rates.

    Raises:
        ValueError: A rate was tried with other seeds than another of the same variant, or twice with one.

    Example:
        >>> table = pd.DataFrame({"net": "A", "rate": [0.1, 0.1, 0.2, 0.2, 0.4, 0.4], "seed": [0, 1, 0, 1, 0, 1]})
        >>> choose(table.assign(validation_accuracy=[0.8, 0.8, 0.9, 0.95, 0.7, 0.8]), ["net"])["A"].rate
        0.2
    """
    found = {}
    for key, part in table.assign(**{RATE: table[rate]}).groupby(list(by)):
        best = part.groupby(RATE)[SCORE].mean().max()
        lost = part.loc[(part[SCORE] == 0) | (part[SCORE] < LOST * best), RATE].unique()
        near = [any(each <= other <= MARGIN * each for other in lost) for each in part[RATE]]
        safe = part[~np.array(near)]
        chosen = _choice(part, variant := dict(zip(by, key, strict=True)))  # which refuses what is uneven
        if 0 < len(safe) < len(part):
            chosen = replace(_choice(safe, variant), rates=chosen.rates)
        found[key[0] if len(by) == 1 else key] = chosen
    return found


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
    if not found.any():  # every training diverged, and smaller steps are what may help
        ties = ties[:1]
    middle = (math.log(ties[0]) + math.log(ties[-1])) / 2
    rate = min(ties, key=lambda rate: (round(abs(math.log(rate) - middle), 9), rate))
    return Choice(rate, float(means[rates.index(rate)]), tuple(ties), tuple(rates), len(found))


def complaints(choices: Mapping[Hashable, Choice], allowed: Mapping[Hashable, str] | None = None) -> Iterator[str]:
    """Sentences about what a reader would object to in a tuning, each with the rate to try next.

    Args:
        choices: From `choose`.
        allowed: Variants whose best rate may lie anywhere, and why, as the chapter says: none trains them, as a rule.

    Example:
        >>> list(complaints({"A": Choice(0.4, 0.9, (0.4,), (0.1, 0.2, 0.4), seeds=5)}))
        ['the best rate of A, 0.4, is the highest of its grid; try 1.3']
    """
    most = max((len(choice.rates) for choice in choices.values()), default=0)
    for name, choice in choices.items():
        if choice.seeds < len(SEEDS):
            yield f"{name} was tuned with {choice.seeds} seeds; it takes at least {len(SEEDS)}"
        if name in (allowed or {}):
            continue
        if choice.edge:
            yield f"the best rate of {name}, {choice.rate:g}, is the {choice.edge} of its grid; try {choice.further:g}"
        elif not choice.refined:
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
            "variant": [", ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in choices],
            "learning rate": [choice.rate for choice in choices.values()],
            "validation accuracy, %": [np.round(100 * choice.score, 2) for choice in choices.values()],
            "as good within an error": [", ".join(f"{rate:g}" for rate in choice.ties) for choice in choices.values()],
            "rates tried": [len(choice.rates) for choice in choices.values()],
        }
    )
