"""One block: the bound 1 + K, the non-expansive choice of a scaled block, and the condition number of its Jacobian."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnet_lib import data, linalg, nets, runtime, training
from resnet_lib.analysis import lipschitz
from resnet_lib.evidence.claims import Evidence
from resnet_lib.nets import Unit, blocks, initialisation
from resnet_lib.nets.units import UNITS
from resnet_lib.sweep import Experiment, Grid

DRAWS, MANY_DRAWS = tuple(range(10)), tuple(range(100))
_RANDOM = ("mlp", "conv", "trained-mlp", "trained-conv")
INSIDE = Unit(order="inside", norm="none")


@dataclass(frozen=True)
class Branch:
    """A branch, and pairs of inputs at random distances in random directions.

    `mlp` (16 entries) and `conv` (2 channels, 8 x 8 pixels) are He branches of two layers, `trained-mlp` and
    `trained-conv` those of the last block of a network trained on digits, `linear` is a Gaussian matrix with pairs
    along the direction that it stretches most, `scalar` is `size x`.
    """

    kind: str
    size: float = 1.0
    pairs: int = 2000


def branch_of(setting: Branch, seed: int) -> tuple[nn.Module, tuple[int, ...]]:
    """The branch in float64 and evaluation mode, and the shape of its input."""
    kind, generator = setting.kind, runtime.stream(seed, "branch", setting.kind)
    if kind in ("scalar", "linear"):
        branch = nn.Linear(16, 16, bias=False).double()
        drawn = torch.randn(16, 16, generator=generator, dtype=torch.float64) / 4
        branch.weight.data = setting.size * (torch.eye(16, dtype=torch.float64) if kind == "scalar" else drawn)
        return branch, (16,)
    if kind == "mlp":
        return initialisation.initialise(blocks.linear_block(INSIDE, 16), generator).branch.double(), (16,)
    if kind == "conv":
        return initialisation.initialise(blocks.conv_block(INSIDE, 2, 2), generator).branch.double(), (2, 8, 8)
    flat = kind == "trained-mlp"

    def make(g: torch.Generator) -> nn.Module:
        return (
            nets.mlp(2, 16, unit=INSIDE, generator=g)
            if flat
            else nets.digits_resnet(1, 2, unit=UNITS["pre"], generator=g)
        )

    recipe = training.Recipe(epochs=4, batch=100, lr=0.03)
    net = training.fit(make, data.load("digits", flat=flat), recipe, (seed,)).net(seed).double()
    return net.blocks[-1].branch, (16,) if flat else (2, 8, 8)  # pyright: ignore[reportIndexIssue, reportAttributeAccessIssue]


def pairs_of(setting: Branch, seed: int, shape: tuple[int, ...], branch: nn.Module) -> tuple[Tensor, Tensor]:
    """Pairs whose distances spread over four decades."""
    generator = runtime.stream(seed, "pairs")
    x = torch.randn(setting.pairs, *shape, generator=generator, dtype=torch.float64)
    step = torch.randn(setting.pairs, *shape, generator=generator, dtype=torch.float64)
    if setting.kind == "linear":
        matrix = next(branch.parameters()).detach()
        step = torch.linalg.svd(matrix + torch.eye(16)).Vh[0].expand_as(step)
    size = 10 ** (4 * torch.rand(setting.pairs, generator=generator, dtype=torch.float64) - 3)
    return x, x + step * size.reshape(-1, *[1] * len(shape))


def largest_weight(matrix: Tensor) -> float:
    """The wrong measure of a layer that the controls use in place of its norm."""
    return float(matrix.abs().max())


def block_trial(setting: Branch, seeds: Sequence[int]) -> pd.DataFrame:
    """Largest and smallest stretch of `x + F(x)` over pairs, beside `1 + K` and the wrong bound; one row per seed.

    The pairs are drawn; with random and trained branches 20 of them ascend their stretch as well, and `sampled` is the
    largest before.
    """
    records = []
    for seed in seeds:
        branch, shape = branch_of(setting, seed)
        branch.requires_grad_(False)
        x, y = pairs_of(setting, seed, shape, branch)

        def block(z: Tensor, branch: nn.Module = branch) -> Tensor:
            return z + branch(z)

        ratio = lipschitz.stretch(block, x, y)
        sampled = largest = float(ratio.max())
        if setting.kind in _RANDOM:
            found = lipschitz.search(block, x[:20], rounds=3, steps=20, generator=runtime.stream(seed, "search"))
            largest = max(sampled, found.value, found.pair)
        bound = 1 + lipschitz.product_bound(branch, shape).value
        wrong = 1 + lipschitz.product_bound(branch, shape, linear=largest_weight).value
        values = {"largest": largest, "smallest": float(ratio.min()), "bound": bound, "wrong": wrong}
        records.append({"seed": seed, "sampled": sampled, **values})
    return pd.DataFrame(records)


_SCALARS = tuple(Branch("scalar", c) for c in (0.0, 0.1, 1.0, 10.0, -0.1, -0.5, -0.9, -1.0, -10.0, 0.5, 0.9))
_BLOCKS = (*(Branch(kind) for kind in _RANDOM), Branch("linear"), *_SCALARS)
BLOCK = Experiment(
    name="lipschitz-block",
    trial=block_trial,
    quick=Grid(settings=_BLOCKS, seeds=DRAWS, group=5),
    full=Grid(settings=_BLOCKS, seeds=MANY_DRAWS, group=10),
    data=("digits",),
)


def _scalars(table: pd.DataFrame, sizes: Sequence[float]) -> pd.DataFrame:
    rows = table[(table["kind"] == "scalar") & table["size"].isin(sizes)]
    return rows[rows["seed"] == rows["seed"].min()]


def block_bound(table: pd.DataFrame) -> Evidence:
    """Largest stretch over `1 + K`, minus 1, one value per branch and draw; control: half of it, and a wrong norm."""
    rows, linear = table[table["kind"].isin(_RANDOM)], table[table["kind"] == "linear"]
    mlp = rows[rows["kind"] == "mlp"]
    small = (2 * mlp["largest"] / mlp["bound"] - 1, linear["largest"] / linear["wrong"] - 1)
    return Evidence((rows["largest"] / rows["bound"] - 1).to_numpy(), np.concatenate(small))


def block_tight(table: pd.DataFrame) -> Evidence:
    """Largest stretch over `1 + K` for `F(x) = Kx`; control: `F(x) = -Kx`."""
    up, down = _scalars(table, (0.1, 1.0, 10.0)), _scalars(table, (-0.1, -1.0, -10.0))
    return Evidence((up["largest"] / up["bound"]).to_numpy(), (down["largest"] / down["bound"]).to_numpy())


def block_zero(table: pd.DataFrame) -> Evidence:
    """Distance of the stretch from 1 with a branch of zero; control: the random branches."""

    def off(rows: pd.DataFrame) -> np.ndarray:
        return np.maximum(rows["largest"] - 1, 1 - rows["smallest"]).to_numpy()

    return Evidence(off(_scalars(table, (0.0,))), off(table[table["kind"].isin(["mlp", "conv"])]))


def block_floor(table: pd.DataFrame) -> Evidence:
    """Largest stretch for `F(x) = -cx`; control: `F(x) = cx`."""
    down, up = _scalars(table, (-0.1, -0.5, -0.9)), _scalars(table, (0.1, 0.5, 0.9))
    return Evidence(down["largest"].to_numpy(), up["largest"].to_numpy())


@dataclass(frozen=True)
class ScaledBlock:
    """`(1 - beta) x + alpha F(x)` with `alpha = ratio beta / K`; `K` is the product of the norms of `F`'s layers."""

    kind: str
    ratio: float
    beta: float = 0.3


