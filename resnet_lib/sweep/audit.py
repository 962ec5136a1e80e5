"""An audit computes a sample of a stored result's trials again and compares them. It changes nothing that is stored."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from resnet_lib.sweep import results, runner
from resnet_lib.sweep.cache import Columns, decode
from resnet_lib.sweep.experiment import Experiment
from resnet_lib.sweep.key import SCALARS
from resnet_lib.sweep.trial import Basis, Failure, Trial, outcome, trials

CLOSE = 1e-6  # relative to the largest value of the column; another processor adds up in another order


@dataclass(frozen=True)
class Audited:
    """A stored trial that was computed again.

    Attributes:
        trial: The setting and the seeds.
        status: `identical` bit for bit, `close`, `differs`, or `failed`.
        deviation: Relative to the largest value of the column; infinite where something else than a number differs.
        column: Where that is.
        told: What there is to say, for people.
    """

    trial: Trial
    status: str
    deviation: float
    column: str
    told: str


class NotComparable(ValueError):
    """A stored result that today's code cannot be held against."""


def verify(
    experiment: Experiment,
    root: Path,
    *,
    sample: int,
    rng: np.random.Generator,
    device: str = "cpu",
    close: float = CLOSE,
) -> Iterator[Audited]:
    """Compute some trials of a stored FULL result again, chosen by `rng`, and compare them with what is stored.

    Args:
        experiment: Whose result.
        root: The book's folder.
        sample: How many trials, at most.
        rng: Chooses them.
        device: To compute on.
        close: Largest relative deviation that counts as close.

    Raises:
        ResultError: Where the stored files are damaged.
        NotComparable: Where nothing is stored, or what is stored is older than the code.
    """
    stored = runner.stored(experiment, root)
    if stored is None:
        raise NotComparable(f"{experiment.name} has no stored result; resnet-lib run {experiment.name} --preset full")
    if reasons := runner.older(experiment, stored.stamp, root):
        raise NotComparable(
            f"{' and '.join(reasons)} since {stored.stamp.commit[:7]}; check that commit out to verify it, or renew it "
            f"by resnet-lib run {experiment.name} --preset {results.PRESET}"
        )
    plan = list(trials(experiment, experiment.full, Basis.of(experiment, device, experiment.full)))
    for i in sorted(rng.choice(len(plan), min(sample, len(plan)), replace=False)):
        yield _audited(plan[i], stored.table, close)


def _audited(trial: Trial, table: pd.DataFrame, close: float) -> Audited:
    found = outcome(trial)
    if isinstance(found, Failure):
        return Audited(trial, "failed", np.inf, "", str(found))
    deviation, column = _compared(_rows(table, trial), decode(found, trial.key).columns)
    status = "identical" if deviation == 0 else "close" if deviation <= close else "differs"
    where = (
        f", {column} by {deviation:.1e} of its largest value"
        if 0 < deviation < np.inf
        else f", {column}" * bool(column)
    )
    return Audited(trial, status, deviation, column, status + where)


def _rows(table: pd.DataFrame, trial: Trial) -> pd.DataFrame:
    """The rows of a table that a trial has made, and those of its twins, whose settings look the same there."""
    chosen = table["seed"].isin(trial.seeds)
    for field in fields(trial.setting):
        value = getattr(trial.setting, field.name)
        if field.name in table and isinstance(value, SCALARS):
            chosen &= _equal(table[field.name], value)
    return table[chosen]


def _equal(column: pd.Series, value: Any) -> pd.Series:
    """Where a column of the table holds the value of a field, as `table.join` writes it."""
    if column.dtype.kind not in "bif":
        return column == ("none" if value is None else str(value))
    return column.isna() if value is None else column == value


def _compared(rows: pd.DataFrame, columns: Columns) -> tuple[float, str]:
    """The largest deviation, and its column: of the block of rows that comes closest, where twins have several."""
    length = len(columns["seed"])
    starts = range(len(rows) - length + 1)
    blocks = (_deviation(rows.iloc[start : start + length], columns) for start in starts)
    return min(blocks, default=(np.inf, "the number of rows"))


def _deviation(rows: pd.DataFrame, columns: Columns) -> tuple[float, str]:
    worst = 0.0, ""
    for name, again in columns.items():
        if name not in rows:
            return np.inf, name
        before = rows[name]
        if isinstance(again, list) or before.dtype.kind not in "bif":
            deviation = 0.0 if before.tolist() == list(again) else np.inf
        else:
            old, new = before.to_numpy(np.float64), np.asarray(again, np.float64)
            same = (old == new) | (np.isnan(old) & np.isnan(new))
            with np.errstate(invalid="ignore"):
                apart = np.where(same, 0.0, np.nan_to_num(np.abs(old - new), nan=np.inf))
            scale = np.abs(old[np.isfinite(old)]).max(initial=0.0)
            deviation = float(apart.max() / scale) if scale else float(np.inf * apart.any() if apart.any() else 0.0)
        worst = max(worst, (deviation, name))
    return worst if worst[0] else (0.0, "")
