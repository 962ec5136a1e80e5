"""This module computes confidence intervals of a mean or median, by bootstrap for few values and its limit for many."""

import numpy as np
from jaxtyping import Float
from scipy import stats

LEVEL = 0.95
RESAMPLES = 9999
AVERAGES = {"mean": np.mean, "median": np.median}


def require_finite(name: str, values: np.ndarray, axes: int) -> None:
    """Refuse what no rule can decide about: values of other axes, none, NaN and infinity."""
    if values.ndim != axes or not values.size:
        raise ValueError(f"{name} has shape {values.shape}; a rule decides about {axes} axes of at least one number")
    if bad := int((~np.isfinite(values)).sum()):
        raise ValueError(
            f"{name}: {bad} of {values.size} are NaN or infinite, of which no average and no interval can be taken; "
            "say which finite number such a value counts as"
        )


def _scaled(values: Float[np.ndarray, "*batch n"]) -> tuple[np.ndarray, np.ndarray]:
    """Values over a power of two, which leaves every digit, so that no sum or square of them overflows or vanishes.

    Also its exponents, with an axis of one entry in the place of the last. Both are computed in float64: integers of
    few bits wrap around, and half of its digits would be lost of a mean in half precision.
    """
    values = np.asarray(values, np.float64)
    exponent = np.frexp(np.abs(values).max(-1, keepdims=True))[1]
    return np.ldexp(values, -exponent), exponent


def average(values: Float[np.ndarray, " n"], statistic: str) -> float:
    """The mean or the median of finite values of any size; a mean is 0 where they cancel to all of their digits.

    Example:
        >>> gains = 100 * (np.array([0.1, 0.2, 0.3]) - 0.2)
        >>> float(gains.mean()) == 0, average(gains, "mean")
        (False, 0.0)
    """
    scaled, exponent = _scaled(values)
    found = AVERAGES[statistic](scaled)
    if statistic == "mean" and abs(found) < 4 * np.finfo(np.float64).eps:
        return 0.0  # what is left is how the values were rounded, and differs between processors
    return float(np.ldexp(found, exponent[0]))


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

    Example:
        >>> low, high = interval(np.array([1.0, 1.1, 0.9, 1.2, 0.8]), "mean", rng=np.random.default_rng(0))
        >>> bool(0.8 < low < 1 < high < 1.2)
        True
    """
    require_finite("values", values, values.ndim)
    if (n := values.shape[-1]) < 2:
        raise ValueError(f"values has shape {values.shape}; an interval needs two values at least")
    scaled, exponent = _scaled(values)
    tail = stats.norm.sf(np.sqrt(n / (n - 1)) * stats.t.isf((1 - LEVEL) / 2, n - 1))
    ends = stats.bootstrap(
        (scaled,),
        AVERAGES[statistic],
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


def limits(values: Float[np.ndarray, "batch n"], statistic: str) -> tuple[np.ndarray, np.ndarray]:
    """The limit of `interval` for many values: Student's interval of the mean, order statistics for the median."""
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
