r"""Numbers that two machines computed agree to rounding where they are exact, and as samples where they are not.

Training is chaotic: on another processor the last bits of a product of matrices are others, and after some steps so is
the network. Numbers of trained networks therefore agree as samples agree, and everything else to a stated tolerance.
This module knows arrays and names of columns only; no claim, no machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from scipy import special

Agreement = Literal["exact", "rounded", "noise", "sampled"]
"""How a column agrees between machines: `exact` to 1e-8 of its scale, `rounded` to 1e-3 of it (single precision, summed
in another order), `noise` in nothing but the bound that a rule sets (what is left of an identity: 1e-16 here, 3e-16
there), `sampled` as two samples agree (trained networks, chaotic iterations)."""
TOLERANCES = {"exact": 1e-8, "rounded": 1e-3}  # of the largest absolute value of the reference
FLOOR = 0.25  # of the variance over seeds: no correlation between machines above 1 - FLOOR is believed
CAP = 16.0  # of one column's squared shift, in units of its variance, in `shifted_together`
AT_ONCE = 4096  # flips that are drawn at once: with all of them, most of the time goes to memory


@dataclass(frozen=True)
class Columns:
    """How the columns of an experiment's table agree between machines.

    Attributes:
        default: Of every column that is not named.
        named: The others by their names.

    Example:
        >>> columns = Columns("sampled", {"norm_before": "rounded"})
        >>> columns.of("norm_before"), columns.of("accuracy")
        ('rounded', 'sampled')
    """

    default: Agreement = "exact"
    named: Mapping[str, Agreement] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name, value in {"default": self.default, **self.named}.items():
            if value not in get_args(Agreement):
                raise ValueError(f"{name}={value!r} is no agreement; use one of {', '.join(get_args(Agreement))}")

    def of(self, column: str) -> Agreement:
        """The agreement of the column of that name."""
        return self.named.get(column, self.default)


EXACT, ROUNDED, SAMPLED = Columns("exact"), Columns("rounded"), Columns("sampled")


def distance(reference: Float[np.ndarray, " n"], fresh: Float[np.ndarray, " m"]) -> float:
    """Largest difference of two columns in units of the reference's largest absolute value; infinite where NaNs differ.

    A reference that is zero throughout has no scale: its distance is 0 to zeros, and infinite to anything else.

    Example:
        >>> distance(np.array([1.0, -4.0]), np.array([1.0, -5.0]))
        0.25
    """
    reference, fresh = _wide(reference), _wide(fresh)
    if reference.shape != fresh.shape:
        return np.inf
    same = (reference == fresh) | (np.isnan(reference) & np.isnan(fresh))
    if same.all():
        return 0.0
    if (np.isfinite(reference) != np.isfinite(fresh))[~same].any():
        return np.inf
    scale = np.abs(reference[np.isfinite(reference)]).max(initial=0.0)
    apart = np.abs(reference[~same] - fresh[~same]).max()
    return float(apart / scale) if scale else np.inf


@dataclass(frozen=True)
class Contrast:
    """The distance of a new run from the kept ones, seed by seed.

    Attributes:
        kept: Mean of the kept runs.
        fresh: Mean of the new run.
        shift: Their difference, in units of the standard deviation over seeds.
        p: Probability of a difference at least as large where the machine changes nothing; 1 where nothing differs.
    """

    kept: float
    fresh: float
    shift: float
    p: float


def blocked(kept: Float[np.ndarray, "runs n"], fresh: Float[np.ndarray, " n"]) -> Contrast:
    r"""The new run against the kept ones in a two-way layout: seeds are blocks, machines are treatments.

    The same seed on two machines gives values that correlate at 0.9 (median over the claims of this book), so tests of
    two independent samples see nothing. With $K$ kept runs $x_{ki}$ of $n$ seeds, the new run $y_i$ and
    $d_i = y_i-\bar x_{\cdot i}$, the residual variance is

    $$s^2=\frac1\nu\Bigl(\sum_{k,i}(x_{ki}-\bar x_{\cdot i})^2+\tfrac K{K+1}\sum_i(d_i-\bar d)^2\Bigr),\qquad
    \nu=n(K-1)+n-1,$$

    and $t=\bar d\,/\sqrt{w(1+1/K)/n}$ has $\nu$ degrees of freedom, where $w$ is $s^2$ or, where that is larger,
    `FLOOR` times the variance over seeds: machines that happened to agree closely do not make a rounding difference
    significant. The new run's own scatter belongs to $s^2$, so that one wild seed does not alarm.

    Args:
        kept: The kept runs, one row per run, one column per seed; finite.
        fresh: The new run, the same seeds in the same order.

    Raises:
        ValueError: Where the shapes do not fit.

    Example:
        >>> kept = np.array([[0.90, 0.93, 0.95, 0.91, 0.92], [0.91, 0.93, 0.94, 0.91, 0.93]])
        >>> blocked(kept, kept[0]).p > 0.05, blocked(kept, kept[0] - 0.2).p < 1e-6
        (True, True)
    """
    kept, fresh = _wide(kept), _wide(fresh)
    runs, n = _fitting(kept, fresh)
    d = fresh - kept.mean(0)
    seeds = (kept.sum(0) + fresh) / (runs + 1)  # the mean over all machines, of each seed
    freedom = runs * n - 1
    residual = ((kept - kept.mean(0)) ** 2).sum() + runs / (runs + 1) * ((d - d.mean()) ** 2).sum()
    s2 = residual / freedom if freedom else 0.0
    spread = (seeds.var(ddof=1) if n > 1 else 0.0) + s2 * runs / (runs + 1)
    error = np.sqrt(max(s2, FLOOR * spread) * (1 + 1 / runs) / n)
    return _contrast(float(kept.mean()), float(fresh.mean()), float(error), freedom, float(np.sqrt(spread)))


def pooled(kept: Float[np.ndarray, " n"], fresh: Float[np.ndarray, " m"]) -> Contrast:
    """Student's test of two independent samples with one variance, for a new run of other seeds than the kept one.

    Example:
        >>> pooled(np.array([1.0, 1.1, 0.9, 1.0, 1.05]), np.array([5.0, 5.1, 4.9, 5.0, 5.05])).p < 1e-6
        True
    """
    kept, fresh = _wide(kept), _wide(fresh)
    n, m = len(kept), len(fresh)
    freedom = n + m - 2
    squares = ((kept - kept.mean()) ** 2).sum() + ((fresh - fresh.mean()) ** 2).sum()
    variance = squares / freedom if freedom else 0.0
    error = float(np.sqrt(variance * (1 / n + 1 / m)))
    return _contrast(float(kept.mean()), float(fresh.mean()), error, freedom, float(np.sqrt(variance)))


def _contrast(kept: float, fresh: float, error: float, freedom: int, spread: float) -> Contrast:
    difference = fresh - kept
    if abs(difference) <= 1e-12 * max(abs(kept), abs(fresh)):
        return Contrast(kept, fresh, 0.0, 1.0)
    if not freedom:  # one value against one: nothing tells how far apart is far
        return Contrast(kept, fresh, np.nan, 1.0)
    t = abs(difference) / error if error else np.inf
    return Contrast(kept, fresh, difference / spread if spread else np.inf, float(2 * special.stdtr(freedom, -t)))


def _wide(values: np.ndarray) -> np.ndarray:
    """In float64: differences of integers of few bits wrap around, and truth values have none."""
    return np.asarray(values, np.float64)


def _fitting(kept: np.ndarray, fresh: np.ndarray) -> tuple[int, int]:
    if kept.ndim != 2 or fresh.ndim != 1 or kept.shape[1] != len(fresh) or not kept.size:
        raise ValueError(f"kept has shape {kept.shape} and fresh {fresh.shape}; they are (runs, seeds) and (seeds,)")
    return kept.shape[0], kept.shape[1]


def shifted_together(
    differences: Sequence[Sequence[Float[np.ndarray, " _"]]], *, rng: np.random.Generator, flips: int = 100_000
) -> float:
    r"""Probability that small shifts of many columns come together where the machine changes nothing.

    Each column's differences, seed by seed, are given in standard deviations over seeds, $D_{ij}$. The statistic is
    $S=\sum_j\min\bigl((\sum_iD_{ij})^2/n_j,\,16\bigr)$ over all columns. Where the machine changes nothing, the sign of
    a seed's differences is a coin, the same one for all columns of an experiment, however many of its seeds they have:
    $S$ is compared with `flips` draws of these coins.

    Args:
        differences: For each experiment its columns of $D$, each from the first seed on.
        rng: Draws the coins.
        flips: How many draws.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> noise = [list(rng.normal(size=(3, 5))) for _ in range(20)]
        >>> moved = [[column + 1 for column in columns] for columns in noise]
        >>> shifted_together(noise, rng=rng) > 1e-3, shifted_together(moved, rng=rng) < 1e-3
        (True, True)
    """
    observed, drawn = 0.0, np.zeros(flips)
    for columns in differences:
        tables = [
            np.stack([column for column in columns if len(column) == n], axis=1)
            for n in {len(each) for each in columns}
        ]
        observed += sum(_capped(table.sum(0, keepdims=True), len(table)).sum() for table in tables)
        for start in range(0, flips, AT_ONCE):
            part = drawn[start : start + AT_ONCE]
            coins = _coins(len(part), max(map(len, columns)), rng)
            for table in tables:
                part += _capped(coins[:, : len(table)] @ table, len(table)).sum(1)
    return float((1 + (drawn >= observed * (1 - 1e-9)).sum()) / (1 + flips))


def _capped(sums: Float[np.ndarray, "draws columns"], n: int) -> Float[np.ndarray, "draws columns"]:
    """What a column adds to the statistic: the square of its sum over `n` seeds, divided by `n`, up to the cap."""
    return np.minimum(sums**2 / n, CAP)


def _coins(flips: int, seeds: int, rng: np.random.Generator) -> Float[np.ndarray, "flips seeds"]:
    """Signs, each from one bit of the generator."""
    drawn = np.frombuffer(rng.bytes(flips * -(-seeds // 8)), dtype=np.uint8).reshape(flips, -1)
    return 2.0 * np.unpackbits(drawn, axis=1, count=seeds) - 1.0


def correlation(reference: Float[np.ndarray, " n"], fresh: Float[np.ndarray, " n"]) -> float:
    """Correlation over seeds of two runs; NaN where one of them is constant or there are fewer than three seeds.

    Example:
        >>> round(correlation(np.array([1.0, 2.0, 3.0]), np.array([1.1, 1.9, 3.2])), 2)
        0.99
    """
    if len(reference) < 3 or len(reference) != len(fresh) or not reference.std() or not fresh.std():
        return np.nan
    return float(np.corrcoef(reference, fresh)[0, 1])