def scaled_trial(setting: ScaledBlock, seeds: Sequence[int]) -> pd.DataFrame:
    """The largest stretch over 2,000 pairs, and after a search; one row per seed."""
    records = []
    for seed in seeds:
        base = Branch(setting.kind)
        branch, shape = branch_of(base, seed)
        branch.requires_grad_(False)
        constant = lipschitz.product_bound(branch, shape).value
        alpha = setting.ratio * setting.beta / constant

        def block(z: Tensor, branch: nn.Module = branch, alpha: float = alpha) -> Tensor:
            return (1 - setting.beta) * z + alpha * branch(z)

        x, y = pairs_of(base, seed, shape, branch)
        sampled = float(lipschitz.stretch(block, x, y).max())
        found = lipschitz.search(block, x[:20], rounds=3, steps=20, generator=runtime.stream(seed, "search"))
        records.append({"seed": seed, "sampled": sampled, "found": max(sampled, found.value, found.pair)})
    return pd.DataFrame(records)


_SCALED = tuple(
    ScaledBlock(kind, ratio) for kind in ("mlp", "conv", "scalar") for ratio in (0.5, 0.9, 1.0, 1.5, 2.0, 3.0)
)
SCALED = Experiment(
    name="lipschitz-scaled",
    trial=scaled_trial,
    quick=Grid(settings=_SCALED, seeds=DRAWS, group=5),
    full=Grid(settings=_SCALED, seeds=MANY_DRAWS, group=10),
)


