"""What a chapter chose and could have chosen otherwise: its learning rates, and its claims under other choices.

A verdict about trained networks may hang on what nobody meant to test, a learning rate or the number of epochs. The
idea of judging it under every defensible choice is that of a multiverse analysis (Steegen, Tuerlinckx, Gelman and
Vanpaemel 2016, doi:10.1177/1745691616658637) and of a specification curve (Simonsohn, Simmons and Nelson 2020,
doi:10.1038/s41562-020-0912-z).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from IPython.display import HTML

from resnet_lib import files, runtime, sweep
from resnet_lib.evidence import intervals, markup
from resnet_lib.sweep import Experiment, Grid, Result
from resnet_lib.training import tuning

LEARNED = 0.2
"""Validation accuracy of a network that has learned something of ten classes: twice that of guessing."""
THIRD, THRICE, SAME = "a third of each rate", "three times each rate", "the same rate for all"
CHOSEN = "as chosen"
DIVISIONS = "other divisions of the images"
Cell = TypeVar("Cell")


def cells(table: Mapping[Any, Mapping[Any, Cell]]) -> dict[Any, Cell]:
    """The cells of a table of networks, as a rule of their rates, by what names the row and what names the column.

    Args:
        table: Rows of columns. What names a row or a column is a value, or several as a tuple.

    Example:
        >>> cells({("mlp", "residual"): {5: 0.04, 10: 0.0061}, ("conv", "plain"): {2: 0.23}})["mlp", "residual", 10]
        0.0061
    """

    def parts(name: Any) -> tuple[Any, ...]:
        return name if isinstance(name, tuple) else (name,)

    return {(*parts(row), *parts(column)): cell for row, columns in table.items() for column, cell in columns.items()}


@dataclass(frozen=True)
class Rates:
    """The learning rates of a chapter's networks, and the stored experiment that they were chosen from.

    Attributes:
        experiment: Tries rates by `tuning.search`; its table has what `tuning.choose` takes.
        by: The columns that tell its networks apart.
        best: What the chapter trains with, by the values of these columns; `complaints` compares.
        rate: The column that holds the rates.
        untrained: The networks that no rate trains, which is what the chapter shows of them: none comes to `LEARNED`,
            so that none is the best, nothing is asked of its neighbours, and any that ties will do.
    """

    experiment: Experiment
    by: tuple[str, ...]
    best: Mapping[Any, float]
    rate: str = tuning.TRIED
    untrained: tuple[Any, ...] = ()

    def choose(self, table: pd.DataFrame) -> dict[Hashable, tuning.Choice]:
        """The choice for every network, from the experiment's table."""
        return tuning.choose(table, self.by, self.rate)

    def result(self, root: Path | None = None) -> Result:
        """The stored result of the tuning.

        Raises:
            ValueError: Where the tuning has not been stored.
        """
        result, name = sweep.stored(self.experiment, root or files.root()), self.experiment.name
        if result is None:
            raise ValueError(f"{name} has not been stored; run: resnet-lib run {name} --preset full")
        return result

    def stored(self, root: Path | None = None) -> dict[Hashable, tuning.Choice]:
        """The choice for every network, from the stored result.

        Raises:
            ValueError: Where the tuning has not been stored.
        """
        return self.choose(self.result(root).table)

    def complaints(self, root: Path | None = None) -> list[str]:
        """What a reader would object to: a tuning that breaks the rule, or a rate that is not the one it chose."""
        found = self.stored(root)
        said = list(tuning.complaints(found, dict.fromkeys(self.untrained, "no rate trains it")))
        for name in self.untrained:
            if name in found and found[name].score >= LEARNED:
                said.append(f"{name} is said to be trained by no rate, and one reaches {found[name].score:.3g}")
        chosen = {name: choice.rate for name, choice in found.items()}
        for name in sorted({*chosen, *self.best}, key=str):
            if name in self.untrained and name in found and self.best.get(name) in found[name].ties:
                continue  # any rate that does as badly
            if chosen.get(name) != self.best.get(name):
                said.append(f"{name} is trained with {self.best.get(name)}; its tuning chose {chosen.get(name)}")
        return said

    def shown(
        self, titles: Mapping[Any, str] | None = None, root: Path | None = None, *, label: str = "Learning rates"
    ) -> HTML:
        """The stored choices as a table that a notebook shows, folded.

        Args:
            titles: Words for the networks, by the values that tell them apart; None where those speak for themselves.
            root: The book's folder.
            label: Its name for those who cannot see it; no two tables of a page may have the same.

        Raises:
            ValueError: Where the tuning has not been stored.
        """
        stored = self.stored(root)
        named = {(titles or {}).get(name, name): choice for name, choice in stored.items()}
        tried, seeds = (max(found) for found in zip(*((len(c.rates), c.seeds) for c in stored.values()), strict=True))
        folded = f"How the learning rates were chosen: {len(stored)} networks, {tried} rates each, {seeds} seeds"
        return markup.table(label, tuning.table_of(named), folded=folded)


