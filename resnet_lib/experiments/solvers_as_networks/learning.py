"""A heat step is learned from pairs by least squares: by three taps, and by dense maps with and without shortcut."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.evidence import choices
from resnet_lib.evidence.claims import Evidence
from resnet_lib.experiments.solvers_as_networks.heat import DRAWS, MANY_DRAWS
from resnet_lib.linalg.grids import Line
from resnet_lib.sweep import Columns, Experiment

COUNTS = (1, 2, 4, 8, 16, 32, 48, 64, 80, 96, 128, 256)
TESTED = 64
ROLLED, FOLLOWED = 100, 128
CAP = 1e6


@dataclass(frozen=True)
class Learned:
    """Pairs of a bar and the bar one step later, from which a map is fitted.

    Attributes:
        ratio: Of the heat step.
        spectrum: Of the bars: `white`, all modes of one size; `smooth`, the mode of frequency k of size `1/(1 + k)^2`.
        advection: By how many points the heat is carried along in a step, besides.
        noise: Added to the later bar, as a share of the root-mean-square of the earlier one.
        points: Of the periodic line.
        counts: Numbers of pairs.
    """

    ratio: float
    spectrum: str
    advection: float = 0.0
    noise: float = 1e-3
    points: int = 64
    counts: tuple[int, ...] = COUNTS


def bars(setting: Learned, number: int, generator: torch.Generator) -> Float[Tensor, "number n"]:
    """Random bars of mean square 1."""
    n = setting.points
    sizes = torch.ones(n, dtype=torch.float64)
    if setting.spectrum == "smooth":
        sizes = (1 + torch.fft.fftfreq(n, 1 / n, dtype=torch.float64).abs()) ** -2
    drawn = torch.fft.fft(torch.randn(number, n, generator=generator, dtype=torch.float64))
    return torch.fft.ifft(drawn * sizes / sizes.square().mean().sqrt()).real


def dense(x: Float[Tensor, "pairs n"], y: Float[Tensor, "pairs n"]) -> tuple[Tensor, Tensor]:
    r"""The matrices of $x\mapsto Wx$ and, with a shortcut, of $x\mapsto x+Wx$, whose $W$ are the least-squares ones.

    Of all that fit equally well it is the smallest, which is where gradient descent from zero ends.
    """
    inverse = torch.linalg.pinv(x)
    return (inverse @ y).mT, (inverse @ (y - x)).mT + torch.eye(x.shape[1], dtype=x.dtype)


def taps(
    line: Line, x: Float[Tensor, "pairs n"], y: Float[Tensor, "pairs n"], *, symmetric: bool = False, skip: bool = False
) -> Float[Tensor, "n n"]:
    """The matrix of the kernel of three taps, with a shortcut or not, that fits best; with equal outer taps or free."""
    left, right = x[:, line.neighbours(-1)], x[:, line.neighbours(1)]
    columns = [left + right, x] if symmetric else [left, x, right]
    target = y - x if skip else y
    found = torch.linalg.lstsq(torch.stack(columns, -1).reshape(-1, len(columns)), target.reshape(-1, 1)).solution[:, 0]
    kernel = [found[0], found[1], found[0]] if symmetric else list(found)
    return line.matrix([float(tap) for tap in kernel]) + skip * torch.eye(line.points, dtype=x.dtype)


def learned_trial(setting: Learned, seeds: Sequence[int]) -> pd.DataFrame:
    """Errors on fresh bars of every map and number of pairs; one row each.

    `error` is relative to the true bar one step later; `rollout` is that after 100 steps, of maps from 128 pairs, at
    most 1e6. `apart` is the distance of the dense map with a shortcut from the one without, `still` the error of a map
    that changes nothing. The symmetric kernel is fitted on 128 pairs alone.
    """
    n = setting.points
    line = Line(n)
    eye = torch.eye(n, dtype=torch.float64)
    true = eye + setting.ratio * line.laplacian() - setting.advection * line.slope()
    rolled = torch.linalg.matrix_power(true, ROLLED)
    rows = []
    for seed in seeds:
        fresh = bars(setting, TESTED, runtime.stream(seed, "test"))
        generator = runtime.stream(seed, "train")
        x = bars(setting, max(setting.counts), generator)
        y = x @ true.mT + setting.noise * torch.randn(x.shape, generator=generator, dtype=torch.float64)

        def error(map_: Tensor, exact: Tensor, fresh: Tensor = fresh) -> float:
            wrong = float((fresh @ (map_ - exact).mT).norm() / (fresh @ exact.mT).norm())
            return min(wrong, CAP) if np.isfinite(wrong) else CAP

        for count in setting.counts:
            given = x[:count], y[:count]
            maps = dict(zip(("plain", "residual"), dense(*given), strict=True))
            maps |= {"taps": taps(line, *given), "taps-skip": taps(line, *given, skip=True)}
            if count == FOLLOWED:
                maps["symmetric"] = taps(line, *given, symmetric=True)
            apart = float((maps["residual"] - maps["plain"]).norm() / true.norm())
            for name, found in maps.items():
                end = error(torch.linalg.matrix_power(found, ROLLED), rolled) if count == FOLLOWED else np.nan
                rows.append((seed, count, name, error(found, true), end, apart, error(eye, true)))
    return pd.DataFrame(rows, columns=["seed", "pairs", "map", "error", "rollout", "apart", "still"])


WHITE, SMOOTH = Learned(0.25, "white"), Learned(0.02, "smooth")
_CASES = (WHITE, SMOOTH, Learned(0.25, "smooth"), Learned(0.02, "white"))
_OTHER = (
    *(Learned(ratio, "white", counts=(1,)) for ratio in (0.1, 0.4)),
    Learned(0.25, "smooth", advection=0.1, counts=(128,)),
    Learned(0.4, "smooth", counts=(32,)),
)
LEARNED = Experiment.repeated(
    "solvers-learned",
    learned_trial,
    (*_CASES, *_OTHER),
    quick=DRAWS,
    full=MANY_DRAWS[:50],
    group=10,
    agrees=Columns("rounded", {"apart": "noise"}),
)
_WAYS = {
    "a third of the noise": {"noise": 3e-4},
    "three times the noise": {"noise": 3e-3},
    "half as many points": {"points": 32},
    "twice as many points": {"points": 128},
}
CHOICES = choices.Choices(
    LEARNED,
    {words: tuple(replace(case, **way) for case in LEARNED.quick.settings) for words, way in _WAYS.items()},
    DRAWS[:10],
)
"""Least squares has no rate and no time; the noise and the line were chosen."""


def _case(table: pd.DataFrame, case: Learned) -> pd.DataFrame:
    here = (table["ratio"] == case.ratio) & (table["spectrum"] == case.spectrum)
    return table[here & (table["advection"] == case.advection)]


def needed(table: pd.DataFrame, name: str) -> pd.Series:
    """log10 of the number of pairs from which on the error stays below 1%, by ratio, spectrum and seed.

    It is 512 where the error is not below 1% at the largest number.
    """
    rows = table[(table["map"] == name) & (table["advection"] == 0)]
    rows = rows.sort_values("pairs", ignore_index=True)
    by = ["ratio", "spectrum", "seed"]
    passed = (rows["error"] < 0.01).astype(int)
    stays = passed[::-1].groupby([rows[each] for each in by]).cummin().astype(bool)
    return rows["pairs"].where(stays, 512).groupby([rows[each] for each in by]).min().map(math.log10)


def pairs_needed(table: pd.DataFrame) -> pd.DataFrame:
    """The pairs from which on the error stays below 1%, as text: a row a kind of bars and ratio, a column a map.

    Medians over draws; `nothing changes` needs no pair where it is below 1% by itself, and never is elsewhere.
    """
    titles = {"dense": "plain", "with a shortcut": "residual", "three taps": "taps"}
    found = {title: needed(_across(table), name) for title, name in titles.items()}
    rows = []
    for case in sorted(_CASES, key=lambda case: (case.spectrum, case.ratio)):
        medians = {title: 10 ** pairs[case.ratio, case.spectrum].median() for title, pairs in found.items()}
        told = {title: f"{pairs:.0f}" if pairs < 512 else "never" for title, pairs in medians.items()}
        still = _case(table, case)["still"].median()
        told["nothing changes"] = "0" if still < 0.01 else "never"
        rows.append({"bars": case.spectrum, "r": f"{case.ratio:g}", **told})
    return pd.DataFrame(rows)


def _across(table: pd.DataFrame) -> pd.DataFrame:
    """The four cases that have all numbers of pairs."""
    return table[table["ratio"].isin([case.ratio for case in _CASES]) & (table["advection"] == 0)]


def prior(table: pd.DataFrame) -> Evidence:
    """Decades of pairs that the dense map needs more than three taps, least of four cases; control: taps and shortcut.

    The control is of the taps with a shortcut and without, one value a case and draw.
    """
    rows = _across(table)
    plain, three, same = (needed(rows, name) for name in ("plain", "taps", "taps-skip"))
    return Evidence(np.asarray((plain - three).groupby("seed").min()), np.asarray(same - three), "decades")


def _ratio(rows: pd.DataFrame, column: str, first: str, second: str) -> np.ndarray:
    """log10 of the errors of one map over those of another, row by row."""
    index = ["ratio", "spectrum", "seed", "pairs"]
    errors = {name: np.log10(rows[rows["map"] == name].set_index(index)[column]) for name in (first, second)}
    return np.asarray(errors[first] - errors[second])


def accurate(table: pd.DataFrame) -> Evidence:
    """log10 of the dense map's error after 100 steps over that of three taps; control: taps with a shortcut."""
    rows = _across(table)
    rows = rows[rows["pairs"] == FOLLOWED]
    return Evidence(_ratio(rows, "rollout", "plain", "taps"), _ratio(rows, "rollout", "taps-skip", "taps"), "decades")


