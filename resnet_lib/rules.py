"""Rules fixed in advance, and what they decide about a sample. Knows numbers only: no claim, no table."""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

LEVEL = 0.95
RESAMPLES = 9999
FEWEST = 5  # values for a mean or a median; with fewer no interval is worth its name
GRAMMAR = "<statistic> < x, <statistic> > x, or lo < <statistic> < hi, where the statistic is every, mean or median"

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_RULE = re.compile(rf"(?:{_NUMBER}\s*<\s*)?(every|mean|median)(?:\s*([<>])\s*{_NUMBER})?")
_AVERAGES = {"mean": np.mean, "median": np.median}


class Decision(NamedTuple):
    """What a rule decides about a sample, with its certificate.

    Attributes:
        status: `holds`, `fails` or `undecided`.
        reason: The same in words.
        effect: The mean or median; for `every` the value that comes closest to a bound, or is farthest beyond it.
        low: Lower end of the 95% interval, None with fewer than five values; for `every` the least value.
        high: Its upper end; for `every` the largest value.
        n: How many values.
        inside: How many of them satisfy the bounds by themselves.
    """

    status: str
    reason: str
    effect: float
    low: float | None
    high: float | None
    n: int
    inside: int


@dataclass(frozen=True)
class Rule:
    """What values have to satisfy: `low < statistic < high`, where one of the bounds may be infinite.

    `every` asks it of each value. `mean` and `median` ask it of the whole 95% bootstrap interval.
    """

    text: str
    statistic: str
    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """The rule that a text says, e.g. `mean > 0.95` or `-1e-9 < every < 1e-9`.

        Raises:
            ValueError: The text is no rule, or one that no number satisfies.
        """
        match = _RULE.fullmatch(text.strip())
        low, statistic, sign, x = match.groups() if match else (None, "", None, None)
        if (low is None and x is None) or (low is not None and sign == ">"):
            raise ValueError(f"{text!r} is no rule; write {GRAMMAR}")
        if sign == ">":
            low, x = x, None
        bounds = float(low or "-inf"), float(x or "inf")
        if not bounds[0] < bounds[1]:
            raise ValueError(f"{text!r} is satisfied by no number; write the lower bound first: {GRAMMAR}")
        return cls(text.strip(), statistic, *bounds)

    def satisfied(self, values: Float[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
        """Which of the values lie between the bounds; a value on a bound does not."""
        return (self.low < values) & (values < self.high)

    def decide(self, low: Float[np.ndarray, "*batch"], high: Float[np.ndarray, "*batch"]) -> np.ndarray:
        """For each interval `holds` if it lies between the bounds, `fails` if wholly beyond one, else `undecided`."""
        inside = (self.low < low) & (high < self.high)
        beyond = (high <= self.low) | (self.high <= low)
        return np.select([inside, beyond], ["holds", "fails"], "undecided")

    def judge(self, values: Float[np.ndarray, " n"], *, rng: np.random.Generator) -> Decision:
        """What the rule decides about one sample; `rng` resamples it. Fewer than five values leave an average open."""
        n, inside = len(values), int(self.satisfied(values).sum())
        if self.statistic == "every":
            effect = values[np.minimum(values - self.low, self.high - values).argmin()]
            reason = f"{inside} of {n} values satisfy it"
            ends = float(values.min()), float(values.max())
            return Decision("holds" if inside == n else "fails", reason, float(effect), *ends, n, inside)
        effect = float(np.clip(_AVERAGES[self.statistic](values), values.min(), values.max()))
        if n < FEWEST:
            reason = f"n = {n}, and a {self.statistic} needs at least {FEWEST} values"
            return Decision("undecided", reason, effect, None, None, n, inside)
        low, high = interval(values, self.statistic, rng=rng)
        status = str(self.decide(low, high))
        where = {"holds": "satisfies it", "fails": "violates it", "undecided": "has a bound within it"}[status]
        return Decision(
            status, f"the 95% interval of the {self.statistic} {where}", effect, float(low), float(high), n, inside
        )


def interval(
    values: Float[np.ndarray, "*batch n"], statistic: str, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    r"""Ends of the 95% bootstrap interval of the mean or median over the last axis: of one sample, or of many at once.

    It is the expanded percentile interval (hesterberg2015teachers): the percentiles of the bootstrap distribution at
    $\Phi\bigl(\mp\sqrt{n/(n-1)}\,t_{n-1,\,0.975}\bigr)$, which undo that this distribution is too narrow by
    $\sqrt{(n-1)/n}$ and that the variance is estimated. The ends stay within the range of the sample, so that equal
    values give exactly that value.
    """
    n = values.shape[-1]
    tail = stats.norm.sf(np.sqrt(n / (n - 1)) * stats.t.isf((1 - LEVEL) / 2, n - 1))
    ends = stats.bootstrap(
        (values,),
        _AVERAGES[statistic],
        n_resamples=resamples,
        batch=max(1, 2_000_000 // values.size),  # bounds the memory to some 16 MB
        vectorized=True,
        axis=-1,
        confidence_level=float(1 - 2 * tail),
        method="percentile",
        rng=rng,
    ).confidence_interval
    least, largest = values.min(-1), values.max(-1)
    return np.asarray(np.clip(ends.low, least, largest)), np.asarray(np.clip(ends.high, least, largest))
