"""This module says how sure verdicts are: by pairs of seeds, p-values corrected for many claims, and seeds needed.

It knows tables of seeds and the numbers of a verdict; no experiment, no page. What it computes changes no verdict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from resnet_lib.evidence.intervals import LEVEL
from resnet_lib.evidence.rules import FEWEST, Rule

POWER = 0.8
DRAWS = 400  # of `same_again`
FRAGILE = 0.99  # a verdict that a fresh run of the same size would repeat less often than this is fragile
MOST = 10_000  # seeds; beyond that, none
RATE = 1 - LEVEL


def paired(table: pd.DataFrame, value: str, by: str, first: Any, second: Any) -> np.ndarray:
    """Differences of `value`, first minus second, between rows of the same seed; in the order of the seeds, in float64.

    Two variants that start from the same seed see the same data in the same order; their difference varies less than
    either of them, and its interval is what a comparison is decided by.

    Args:
        table: With a column `seed`; a row for each seed of each variant.
        value: Column to compare.
        by: Column that tells the variants apart.
        first: Its value for the first variant.
        second: Its value for the second variant.

    Raises:
        TypeError: Where the column holds no real numbers.
        ValueError: Where a column is missing, the variants have different seeds, or a seed has several rows.

    Example:
        >>> runs = pd.DataFrame({"seed": [0, 1, 0, 1], "net": ["a", "a", "b", "b"], "accuracy": [0.9, 0.8, 0.7, 0.75]})
        >>> paired(runs, "accuracy", "net", "a", "b").round(2).tolist()
        [0.2, 0.05]
    """
    if missing := [name for name in ("seed", value, by) if name not in table]:
        raise ValueError(f"the table has no column {missing[0]!r}; it has {', '.join(map(repr, table.columns))}")
    if not pd.api.types.is_numeric_dtype(table[value]) or pd.api.types.is_complex_dtype(table[value]):
        raise TypeError(f"value={value!r} names a column of {table[value].dtype}; differences need real numbers")
    sides = [table.loc[table[by] == name].set_index("seed")[value].sort_index() for name in (first, second)]
    for name, side in zip((first, second), sides, strict=True):
        if side.empty:
            raise ValueError(f"no row has {by}={name!r}; the column holds {sorted(set(table[by]))}")
        if side.index.has_duplicates:
            seed = side.index[side.index.duplicated()][0]
            raise ValueError(f"{by}={name!r} has several rows of seed {seed}; select one setting first")
    if list(sides[0].index) != list(sides[1].index):
        seeds = " and ".join(str(side.index.tolist()) for side in sides)
        raise ValueError(f"{by}={first!r} and {second!r} have the seeds {seeds}; a comparison by pairs needs the same")
    # Integers of few bits wrap around, and truth values have no difference.
    return sides[0].to_numpy(np.float64) - sides[1].to_numpy(np.float64)


def p_value(rule: Rule, verdict: Mapping[str, Any]) -> float | None:
    r"""How surprising the values would be if the truth lay on the nearest bound, two-sided; None where none is defined.

    For a mean, from the verdict's own interval: with $d$ the distance of the mean from the bound and $h$ the length of
    the interval on that side, $p=2\,P(T_{n-1}>t_{n-1,\,0.975}\,d/h)$, which is below 5% exactly where the interval
    excludes the bound. For a median, the sign test, which is exact. Between two bounds the larger one counts. A rule
    on `every` value asks no question about a population, and fewer than five values answer none.

    Args:
        rule: Of the claim.
        verdict: Its `effect`, `low`, `high`, `n` and `inside`.
    """
    effect, low, high, n, inside = (verdict[name] for name in ("effect", "low", "high", "n", "inside"))
    if rule.statistic == "every" or n < FEWEST:
        return None
    if rule.statistic == "median":
        return float(min(1.0, 2 * stats.binom.cdf(min(inside, n - inside), n, 0.5)))
    values = []
    for bound in _bounds(rule, effect):
        half, distance = effect - low if effect > bound else high - effect, abs(effect - bound)
        ratio = distance / max(half, 1e-300) if distance else 0.0
        values.append(2 * stats.t.sf(stats.t.isf(RATE / 2, n - 1) * min(ratio, 1e300), n - 1))
    return float(max(values))


def seeds_needed(rule: Rule, verdict: Mapping[str, Any], *, power: float = POWER) -> int | None:
    """The number of seeds that decide the claim with that probability, if effect and spread are what they seem now.

    From the power of Student's test (noncentral t), with the spread that the interval tells; for a median a rough
    guess. None where more than 10,000 would be needed, and for a rule on `every` value, which is always decided.

    Args:
        rule: Of the claim.
        verdict: Its `effect`, `low`, `high` and `n`.
        power: Probability of a decision.
    """
    effect, low, high, n = (verdict[name] for name in ("effect", "low", "high", "n"))
    if rule.statistic == "every":
        return None
    if low is None:
        return FEWEST
    spread = (high - low) / 2 * np.sqrt(n) / stats.t.isf(RATE / 2, n - 1)
    distance = min(abs(effect - bound) for bound in _bounds(rule, effect))
    if distance == 0:
        return None
    counts = np.arange(FEWEST, MOST + 1)
    shift = np.minimum(distance * np.sqrt(counts) / max(spread, 1e-300), 30)  # beyond that, scipy has no power to give
    enough = stats.nct.sf(stats.t.isf(RATE / 2, counts - 1), counts - 1, shift) >= power
    return int(counts[enough.argmax()]) if enough.any() else None


def same_again(
    rule: Rule,
    must: Rule,
    values: Float[np.ndarray, " n"],
    control: Float[np.ndarray, " m"],
    status: str,
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> float:
    r"""Probability that a fresh run of the same size gives the same status, estimated by resampling the seeds.

    Values and control are resampled together where there are equally many, since they share their seeds. For an average
    each resample is spread about the mean by $\sqrt{n/(n-1)}$, which undoes that a bootstrap sample varies too little.
    With five seeds the estimate is rough, and for a rule on `every` value too kind: what was never seen is never drawn.

    Args:
        rule: Of the claim.
        must: Of its control; where it does not hold the status is `invalid`.
        values: One value per seed or draw.
        control: The same for the control.
        status: The status of the run at hand.
        rng: Draws the resamples.
        draws: How many.

    Example:
        >>> five = np.array([1.0, 1.1, 0.9, 1.2, 0.8])
        >>> rules = Rule.parse("mean > 0"), Rule.parse("every < 1")
        >>> same_again(*rules, five, 0 * five, "holds", rng=np.random.default_rng(0))
        1.0
    """
    picked = rng.integers(0, len(values), (draws, len(values)))
    other = picked if len(control) == len(values) else rng.integers(0, len(control), (draws, len(control)))
    found = rule.statuses(_redrawn(rule, values, picked), rng=rng)
    valid = must.statuses(_redrawn(must, control, other), rng=rng) == "holds"
    return float((np.where(valid, found, "invalid") == status).mean())


def _redrawn(rule: Rule, values: np.ndarray, picked: np.ndarray) -> np.ndarray:
    n = len(values)
    if rule.statistic == "every" or n == 1:
        return values[picked]
    return values.mean() + np.sqrt(n / (n - 1)) * (values[picked] - values.mean())


def _bounds(rule: Rule, effect: float) -> list[float]:
    """The bounds that a verdict hangs on: all finite ones for an effect between them, else the one it is beyond."""
    if effect <= rule.low:
        return [rule.low]
    return [rule.high] if effect >= rule.high else [b for b in (rule.low, rule.high) if np.isfinite(b)]


@dataclass(frozen=True)
class Tested:
    """One claim among many.

    Attributes:
        id: Of the claim.
        preset: Of the run that counts: the largest.
        status: The verdict.
        n: How many values.
        p: `p_value`.
        adjusted: The smallest rate of false discoveries at which it counts as one (Benjamini and Hochberg).
        cautious: The same whatever the dependence between claims (Benjamini and Yekutieli).
        seeds: `seeds_needed` where it is undecided.
    """

    id: str
    preset: str
    status: str
    n: int
    p: float
    adjusted: float
    cautious: float
    seeds: int | None


def together(records: Sequence[Mapping[str, Any]]) -> list[Tested]:
    """All claims with a p-value, corrected for their number by SciPy's `false_discovery_control`.

    Args:
        records: Of `claims.Check`.
    """
    found = []
    for record in records:
        preset = "full" if record["full"] else "quick"
        verdict, rule = record[preset], Rule.parse(record["rule"])
        p = p_value(rule, verdict) if verdict and verdict["status"] != "invalid" else None
        if p is not None:
            undecided = verdict["status"] == "undecided"
            found.append((record["id"], preset, verdict, p, seeds_needed(rule, verdict) if undecided else None))
    ps = [p for *_, p, _ in found]
    adjusted, cautious = (stats.false_discovery_control(ps, method=m) if ps else [] for m in ("bh", "by"))
    return [
        Tested(name, preset, verdict["status"], verdict["n"], p, float(adjusted[i]), float(cautious[i]), seeds)
        for i, (name, preset, verdict, p, seeds) in enumerate(found)
    ]