@dataclass(frozen=True)
class Choices:
    """An experiment under other choices than its own.

    Attributes:
        base: The experiment as the chapter has it.
        ways: The settings that stand in for those of its QUICK grid, by the words that name the choice.
        seeds: None for those of the QUICK grid.
        name: None for that of the experiment with `-choices` behind it.
    """

    base: Experiment
    ways: Mapping[str, tuple[Any, ...]]
    seeds: tuple[int, ...] | None = None
    name: str | None = None

    @cached_property
    def experiment(self) -> Experiment:
        """The same trial, on the settings of all choices; only its FULL is meant to be read."""
        everything = tuple(dict.fromkeys(setting for way in self.ways.values() for setting in way))
        quick = self.base.quick
        return replace(
            self.base,
            name=self.name or f"{self.base.name}-choices",
            quick=Grid(settings=everything[:1], seeds=quick.seeds[:1]),
            full=Grid(settings=everything, seeds=self.seeds or quick.seeds, group=quick.group),
        )

    def results(self, root: Path | None = None) -> dict[str, Result]:
        """The stored results by the words that name their choice, without those that have not been computed whole."""
        result = sweep.stored(self.experiment, root or files.root())
        if result is None:
            return {}
        found = {}
        for name, way in self.ways.items():
            wanted = pd.DataFrame([vars(setting) for setting in way])
            named = [column for column in wanted if column in result.table]
            table = result.table.merge(wanted[named].drop_duplicates())
            if len(table[named].drop_duplicates()) == len(wanted[named].drop_duplicates()):
                found[name] = replace(result, table=table)
        return found

    def beside(self, result: Result, root: Path | None = None) -> dict[str, Result]:
        """The stored results behind that of the experiment itself, its FULL where there is one."""
        return {CHOSEN: result.full or result, **self.results(root)}


def ways(settings: Sequence[Any], *, same: float | None = None, time: str = "epochs") -> dict[str, tuple[Any, ...]]:
    """Other choices for networks that are trained: their rates a third and three times as large, twice the time.

    Args:
        settings: With the field `lr` and that of `time`; a rate of 0 stays one.
        same: A rate that all networks get, for one more choice; None leaves it out.
        time: The field that says how long they are trained, `epochs` or `steps`.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Network:
        ...     lr: float
        ...     epochs: int = 2
        >>> ways([Network(0.1)])["three times each rate"]
        (Network(lr=0.3, epochs=2),)
    """
    found = {
        THIRD: tuple(replace(setting, lr=tuning.rounded(setting.lr / 3)) for setting in settings),
        THRICE: tuple(replace(setting, lr=tuning.rounded(setting.lr * 3)) for setting in settings),
        f"twice the {time}": tuple(replace(setting, **{time: 2 * getattr(setting, time)}) for setting in settings),
    }
    if same is not None:
        found[SAME] = tuple(replace(setting, lr=same if setting.lr else 0.0) for setting in settings)
    return found


