"""A rule is fixed in advance and decides about a sample. This module knows numbers only: no claim, no table."""

import re
import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from resnet_lib.evidence.intervals import average, interval, limits, require_finite

MANY = 30  # values from which on the bootstrap interval of an average is what its limit law says
FEWEST = 5  # values for a mean or a median; with fewer no interval is worth its name
GRAMMAR = "<statistic> < x, <statistic> > x, or lo < <statistic> < hi, where the statistic is every, mean or median"

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_RULE = re.compile(rf"(?:{_NUMBER}\s*<\s*)?(every|mean|median)(?:\s*([<>])\s*{_NUMBER})?")


class Decision(NamedTuple):
    """The decision of a rule about a sample, with its certificate.

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
    """A condition on values, `low < statistic < high`, where one of the bounds may be infinite.

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
            ValueError: The text is no rule, or one that no number satisfies, or every finite one.

        Example:
            >>> rule = Rule.parse("-1 < every < 1")
            >>> rule.statistic, rule.satisfied(np.array([0.5, 1.0])).tolist()
            ('every', [True, False])
        """
        match = _RULE.fullmatch(text.strip())
        low, statistic, sign, x = match.groups() if match else (None, "", None, None)
        if (low is None and x is None) or (low is not None and sign == ">"):
            raise ValueError(f"{text!r} is no rule; write {GRAMMAR}")
        if sign == ">":
            low, x = x, None
        for bound in (low, x):
            if bound is not None and not _is_kept(bound):
                raise ValueError(
                    f"{text!r} has the bound {bound}, which float64 knows as {float(bound):g}: beyond its largest or "
                    "below its smallest number, where it decides nothing; write one that a measured value could pass"
                )
        bounds = float(low or "-inf"), float(x or "inf")
        if not np.nextafter(bounds[0], np.inf) < bounds[1]:
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

    def statuses(self, samples: Float[np.ndarray, "batch n"], *, rng: np.random.Generator) -> np.ndarray:
        """The status of each sample, one per row, as `judge` would find it with fewer resamples; for very many.

        Raises:
            ValueError: As `judge`.
        """
        require_finite("samples", samples, 2)
        if self.statistic == "every":
            return np.where(self.satisfied(samples).all(-1), "holds", "fails")
        if samples.shape[-1] < FEWEST:
            return np.full(len(samples), "undecided")
        found = self.decide(samples.min(-1), samples.max(-1))  # no interval leaves the range of its sample
        left = found == "undecided"
        if samples.shape[-1] >= MANY:
            found[left] = self.decide(*limits(samples[left], self.statistic))
        elif left.any():
            found[left] = self.decide(*interval(samples[left], self.statistic, rng=rng, resamples=999))
        return found

    def judge(self, values: Float[np.ndarray, " n"], *, rng: np.random.Generator) -> Decision:
        """The decision of the rule about one sample; `rng` resamples it. Fewer than five values leave an average open.

        Raises:
            ValueError: Where there is no value, or one is NaN or infinite.
        """
        require_finite("values", values, 1)
        n, inside = len(values), int(self.satisfied(values).sum())
        if self.statistic == "every":
            with np.errstate(over="ignore"):  # to a bound that is farther than the largest number
                effect = values[np.minimum(values - self.low, self.high - values).argmin()]
            reason = f"{inside} of {n} values satisfy it"
            ends = float(values.min()), float(values.max())
            return Decision("holds" if inside == n else "fails", reason, float(effect), *ends, n, inside)
        effect = float(np.clip(average(values, self.statistic), values.min(), values.max()))
        if n < FEWEST:
            reason = f"n = {n}, and a {self.statistic} needs at least {FEWEST} values"
            return Decision("undecided", reason, effect, None, None, n, inside)
        low, high = interval(values, self.statistic, rng=rng)
        status = str(self.decide(low, high))
        where = {"holds": "satisfies it", "fails": "violates it", "undecided": "has a bound within it"}[status]
        return Decision(
            status, f"the 95% interval of the {self.statistic} {where}", effect, float(low), float(high), n, inside
        )


def _is_kept(bound: str) -> bool:
    """Whether a number as text is one that float64 tells from zero and from what lies beyond all numbers."""
    value = abs(float(bound))
    return value < sys.float_info.max and (value > 0 or not re.search("[1-9]", bound.lower().partition("e")[0]))
