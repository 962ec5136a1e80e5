"""Chains of scalar layers, where a gradient is one number: products of slopes, with a shortcut and without one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from resnet_lib import runtime
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets.units import unknown
from resnet_lib.sweep import Columns, Experiment, Grid

KINDS = ("plain", "residual", "beside")
FEW, HUNDRED, DEEP = 20, 100, 1000  # layers: of the texts' two examples, and as many as texts speak of
DRAWS, MANY_DRAWS = tuple(range(20)), tuple(range(200))
PLAIN = (0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 1.5)
RESIDUAL = (-0.5, -0.1, -0.01, -0.001, 0.0, 0.0001, 0.001, 0.01, 0.1, 0.2, 0.3, 0.5)
POSITIVE = tuple(slope for slope in RESIDUAL if slope > 0)  # side by side, a negative one can add up to zero
SHORT, LONG = ((0.0001, 1000), (0.001, 100), (0.01, 10)), ((0.001, 1000), (0.01, 100), (0.1, 10))
"""Slopes and depths whose product is 0.1, and those where it is 1."""


@dataclass(frozen=True)
class Chain:
    """A chain of scalar layers for each of some slopes, read off at some depths.

    Attributes:
        kind: `plain`, a layer is `x -> a x`; `residual`, it is `x -> x + a x`; `beside`, all branches read the first
            state and are added to it, so that none reads what another one wrote.
        slopes: The slopes `a`.
        depths: How many layers.
        uneven: Whether the slopes of a chain alternate between `a/2` and `3a/2`, whose mean is `a`.
    """

    kind: str
    slopes: tuple[float, ...]
    depths: tuple[int, ...]
    uneven: bool = False


def forward(kind: str, x: Tensor, slopes: Tensor) -> Tensor:
    """The chain's output: slopes are one row per layer, and the columns are chains of their own.

    Raises:
        ValueError: Where the kind is not known.

    Example:
        >>> x, slopes = torch.ones(1), torch.full((2, 1), 0.5)
        >>> [forward(kind, x, slopes).item() for kind in KINDS]
        [0.25, 2.25, 2.0]
    """
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    state = x
    for slope in slopes:
        read = x if kind == "beside" else state
        state = slope * read if kind == "plain" else state + slope * read
    return state


def formula(kind: str, slopes: np.ndarray, depth: int) -> np.ndarray:
    """The gain of equal layers: `a^L`, `(1 + a)^L`, or `1 + a L` where they stand side by side."""
    if kind == "beside":
        return 1 + depth * slopes
    return (slopes if kind == "plain" else 1 + slopes) ** depth


def trial(setting: Chain, seeds: Sequence[int]) -> pd.DataFrame:
    """The gain, which is the output's gradient by the input, by automatic differentiation; one row per slope and depth.

    `error` is its relative distance from the formula for equal layers. Nothing is drawn.
    """
    slopes = torch.tensor(setting.slopes, dtype=torch.float64)
    pieces = []
    for depth in setting.depths:
        factors = torch.ones(depth, 1, dtype=torch.float64)
        if setting.uneven:
            factors[0::2], factors[1::2] = 0.5, 1.5
        x = torch.ones_like(slopes, requires_grad=True)
        (gain,) = torch.autograd.grad(forward(setting.kind, x, factors * slopes).sum(), x)
        expected = formula(setting.kind, slopes.numpy(), depth)
        pieces.append(pd.DataFrame({"slope": setting.slopes, "layers": depth, "gain": gain.numpy()}))
        pieces[-1]["error"] = np.abs(gain.numpy() / expected - 1)
    return pd.concat(pieces, ignore_index=True).assign(seed=seeds[0])


_SETTINGS = (
    Chain("plain", PLAIN, (FEW, 100, DEEP)),
    Chain("plain", PLAIN, (FEW,), uneven=True),
    Chain("residual", RESIDUAL, (10, FEW, 100, 200, DEEP)),
    Chain("residual", RESIDUAL, (FEW,), uneven=True),
    Chain("beside", POSITIVE, (10, FEW, 100, 200, DEEP)),
)
_GRID = Grid(_SETTINGS, seeds=(0,))
CHAINS = Experiment("scalar-chains", trial, _GRID, _GRID, agrees=Columns("exact", {"error": "noise"}))


def _chosen(table: pd.DataFrame, kind: str, column: str, *, uneven: bool = False) -> pd.Series:
    """A column of the chains of one kind, by slope and depth."""
    rows = table[(table["kind"] == kind) & (table["uneven"] == uneven)]
    return rows.set_index(["slope", "layers"])[column]


def vanish_product(table: pd.DataFrame) -> Evidence:
    """Relative error of `a^L`, one value per slope and depth; control: slopes that alternate about the same mean."""
    even, uneven = (_chosen(table, "plain", "error", uneven=each) for each in (False, True))
    return Evidence(values=even.to_numpy(), control=uneven.to_numpy())


def vanish_millionth(table: pd.DataFrame) -> Evidence:
    """Gain of 20 layers of slope 0.5; control: of slope 0.9."""
    gains = _chosen(table, "plain", "gain")
    return Evidence(values=np.array([gains[0.5, FEW]]), control=np.array([gains[0.9, FEW]]))


def amplify_product(table: pd.DataFrame) -> Evidence:
    """Relative error of `(1 + a)^L`, one value per slope and depth; control: alternating slopes of at least 0.1."""
    even, uneven = (_chosen(table, "residual", "error", uneven=each) for each in (False, True))
    large = np.abs(uneven.index.get_level_values("slope").to_numpy()) >= 0.1
    return Evidence(values=even.to_numpy(), control=uneven.to_numpy()[large])


def amplify_yardstick(table: pd.DataFrame) -> Evidence:
    """Gain of 20 residual layers of slope 0.5; control: of slope 0."""
    gains = _chosen(table, "residual", "gain")
    return Evidence(values=np.array([gains[0.5, FEW]]), control=np.array([gains[0.0, FEW]]))


def knife_stable(table: pd.DataFrame) -> Evidence:
    """Gain of 1,000 residual layers of slope -0.01 and 0.01; control: of a tenth of these slopes."""
    gains = _chosen(table, "residual", "gain")
    values, control = ([gains[sign * size, DEEP] for sign in (-1, 1)] for size in (0.01, 0.001))
    return Evidence(values=np.array(values), control=np.array(control))


def knife_hundred(table: pd.DataFrame) -> Evidence:
    """Gain of 100 residual layers of slope -0.01 and 0.01; control: of slope 0.1."""
    gains = _chosen(table, "residual", "gain")
    values = [gains[slope, HUNDRED] for slope in (-0.01, 0.01)]
    return Evidence(values=np.array(values), control=np.array([gains[0.1, HUNDRED]]))


def knife_unstable(table: pd.DataFrame) -> Evidence:
    """Decades from 1 of the gain of 100 plain layers of slope 0.99 and 1.01; control: of 20 of slope 0.9 and 1.1."""
    decades = _chosen(table, "plain", "gain").map(np.log10).abs()
    values, control = decades[[(0.99, HUNDRED), (1.01, HUNDRED)]], decades[[(0.9, FEW), (1.1, FEW)]]
    return Evidence(values=values.to_numpy(), control=control.to_numpy(), unit="decades")


def additive(table: pd.DataFrame) -> Evidence:
    """Growth of the log gain per layer over `ln(1 + a)`, from 100 layers to 200; control: branches side by side."""
    slopes = (0.1, 0.2, 0.3)

    def growth(kind: str) -> np.ndarray:
        gains = _chosen(table, kind, "gain")
        return np.array([np.log(gains[a, 200] / gains[a, 100]) / 100 / np.log1p(a) for a in slopes])

    return Evidence(values=growth("residual"), control=growth("beside"))


def additive_short(table: pd.DataFrame) -> Evidence:
    """Relative distance of the product from the sum, slope times layers 0.1; control: where that is 1."""
    apart = _chosen(table, "residual", "gain") / _chosen(table, "beside", "gain") - 1
    return Evidence(values=apart.loc[list(SHORT)].to_numpy(), control=apart.loc[list(LONG)].to_numpy())


@dataclass(frozen=True)
class Paths:
    """A residual chain whose slopes are uniform in (0, `largest`), and the sum over all of its paths."""

    layers: int = 12
    largest: float = 0.5


def paths_trial(setting: Paths, seeds: Sequence[int]) -> pd.DataFrame:
    """Relative distance of the gain from the sum over paths, over all and over the shortest; one row per draw.

    A path takes the branch or the shortcut at each layer, and contributes the product of the slopes of its branches.
    `short` sums over those that take one branch at most. `updates` is the relative distance of the last state from the
    first plus what each branch gives on the state that it reads, which another chain, cut in front of it, has computed.
    """
    n, rows = setting.layers, []
    takes = (np.arange(2**n)[:, None] >> np.arange(n)) % 2 == 1  # a path per row
    for seed in seeds:
        drawn = torch.rand(n, 1, generator=runtime.stream(seed, "paths"), dtype=torch.float64) * setting.largest
        x = torch.ones(1, dtype=torch.float64, requires_grad=True)
        (gain,) = torch.autograd.grad(forward("residual", x, drawn), x)
        along = np.where(takes, drawn.numpy()[:, 0], 1.0).prod(1)
        read = torch.stack([forward("residual", torch.ones_like(drawn[0]), drawn[:layer]) for layer in range(n)])
        sums = {"all": along.sum(), "short": along[takes.sum(1) <= 1].sum(), "updates": 1 + (drawn * read).sum().item()}
        rows.append({"seed": seed} | {name: abs(found / gain.item() - 1) for name, found in sums.items()})
    return pd.DataFrame(rows)


PATHS = Experiment.repeated(
    "scalar-paths",
    paths_trial,
    (Paths(),),
    DRAWS,
    MANY_DRAWS,
    agrees=Columns("exact", {"all": "noise", "updates": "noise"}),
)


def additive_updates(table: pd.DataFrame) -> Evidence:
    """Relative error of the first state plus all updates, one per draw; control: of branches on the first state."""
    return Evidence(values=table["updates"].to_numpy(), control=table["short"].to_numpy())


def additive_paths(table: pd.DataFrame) -> Evidence:
    """Relative error of the sum over all paths, one value per draw; control: over those of one branch at most."""
    return Evidence(values=table["all"].to_numpy(), control=table["short"].to_numpy())