def divisions(
    base: Experiment, settings: Sequence[Any] | None = None, *, seeds: Sequence[int] = range(10), group: int = 2
) -> Choices:
    """The experiment with its images divided anew: each group of seeds learns, and is tested on, other ones.

    The interval of an accuracy over seeds is one for these test images. Here it is over seeds and images together, as
    coarse as there are groups.

    Args:
        base: The experiment as the chapter has it.
        settings: Those that are wanted; None for all of its QUICK grid.
        seeds: Of all groups.
        group: How many seeds share a division.

    Example:
        >>> from resnet_lib.experiments.counting_paths.members import MEMBERS
        >>> found = divisions(MEMBERS, seeds=range(6)).experiment
        >>> found.name, found.divided, found.full.groups
        ('paths-members-divided', True, ((0, 1), (2, 3), (4, 5)))
    """
    divided = replace(base, quick=replace(base.quick, group=group), divided=True)
    ways_ = {DIVISIONS: tuple(base.quick.settings if settings is None else settings)}
    return Choices(divided, ways_, tuple(seeds), f"{base.name}-divided")


def measured(
    measures: Mapping[str, Callable[[pd.DataFrame], np.ndarray]], results: Mapping[str, Result], *, digits: int = 2
) -> pd.DataFrame:
    """What a page tells in numbers, under every choice: one row per measure, a column per choice, mean and interval.

    Args:
        measures: From a table to one value per seed, by the words that name them.
        results: By the words that name the choice; `Choices.results()` has those of the others.
        digits: Behind the point.

    Returns:
        Cells such as `4.71 (3.20 to 6.30)`; a dash where a training diverged, or the choice has none of the networks.

    Example:
        >>> from resnet_lib.experiments.stability_of_the_step import methods
        >>> from resnet_lib.sweep import results
        >>> stored = {"as chosen": results.read("stability-methods", files.root())}
        >>> measured({"plus one": lambda table: methods.plus_one(table).values}, stored).columns.tolist()
        ['measure', 'as chosen']
    """
    rows = []
    for name, measure in measures.items():
        cells = {}
        for choice, result in results.items():
            try:
                values = np.asarray(measure(result.table), dtype=float)
            except ValueError:  # none of the networks that this choice has
                values = np.array([np.nan])
            cells[choice] = _cell(values, digits, name, choice)
        rows.append({"measure": name, **cells})
    return pd.DataFrame(rows)


def _cell(values: np.ndarray, digits: int, *names: str) -> str:
    if not np.isfinite(values).all():
        return "–"
    low, high = intervals.interval(values, "mean", rng=runtime.rng(0, "choices", *names))
    parts = [f"{found:.{digits}f}".replace("-", markup.MINUS) for found in (values.mean(), float(low), float(high))]
    return "{} ({} to {})".format(*parts)


def told(
    label: str, *parts: tuple[Mapping[str, Callable[[pd.DataFrame], np.ndarray]], Mapping[str, Result]], digits: int = 2
) -> HTML:
    """The tables of `measured`, one below the other, as a notebook shows them, folded.

    Args:
        label: What the table tells.
        parts: The measures and the results of an experiment each; `Choices.beside` has the results.
        digits: Behind the point.

    Example:
        >>> from resnet_lib.experiments.stability_of_the_step import methods
        >>> from resnet_lib.sweep import results
        >>> stored = {"as chosen": results.read("stability-methods", files.root())}
        >>> shown = told("Methods", ({"plus one": lambda table: methods.plus_one(table).values}, stored))
        >>> "Methods: 1 measures under 1 choices" in shown.data
        True
    """
    frame = pd.concat([measured(*part, digits=digits) for part in parts], ignore_index=True).fillna("–")
    folded = f"{label}: {len(frame)} measures under {len(frame.columns) - 1} choices, mean and 95% interval"
    return markup.table(label, frame, folded=folded)