def scaled_nonexpansive(table: pd.DataFrame) -> Evidence:
    """Largest stretch minus 1 where `alpha <= beta / K`; control: 1.5 times that with `F(x) = Kx`."""
    inside = table[table["ratio"] <= 1]
    beyond = table[(table["ratio"] == 1.5) & (table["kind"] == "scalar")]
    return Evidence((inside["found"] - 1).to_numpy(), (beyond["found"] - 1).to_numpy())


def _needed(ratio: float):
    def measure(table: pd.DataFrame) -> Evidence:
        beyond = table[table["ratio"] == ratio].set_index("kind")["found"] - 1
        return Evidence(beyond["mlp"].to_numpy(), beyond["scalar"].to_numpy())

    measure.__doc__ = f"Largest stretch minus 1 of MLP branches at `{ratio:g} beta / K`; control: `F(x) = Kx`."
    return measure


scaled_needed, scaled_needed_twice, scaled_needed_thrice = _needed(1.5), _needed(2.0), _needed(3.0)


@dataclass(frozen=True)
class Condition:
    """`A + alpha J` for all `alphas`, where `J` has Frobenius norm `sqrt(dimension)`.

    `gaussian`, `symmetric`, `positive` (semidefinite) and `skew` have `A = I`, and so has `rotation`, which turns by a
    right angle in planes; `repair` has a badly conditioned `A` and `J = I - A`.
    """

    kind: str
    alphas: tuple[float, ...]
    dimension: int = 16


def condition_trial(setting: Condition, seeds: Sequence[int]) -> pd.DataFrame:
    """Condition number for each `alpha`; one row per (seed, alpha)."""
    d = setting.dimension
    eye = torch.eye(d, dtype=torch.float64)
    alphas = torch.tensor(setting.alphas, dtype=torch.float64)
    pieces = []
    for seed in seeds:
        g = torch.randn(d, d, generator=runtime.stream(seed, "condition"), dtype=torch.float64) / d**0.5
        base, j = eye, _branch_matrix(setting.kind, g)
        if setting.kind == "repair":
            base = torch.diag(torch.logspace(-2, 0, d, dtype=torch.float64))
            j = eye - base
        else:
            j = j * d**0.5 / torch.linalg.matrix_norm(j)
        sigma = linalg.singular_values(base + alphas[:, None, None] * j)
        kappa = sigma[:, 0] / sigma[:, -1].clamp(min=1e-300)
        pieces.append(pd.DataFrame({"seed": seed, "alpha": setting.alphas, "kappa": kappa.clamp(max=1e16).numpy()}))
    return pd.concat(pieces, ignore_index=True)


def _branch_matrix(kind: str, g: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    kinds = {"symmetric": g + g.mT, "positive": g @ g.mT, "skew": g - g.mT, "gaussian": g, "repair": g}
    return torch.block_diag(*[turn] * (len(g) // 2)) if kind == "rotation" else kinds[kind]


ALPHAS = (0.0, 0.01, *(round(0.05 * i, 2) for i in range(1, 41)))
_CONDITIONS = tuple(Condition(k, ALPHAS) for k in ("gaussian", "symmetric", "positive", "skew", "rotation", "repair"))
CONDITION = Experiment.repeated(
    "lipschitz-condition", condition_trial, _CONDITIONS, quick=range(20), full=range(200), group=50
)


def _kappa(table: pd.DataFrame, kind: str, alpha: float) -> np.ndarray:
    return table[(table["kind"] == kind) & (table["alpha"] == alpha)]["kappa"].to_numpy()


def _best(table: pd.DataFrame, kind: str) -> np.ndarray:
    rows = table[table["kind"] == kind].reset_index(drop=True)
    return rows.loc[rows.groupby("seed")["kappa"].idxmin(), "alpha"].to_numpy()


def condition_small(table: pd.DataFrame) -> Evidence:
    """Condition number at 0.01, Gaussian branch; control: at 1."""
    return Evidence(_kappa(table, "gaussian", 0.01), _kappa(table, "gaussian", 1.0))


def condition_interior(table: pd.DataFrame) -> Evidence:
    """The best alpha, Gaussian branch; control: a branch that repairs its shortcut."""
    return Evidence(_best(table, "gaussian"), _best(table, "repair"))


def condition_gaussian(table: pd.DataFrame) -> Evidence:
    """Condition number where the Gaussian branch is half as large as the skip; control: rotations in planes."""
    return Evidence(_kappa(table, "gaussian", 0.5), _kappa(table, "rotation", 0.5))


def condition_skew(table: pd.DataFrame) -> Evidence:
    """Condition number where the skew branch is half as large as the skip; control: a symmetric branch."""
    return Evidence(_kappa(table, "skew", 0.5), _kappa(table, "symmetric", 0.5))