def same(table: pd.DataFrame) -> Evidence:
    """Distance of the dense maps with and without a shortcut from 96 pairs on; control: with 16 pairs."""
    rows = _across(table)
    rows = rows[rows["map"] == "plain"]
    many, few = rows["pairs"] >= 96, rows["pairs"] == 16
    return Evidence(rows.loc[many, "apart"].to_numpy(), rows.loc[few, "apart"].to_numpy())


def unseen(table: pd.DataFrame) -> Evidence:
    """Residual over plain error at one pair of white bars, over the formula's; control: over 1, ratios up to 0.1."""
    rows = table[(table["spectrum"] == "white") & (table["pairs"] == 1)]
    found = 10 ** _ratio(rows, "error", "residual", "plain")
    r = rows[rows["map"] == "plain"]["ratio"].to_numpy()
    return Evidence(found / np.sqrt(6 * r**2 / (1 - 4 * r + 6 * r**2)), found[r <= 0.1])


def shortcut(table: pd.DataFrame) -> Evidence:
    """Decades of pairs that a shortcut saves a dense map, smooth bars, ratio 0.02; control: white bars, ratio 1/4."""
    saved = needed(table, "plain") - needed(table, "residual")
    smooth, white = (np.asarray(saved[case.ratio, case.spectrum]) for case in (SMOOTH, WHITE))
    return Evidence(smooth, white, "decades")


