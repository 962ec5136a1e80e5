"""Rules fixed in advance, and what they decide about a sample. Knows numbers only: no claim, no table."""

import re
import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

LEVEL = 0.95
RESAMPLES = 9999
MANY = 30  # values from which on the bootstrap interval of an average is what its limit law says
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
            ValueError: The text is no rule, or one that no number satisfies, or every finite one.
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
        _require_finite("samples", samples, 2)
        if self.statistic == "every":
            return np.where(self.satisfied(samples).all(-1), "holds", "fails")
        if samples.shape[-1] < FEWEST:
            return np.full(len(samples), "undecided")
        found = self.decide(samples.min(-1), samples.max(-1))  # no interval leaves the range of its sample
        left = found == "undecided"
        if samples.shape[-1] >= MANY:
            found[left] = self.decide(*_limits(samples[left], self.statistic))
        elif left.any():
            found[left] = self.decide(*interval(samples[left], self.statistic, rng=rng, resamples=999))
        return found

    def judge(self, values: Float[np.ndarray, " n"], *, rng: np.random.Generator) -> Decision:
        """What the rule decides about one sample; `rng` resamples it. Fewer than five values leave an average open.

        Raises:
            ValueError: Where there is no value, or one is NaN or infinite.
        """
        _require_finite("values", values, 1)
        n, inside = len(values), int(self.satisfied(values).sum())
        if self.statistic == "every":
            with np.errstate(over="ignore"):  # to a bound that is farther than the largest number
                effect = values[np.minimum(values - self.low, self.high - values).argmin()]
            reason = f"{inside} of {n} values satisfy it"
            ends = float(values.min()), float(values.max())
            return Decision("holds" if inside == n else "fails", reason, float(effect), *ends, n, inside)
        scaled, exponent = _scaled(values)
        effect = float(np.clip(np.ldexp(_AVERAGES[self.statistic](scaled), exponent[0]), values.min(), values.max()))
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


def _require_finite(name: str, values: np.ndarray, axes: int) -> None:
    if values.ndim != axes or not values.size:
        raise ValueError(f"{name} has shape {values.shape}; a rule decides about {axes} axes of at least one number")
    if bad := int((~np.isfinite(values)).sum()):
        raise ValueError(
            f"{name}: {bad} of {values.size} are NaN or infinite, of which no average and no interval can be taken; "
            "say which finite number such a value counts as"
        )


def _scaled(values: Float[np.ndarray, "*batch n"]) -> tuple[np.ndarray, np.ndarray]:
    """Values over a power of two, which leaves every digit, so that no sum or square of them overflows or vanishes.

    Also its exponents, with an axis of one entry in the place of the last.
    """
    exponent = np.frexp(np.abs(values).max(-1, keepdims=True))[1]
    return np.ldexp(values, -exponent), exponent


def interval(
    values: Float[np.ndarray, "*batch n"], statistic: str, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    r"""Ends of the 95% bootstrap interval of the mean or median over the last axis: of one sample, or of many at once.

    It is the expanded percentile interval (hesterberg2015teachers): the percentiles of the bootstrap distribution at
    $\Phi\bigl(\mp\sqrt{n/(n-1)}\,t_{n-1,\,0.975}\bigr)$, which undo that this distribution is too narrow by
    $\sqrt{(n-1)/n}$ and that the variance is estimated. The ends stay within the range of the sample, so that equal
    values give exactly that value.

    Raises:
        ValueError: Where a sample has fewer than two values, or one is NaN or infinite.
    """
    _require_finite("values", values, values.ndim)
    if (n := values.shape[-1]) < 2:
        raise ValueError(f"values has shape {values.shape}; an interval needs two values at least")
    scaled, exponent = _scaled(values)
    tail = stats.norm.sf(np.sqrt(n / (n - 1)) * stats.t.isf((1 - LEVEL) / 2, n - 1))
    ends = stats.bootstrap(
        (scaled,),
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
    low, high = (np.ldexp(end, exponent[..., 0]) for end in (ends.low, ends.high))
    return np.asarray(np.clip(low, least, largest)), np.asarray(np.clip(high, least, largest))


def _limits(values: Float[np.ndarray, "batch n"], statistic: str) -> tuple[np.ndarray, np.ndarray]:
    """What `interval` tends to for many values: Student's interval of the mean, order statistics for the median."""
    n = values.shape[-1]
    if statistic == "mean":
        scaled, exponent = _scaled(values)
        half = stats.t.isf((1 - LEVEL) / 2, n - 1) * scaled.std(-1, ddof=1) / np.sqrt(n)
        with np.errstate(over="ignore"):  # an end beyond the largest number is infinite
            low, high = (np.ldexp(scaled.mean(-1) + side * half, exponent[..., 0]) for side in (-1, 1))
        return low, high
    rank = int(stats.binom.ppf((1 - LEVEL) / 2, n, 0.5))
    ordered = np.sort(values, axis=-1)
    return ordered[:, rank], ordered[:, n - 1 - rank]