def change(table: pd.DataFrame) -> Evidence:
    """log10 of the residual over the plain error, 32 smooth pairs, ratio 0.4; control: ratio 0.02."""
    rows = table[(table["spectrum"] == "smooth") & (table["advection"] == 0) & (table["pairs"] == 32)]
    fast, slow = (_ratio(rows[rows["ratio"] == r], "error", "residual", "plain") for r in (0.4, 0.02))
    return Evidence(fast, slow, "decades")


def nothing(table: pd.DataFrame) -> Evidence:
    """log10 of the residual map's error, 16 pairs, over that of changing nothing; control: three taps."""
    rows = _case(table, SMOOTH)
    rows = rows[rows["pairs"] == 16]

    def gained(name: str) -> np.ndarray:
        mine = rows[rows["map"] == name]
        return np.log10((mine["error"] / mine["still"]).to_numpy())

    return Evidence(gained("residual"), gained("taps"), "decades")


def wrong(table: pd.DataFrame) -> Evidence:
    """log10 of the symmetric kernel's error after 100 steps over the free one's, drifting heat; control: resting."""
    rows = table[(table["ratio"] == 0.25) & (table["spectrum"] == "smooth") & (table["pairs"] == FOLLOWED)]

    def worse(advection: float) -> np.ndarray:
        return _ratio(rows[rows["advection"] == advection], "rollout", "symmetric", "taps")

    return Evidence(worse(0.1), worse(0.0), "decades")
